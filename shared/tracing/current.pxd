# C types for the compiled form of current.py.

cimport cython
from cpython.dict cimport PyDict_SetItem

cpdef span_in(object context)

cpdef context_with(object outer, object span)
