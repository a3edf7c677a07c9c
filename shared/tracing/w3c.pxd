# C types for the compiled form of w3c.py.

cimport cython
from cpython.unicode cimport PyUnicode_AsUTF8AndSize

cdef extern from "Python.h":
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 maxchar)
    void* PyUnicode_1BYTE_DATA(object text)

cdef extern from *:
    """
    /* The value of each lower-case hexadecimal digit, 255 for anything else. */
    static const unsigned char hex_values[256] = {
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 10, 11, 12, 13, 14, 15, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
        255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255
    };
    static const char hex_digits[] = "0123456789abcdef";
    """
    const unsigned char hex_values[256]
    const char hex_digits[16]

ctypedef unsigned long long Number

cdef inline bint read_hex(const char* text, int count, Number* number) noexcept nogil:
    """Read lower-case hexadecimal digits; False if there is anything else."""
    cdef Number value = 0
    cdef int index
    cdef unsigned char digit, seen = 0
    for index in range(count):
        digit = hex_values[<unsigned char> text[index]]
        seen |= digit
        value = (value << 4) | digit
    number[0] = value
    return seen < 16

cdef inline void write_hex(unsigned char* place, int count, Number number) noexcept nogil:
    """Write a number in lower-case hexadecimal digits."""
    cdef int index
    for index in range(count - 1, -1, -1):
        place[index] = hex_digits[number & 0xF]
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
