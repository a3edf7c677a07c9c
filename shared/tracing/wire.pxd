# C types for the compiled form of wire.py.

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from cpython.long cimport PyLong_AsLongLongAndOverflow
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from shared.tracing.w3c cimport PyUnicode_1BYTE_DATA
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy

cdef Py_ssize_t KEPT_CAPACITY_MAX
cdef list _spare


@cython.final
cdef class Writer:
    cdef unsigned char* data
    cdef Py_ssize_t capacity
    cdef public Py_ssize_t size

    @cython.locals(capacity=cython.Py_ssize_t, data="unsigned char *")
    cdef int reserve(self, Py_ssize_t count) except -1

    cpdef byte(self, unsigned char value)

    @cython.locals(count=cython.int, rest=cython.ulonglong, place="unsigned char *")
    cpdef varint(self, unsigned long long number)

    @cython.locals(index=cython.int, place="unsigned char *")
    cpdef fixed64_field(self, unsigned char tag, unsigned long long number)

    @cython.locals(index=cython.int, place="unsigned char *")
    cpdef id_field(self, unsigned char tag, unsigned long long number)

    @cython.locals(index=cython.int, place="unsigned char *")
    cpdef wide_id_field(self, unsigned char tag, unsigned long long high, unsigned long long low)

    @cython.locals(overflow=cython.int, signed_number=cython.longlong)
    cpdef bint signed(self, object number) except -1

    @cython.locals(overflow=cython.int, signed_number=cython.longlong, rest=cython.ulonglong)
    cpdef digits(self, object number)

    cpdef float64(self, double value)

    @cython.locals(count=cython.Py_ssize_t)
    cpdef raw(self, bytes chunk)

    @cython.locals(count=cython.Py_ssize_t, source="const char *")
    cpdef text(self, str value)

    @cython.locals(length=cython.Py_ssize_t)
    cpdef close(self, unsigned char tag, Py_ssize_t start)

    cpdef take_back(self, Py_ssize_t start)

    @cython.locals(start=cython.Py_ssize_t)
    cpdef text_field(self, unsigned char tag, str value)

    @cython.locals(
        key_size=cython.Py_ssize_t, size=cython.Py_ssize_t, whole=cython.Py_ssize_t, place="unsigned char *"
    )
    cpdef key_value(self, unsigned char tag, str key, Py_ssize_t start)

    @cython.locals(start=cython.Py_ssize_t, size=cython.Py_ssize_t, place="unsigned char *")
    cpdef text_attribute(self, unsigned char tag, str key, str value)

    cpdef bytes finish(self)


cpdef Writer take_writer()

cpdef put_back(Writer writer)
