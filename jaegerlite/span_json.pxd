# C types for the compiled form of span_json.py.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcmp, memcpy

from jaegerlite.wire cimport FieldReader

ctypedef const char* Text

@cython.final
cdef class SpanWriter:
    cdef bytes opening
    cdef bytes without_parent
    cdef bytes with_parent
    cdef bytes closing
    cdef bytes written
    cdef list shared
    cdef bint sorting
    cdef bint fitting
    cdef int shared_count
    cdef Py_ssize_t shared_room
    cdef Py_ssize_t frame
    cdef FieldReader reader
    cdef const unsigned char* buf
    cdef int count
    cdef int[64] how
    cdef int[64] order
    cdef Text[64] key
    cdef Py_ssize_t[64] key_size
    cdef Text[64] text
    cdef Py_ssize_t[64] size
    cdef long long[64] number
    cdef Py_ssize_t room
    cdef char* out
    cdef Py_ssize_t at

    @cython.locals(at=cython.int)
    cdef bint made(self, bytes key, bytes text) except -1

    @cython.locals(bad=cython.int, byte=cython.uchar, pos=cython.Py_ssize_t)
    cdef bint is_plain(self, Py_ssize_t start, Py_ssize_t stop) noexcept

    @cython.locals(reader=FieldReader)
    cdef bint value(self, Py_ssize_t pos, Py_ssize_t end, int at) except -1

    @cython.locals(
        reader=FieldReader, at=cython.int, value_start=cython.Py_ssize_t, value_stop=cython.Py_ssize_t
    )
    cdef bint attribute(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(reader=FieldReader)
    cdef bint has_message(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(reader=FieldReader, pos=cython.Py_ssize_t)
    cdef bint span(self, Py_ssize_t end) except -1

    @cython.locals(size=cython.Py_ssize_t, order=cython.int)
    cdef bint is_behind(self, int one, int other) noexcept

    @cython.locals(tag=cython.int, place=cython.int)
    cdef int sort(self) noexcept

    cdef int put(self, const char* text, Py_ssize_t size) noexcept

    @cython.locals(power=cython.longlong, size=cython.Py_ssize_t, place=cython.Py_ssize_t)
    cdef int put_number(self, long long number) noexcept

    @cython.locals(place=cython.int, digit=cython.int)
    cdef int put_id(self, unsigned long long number) noexcept

    @cython.locals(how=cython.int)
    cdef int put_tag(self, int tag) noexcept

    @cython.locals(tag=cython.int, key=bytes, text=bytes)
    cdef bint collect(self, bytes data, list status) except -1

    @cython.locals(tag=cython.int)
    cpdef bytes write(
        self, unsigned long long span_id, unsigned long long parent_id, unsigned long long start_ns,
        unsigned long long duration_ns, bytes data, list status
    )
