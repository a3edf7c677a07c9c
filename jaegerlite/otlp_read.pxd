# C types for the compiled form of otlp_read.py.

cimport cython

from jaegerlite.wire cimport FieldReader

cdef str _key(bytes raw)

@cython.final
cdef class MessageReader:
    cdef FieldReader reader

    cdef str text(self, Py_ssize_t start, Py_ssize_t stop)

    @cython.locals(reader=FieldReader)
    cdef object value(self, Py_ssize_t pos, Py_ssize_t end)

    @cython.locals(reader=FieldReader, found=list)
    cdef list array(self, Py_ssize_t pos, Py_ssize_t end)

    @cython.locals(reader=FieldReader, key=str, value_start=cython.Py_ssize_t, value_stop=cython.Py_ssize_t)
    cdef tuple attribute(self, Py_ssize_t pos, Py_ssize_t end)

    @cython.locals(reader=FieldReader, found=list)
    cdef list attributes(self, Py_ssize_t pos, Py_ssize_t end, int number)

    @cython.locals(reader=FieldReader, pos=cython.Py_ssize_t)
    cdef object event(self, Py_ssize_t begin, Py_ssize_t end)

    @cython.locals(reader=FieldReader, pos=cython.Py_ssize_t)
    cdef object link(self, Py_ssize_t begin, Py_ssize_t end)

    @cython.locals(reader=FieldReader, found=str)
    cdef str status_message(self, Py_ssize_t pos, Py_ssize_t end)

    @cython.locals(reader=FieldReader, attributes=list)
    cdef object rest(self, Py_ssize_t pos, Py_ssize_t end)

cpdef object read_rest(bytes data)

cpdef tuple read_resource(bytes data)

@cython.locals(message=MessageReader, reader=FieldReader, pos=cython.Py_ssize_t)
cpdef tuple read_scope(bytes data)
