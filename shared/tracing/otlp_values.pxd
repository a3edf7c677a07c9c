# C types for the compiled form of otlp_values.py.

cimport cython
from shared.tracing.wire cimport Writer

@cython.locals(plain=dict, keys=list, values=list, index=cython.Py_ssize_t)
cpdef write_attributes(Writer writer, unsigned char tag, object attributes)

@cython.locals(start=cython.Py_ssize_t)
cpdef write_key_value(Writer writer, unsigned char tag, str key, object value)

cpdef write_value(Writer writer, object value)

@cython.locals(start=cython.Py_ssize_t, inner=cython.Py_ssize_t)
cdef write_nested_value(Writer writer, object value)
