# C types for the compiled form of retention.py.

cimport cython
from shared.tracing.slowness cimport Slowness
from shared.tracing.span cimport Span
from shared.tracing.span_group cimport SpanGroup

cdef int SAMPLED, ERROR
cdef Py_ssize_t SPAN_BYTES, ATTRIBUTE_BYTES, ITEM_BYTES, EVENT_BYTES, MEMBER_BYTES


@cython.final
cdef class Held:
    cdef public object key
    cdef public double since_s
    cdef public Py_ssize_t size
    cdef public list entries


@cython.final
cdef class Retention:
    cdef public Slowness slowness
    cdef public object announce, announced, by_age, kept_by_age
    cdef public double hold_s, kept_per_s_max, allowance, allowance_at_s
    cdef public Py_ssize_t bytes_max, size, held_spans
    cdef public long long kept_spans, expired_spans, evicted_spans, triggers, triggers_limited
    cdef public dict ring
    cdef public set kept

    @cython.locals(
        span=Span, parent=Span, group=SpanGroup, now_s=cython.double, sending=list, triggered=list, slow=cython.bint
    )
    cpdef list sort(self, list batch)

    @cython.locals(now_s=cython.double, sending=list)
    cpdef list due(self)

    @cython.locals(parent=Span, index=cython.Py_ssize_t)
    cpdef sort_group(self, SpanGroup group, double now_s, list sending)

    @cython.locals(held=Held)
    cpdef hold(self, key, entry, Py_ssize_t size, double now_s)

    @cython.locals(held=Held)
    cpdef release(self, key, double now_s, list sending)

    @cython.locals(allowance=cython.double)
    cpdef bint allowed(self, double now_s) except -1

    @cython.locals(held=Held, in_time=cython.bint)
    cpdef expire(self, double now_s)

    cpdef forget(self, Held held)


@cython.locals(size=cython.Py_ssize_t)
cdef Py_ssize_t size_of(Span span) except -1
