# C types for the compiled form of retention.py.

cimport cython
from shared.tracing.span cimport Span, SpanGroup


@cython.final
cdef class Held:
    cdef public double since_s
    cdef public Py_ssize_t size
    cdef public list spans


@cython.final
cdef class Retention:
    cdef public object slowness, announce, announced
    cdef public double hold_s, kept_per_s_max, allowance, allowance_at_s
    cdef public Py_ssize_t bytes_max, size, held_spans
    cdef public dict ring, kept, counts

    @cython.locals(span=Span, now_s=cython.double, sending=list, triggered=list, slow=cython.bint)
    cpdef list sort(self, list batch)

    @cython.locals(now_s=cython.double, sending=list)
    cpdef list due(self)

    @cython.locals(held=Held, size=cython.Py_ssize_t)
    cpdef hold(self, key, Span span, double now_s)

    @cython.locals(held=Held)
    cpdef release(self, key, double now_s, list sending)

    @cython.locals(allowance=cython.double)
    cpdef bint allowed(self, double now_s) except -1

    @cython.locals(held=Held, in_time=cython.bint)
    cpdef expire(self, double now_s)

    cpdef forget(self, Held held)
