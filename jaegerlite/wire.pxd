# C types for the compiled form of wire.py.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

@cython.final
cdef class FieldReader:
    cdef bytes data
    cdef const unsigned char* buf
    cdef int number
    cdef int wire
    cdef Py_ssize_t start
    cdef Py_ssize_t stop
    cdef unsigned long long value

    @cython.locals(value=cython.ulonglong, byte=cython.ulonglong, shift=cython.int)
    cdef Py_ssize_t varint(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(value=cython.ulonglong, byte=cython.ulonglong, place=cython.int)
    cdef unsigned long long little_endian(self, Py_ssize_t pos, int width) noexcept

    @cython.locals(value=cython.ulonglong, byte=cython.ulonglong, place=cython.int)
    cdef unsigned long long big_endian(self, Py_ssize_t pos) noexcept

    @cython.locals(width=cython.int, byte=cython.uchar)
    cdef Py_ssize_t read(self, Py_ssize_t pos, Py_ssize_t end) except -1

    cdef int child_kind(self, int kind, int number) noexcept

    @cython.locals(size=cython.Py_ssize_t, more=cython.Py_ssize_t)
    cdef Py_ssize_t short_length(self, Py_ssize_t pos) noexcept

    @cython.locals(size=cython.Py_ssize_t)
    cdef bint read_plain_attribute(self, Py_ssize_t pos, Py_ssize_t end) noexcept

    @cython.locals(size=cython.Py_ssize_t, start=cython.Py_ssize_t)
    cdef Py_ssize_t past_plain_attributes(self, Py_ssize_t pos, Py_ssize_t end) noexcept

    @cython.locals(child=cython.int)
    cdef int check(self, Py_ssize_t pos, Py_ssize_t end, int kind, int depth) except -1

@cython.locals(
    places="long long[::1]", begins="long long[::1]", counts="long long[::1]", target="char*", at=cython.Py_ssize_t,
    row=cython.Py_ssize_t, sizes=bytes, gathered=bytes, body=bytes
)
cpdef bytes gather(list bodies, list body_starts, object starts, object stops)
