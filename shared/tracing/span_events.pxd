# C types for the compiled form of span_events.py.

cimport cython


@cython.final
cdef class RemoteLink:
    cdef readonly unsigned long long trace_high, trace_low, span_id
    cdef readonly int flags

    cpdef link(self)
