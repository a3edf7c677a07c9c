# C types for the compiled form of early.py.

cimport cython
from shared.tracing.buffer cimport Encoder, SpanBuffer
from shared.tracing.otlp cimport close_resource, close_scope, open_scope, write_entry
from shared.tracing.redact cimport redact_entry
from shared.tracing.wire cimport Writer, put_back, take_writer

cdef Py_ssize_t REQUEST_BYTES_MAX


cdef class OtlpEncoder(Encoder):
    cdef readonly SpanBuffer buffer
    cdef readonly object full
    cdef readonly Py_ssize_t spans, full_spans
    cdef Py_ssize_t spans_max
    cdef dict writers
    cdef object scope
    cdef Writer writer
    cdef bint busy

    @cython.locals(writer=Writer, start=cython.Py_ssize_t)
    cpdef bint add(self, object ended, Py_ssize_t spans) except -1

    @cython.locals(writer=Writer)
    cdef change_scope(self, object scope)

    @cython.locals(writer=Writer, parts=list)
    cdef close(self)
