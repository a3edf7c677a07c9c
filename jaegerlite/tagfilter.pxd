# C types for the compiled form of tagfilter.py.

cimport cython

from jaegerlite.wire cimport FieldReader

@cython.locals(value=cython.ulonglong, place=cython.int)
cdef unsigned long long word(const unsigned char* buf, Py_ssize_t pos) noexcept

cdef unsigned long long step(unsigned long long state, unsigned long long value) noexcept

@cython.locals(size=cython.Py_ssize_t, rest=cython.ulonglong)
cdef unsigned long long text_hash(
    const unsigned char* buf, Py_ssize_t pos, Py_ssize_t end, unsigned long long state
) noexcept

cdef unsigned long long mix(unsigned long long state) noexcept

@cython.final
cdef class TagWalk:
    cdef FieldReader reader
    cdef unsigned char[::1] bits
    cdef unsigned long long mask

    @cython.locals(mixed=cython.ulonglong, place=cython.ulonglong, slice_=cython.int)
    cdef int see(self, unsigned long long state) except -1

    @cython.locals(state=cython.ulonglong, reader=FieldReader)
    cdef unsigned long long value_hash(self, Py_ssize_t pos, Py_ssize_t end, unsigned long long key) except? 0

    @cython.locals(reader=FieldReader)
    cdef unsigned long long field_hash(self, unsigned long long key) noexcept

    @cython.locals(
        key=cython.ulonglong, value_start=cython.Py_ssize_t, value_stop=cython.Py_ssize_t, reader=FieldReader
    )
    cdef int attribute(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(key=cython.ulonglong, reader=FieldReader)
    cdef int nested(self, Py_ssize_t pos, Py_ssize_t end, int kind) except -1

    @cython.locals(reader=FieldReader)
    cdef int span(self, Py_ssize_t pos, Py_ssize_t end) except -1

@cython.locals(walk=TagWalk, places="long long[::1]", row=cython.Py_ssize_t)
cpdef fill_tag_filter(bytes rests, object borders, object bits)
