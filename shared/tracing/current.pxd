# C types for the compiled form of current.py.

cimport cython
from cpython.contextvars cimport PyContextVar_Reset, PyContextVar_Set, get_value
from cpython.dict cimport PyDict_SetItem
from cpython.object cimport PyTypeObject

cdef object _variable, SPAN_KEY, Context

cdef inline object new_dict(object kind):
    """An empty one of a subclass of dict, without its `__init__`."""
    return (<PyTypeObject*>kind).tp_new(<type>kind, NULL, NULL)

cpdef get_context()

cpdef set_context(object context)

cpdef reset_context(object token)

cpdef span_in(object context)

@cython.locals(alone=cython.bint)
cpdef context_with(object outer, object span)
