# C types for the compiled form of tagmatch.py.

cimport cython

from jaegerlite.wire cimport FieldReader

@cython.final
cdef class TagMatcher:
    cdef bytes key
    cdef bytes text
    cdef const unsigned char* key_bytes
    cdef const unsigned char* text_bytes
    cdef bint any_key
    cdef bint is_event_key
    cdef bint is_ascii
    cdef bint has_whole
    cdef bint in_numbers
    cdef int how
    cdef long long whole
    cdef double number
    cdef int verdict
    cdef FieldReader reader
    cdef const unsigned char* buf

    cdef int begin(self, bytes data) except -1

    @cython.locals(size=cython.Py_ssize_t, at=cython.Py_ssize_t)
    cdef bint is_key(self, Py_ssize_t start, Py_ssize_t stop) noexcept

    @cython.locals(size=cython.Py_ssize_t, at=cython.Py_ssize_t)
    cdef bint is_text(self, Py_ssize_t start, Py_ssize_t stop) noexcept

    @cython.locals(size=cython.Py_ssize_t, at=cython.Py_ssize_t, byte=cython.uchar)
    cdef bint holds(self, Py_ssize_t start, Py_ssize_t stop) noexcept

    cdef int of_text(self, Py_ssize_t start, Py_ssize_t stop) except -1

    cdef int of_integer(self, long long value) except -1

    cdef int of_boolean(self, int value) except -1

    cdef bint is_in_order(self, double value) noexcept

    cdef int of_other(self, int wire, int number) noexcept

    @cython.locals(reader=FieldReader, verdict=cython.int, signed=cython.longlong)
    cdef int of_value(self, Py_ssize_t pos, Py_ssize_t end) except -1

    cdef int note(self, int verdict) noexcept

    @cython.locals(
        reader=FieldReader, is_wanted=cython.bint, value_start=cython.Py_ssize_t, value_stop=cython.Py_ssize_t
    )
    cdef int attribute(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(reader=FieldReader, seen=cython.int)
    cdef int nested(self, Py_ssize_t pos, Py_ssize_t end, int number) except -1

    @cython.locals(reader=FieldReader, seen=cython.int, verdict=cython.int)
    cdef int event(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(reader=FieldReader)
    cdef int status(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(reader=FieldReader)
    cdef int span(self, Py_ssize_t pos, Py_ssize_t end) except -1

@cython.locals(wanted=TagMatcher, places="long long[::1]", found="unsigned char[::1]", row=cython.Py_ssize_t)
cpdef match_rows(bytes rests, object borders, TagMatcher matcher, object verdicts)

@cython.locals(
    buf="const unsigned char*", wanted="const unsigned char*", places="long long[::1]", marks="unsigned char[::1]", size=cython.Py_ssize_t,
    lower=cython.uchar, upper=cython.uchar, hits=cython.uchar, place=cython.Py_ssize_t, byte=cython.uchar,
    at=cython.Py_ssize_t, end=cython.Py_ssize_t, stop=cython.Py_ssize_t, row=cython.Py_ssize_t
)
cpdef rows_holding(bytes rests, object borders, bytes text, Py_ssize_t anchor, object found)
