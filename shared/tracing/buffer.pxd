# C types for the compiled form of buffer.py.

cimport cython
from shared.tracing.sampling cimport Sampler


cdef class Encoder:
    cpdef bint add(self, object ended, Py_ssize_t spans) except -1


@cython.final
cdef class SpanBuffer:
    cdef public Encoder encoder
    cdef public Sampler sampler
    cdef public object resource, limits, span_value_length, wake, ended, append
    cdef public Py_ssize_t span_attributes_max, max_queue_size, wake_at
    cdef public bint parent_based, records_unsampled
    cdef public long long recorded, sampled_out, dropped

    @cython.locals(waiting=cython.Py_ssize_t)
    cpdef take(self, object ended, Py_ssize_t spans)

    @cython.locals(taken=list)
    cpdef list take_out(self, Py_ssize_t count)
