# C types for the compiled form of attributes.py.

cimport cython

cdef int DEPTH_MAX

cpdef clean_value(object value, object length_limit, int depth=*)

cpdef str clean_text(object value)

cpdef str clean_key(object key)

cpdef clean_time(object time_ns)

@cython.locals(cleaned=dict, plain=dict, dropped=cython.int)
cpdef tuple clean_attributes(object attributes, Py_ssize_t count_limit, object length_limit)

@cython.locals(text=str)
cdef bint are_plain(dict attributes) except -1
