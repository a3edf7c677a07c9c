# C types for the compiled form of w3c.py.

cimport cython
from cpython.unicode cimport PyUnicode_AsUTF8AndSize

cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_1BYTE_DATA(object text)

ctypedef unsigned long long Number

cdef inline bint read_hex(const char* text, int count, Number* number) noexcept nogil:
    """Read lower-case hexadecimal digits; False if there is anything else."""
    cdef Number value = 0
    cdef int index
    cdef unsigned char digit
    for index in range(count):
        digit = text[index]
        if 48 <= digit <= 57:
            value = (value << 4) | (digit - 48)
        elif 97 <= digit <= 102:
            value = (value << 4) | (digit - 87)
        else:
            return False
    number[0] = value
    return True

cdef inline void write_hex(unsigned char* place, int count, Number number) noexcept nogil:
    """Write a number in lower-case hexadecimal digits."""
    cdef int index
    cdef unsigned char digit
    for index in range(count - 1, -1, -1):
        digit = number & 0xF
        place[index] = digit + 48 if digit < 10 else digit + 87
        number >>= 4


@cython.final
cdef class ParentIds:
    cdef readonly Number trace_high, trace_low, span_id, flags

    cpdef bint read(self, str header) except -1

    @cython.locals(size=cython.Py_ssize_t, version=Number, text="const char *")
    cdef bint read_digits(self, str header) except -1


@cython.locals(ids=ParentIds)
cpdef tuple parse_traceparent(str header)

@cython.locals(header=str, place="unsigned char *")
cpdef str format_traceparent(Number trace_high, Number trace_low, Number span_id, Number flags)
