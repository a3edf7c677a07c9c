# C types for the compiled form of attributes.py.

cimport cython

@cython.locals(cleaned=dict, plain=dict, dropped=cython.int)
cpdef tuple clean_attributes(object attributes, Py_ssize_t count_limit, object length_limit)

cdef bint are_plain(dict attributes) except -1
