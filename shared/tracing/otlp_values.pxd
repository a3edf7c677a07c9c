# C types for the compiled form of otlp_values.py.

cimport cython
from cpython.dict cimport PyDict_Next
from cpython.object cimport PyObject
from shared.tracing.wire cimport Writer

cdef enum:
    ITEMS_MAX = 128

cdef struct Items:
    Py_ssize_t count
    PyObject* keys[ITEMS_MAX]
    PyObject* values[ITEMS_MAX]

cdef inline void read_items(dict attributes, Items* items) noexcept:
    """The keys and values of a small dictionary, in order, without references of their own."""
    cdef Py_ssize_t position = 0
    items.count = 0
    while PyDict_Next(attributes, &position, &items.keys[items.count], &items.values[items.count]):
        items.count += 1

@cython.locals(plain=dict, items=Items, index=cython.Py_ssize_t)
cpdef write_attributes(Writer writer, unsigned char tag, object attributes)

@cython.locals(start=cython.Py_ssize_t)
cpdef write_key_value(Writer writer, unsigned char tag, str key, object value)

cpdef write_value(Writer writer, object value)

@cython.locals(start=cython.Py_ssize_t, inner=cython.Py_ssize_t)
cdef write_nested_value(Writer writer, object value)
