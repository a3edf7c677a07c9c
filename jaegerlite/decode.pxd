# C types for the compiled form of decode.py.

cimport cython

from jaegerlite.wire cimport FieldReader

@cython.final
cdef class RowWriter:
    cdef unsigned long long[::1] trace_hi
    cdef unsigned long long[::1] trace_lo
    cdef unsigned long long[::1] span_id
    cdef unsigned long long[::1] parent_id
    cdef long long[::1] start_ns
    cdef long long[::1] duration_ns
    cdef long long[::1] rest_start
    cdef long long[::1] rest_stop
    cdef int[::1] series
    cdef unsigned char[::1] status
    cdef FieldReader reader
    cdef object registry
    cdef list names_by_kind
    cdef Py_ssize_t base
    cdef Py_ssize_t row
    cdef Py_ssize_t rejected
    cdef Py_ssize_t trace
    cdef Py_ssize_t name_start
    cdef Py_ssize_t name_stop
    cdef Py_ssize_t rest
    cdef unsigned long long parent
    cdef unsigned long long span
    cdef unsigned long long start
    cdef unsigned long long stop
    cdef int kind
    cdef int code

    @cython.locals(pos=cython.Py_ssize_t, resource=bytes, reader=FieldReader)
    cdef int resource_spans(self, Py_ssize_t begin, Py_ssize_t end) except -1

    @cython.locals(pos=cython.Py_ssize_t, scope=bytes, reader=FieldReader)
    cdef int scope_spans(self, Py_ssize_t begin, Py_ssize_t end, bytes resource) except -1

    @cython.locals(here=cython.Py_ssize_t, reader=FieldReader)
    cdef int scan(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(buf="const unsigned char*", reader=FieldReader)
    cdef Py_ssize_t take_plain_head(self, Py_ssize_t pos, Py_ssize_t end) noexcept

    @cython.locals(reader=FieldReader)
    cdef bint take_head_field(self)

    @cython.locals(number=cython.int, child=cython.int, reader=FieldReader)
    cdef int check_rest_field(self) except -1

    @cython.locals(code=cython.int, reader=FieldReader)
    cdef int status_code(self, Py_ssize_t pos, Py_ssize_t end) except -1

    @cython.locals(row=cython.Py_ssize_t, hi=cython.ulonglong, lo=cython.ulonglong, name=bytes, names=dict, reader=FieldReader)
    cdef int write_row(self, Py_ssize_t end, object context) except -1

@cython.locals(pos=cython.Py_ssize_t, end=cython.Py_ssize_t, rows=RowWriter, reader=FieldReader)
cpdef tuple decode_request(bytes data, object columns, object registry)
