# C types for the compiled form of starting.py.

cimport cython
from shared.tracing.attributes cimport clean_attributes, clean_time
from shared.tracing.buffer cimport SpanBuffer
from shared.tracing.described cimport ItemAttributes
from shared.tracing.sources cimport monotonic_ns, next_id, wall_ns
from shared.tracing.span cimport Span, new_span
from shared.tracing.span_events cimport RemoteLink
from shared.tracing.w3c cimport ParentIds


cdef int SAMPLED, RANDOM_TRACE_ID
cdef long long CLOCK_REUSE_NS


@cython.locals(span=Span)
cpdef Span start_child(Span parent, object scope, object name, object kind, object attributes, object start_ns)

@cython.locals(span=Span)
cpdef Span start_root(
    SpanBuffer buffer, object scope, object name, object kind, object attributes, object start_ns
)

@cython.locals(span=Span)
cpdef Span start_under(
    object parent, SpanBuffer buffer, object scope, object name, object kind, object attributes, object start_ns
)

@cython.locals(span=Span)
cpdef Span start_remote_child(
    object traceparent, SpanBuffer buffer, object scope, object name, object kind, object attributes, object start_ns
)

@cython.locals(
    span=Span, spans=list, ids=ParentIds, index=cython.Py_ssize_t, size=cython.Py_ssize_t, now_ns=cython.longlong,
    offset_ns=cython.longlong, limited=cython.bint, known=cython.int
)
cpdef list start_items(
    SpanBuffer buffer, object scope, object name, object kind, object traceparents, ItemAttributes described,
    object items, object start_ns, object attributes, object links
)

cdef continue_remote(Span span, object traceparent, ParentIds ids)

@cython.locals(buffer=SpanBuffer, kept=cython.bint)
cdef bint decide(Span span, object attributes) except -1

@cython.locals(buffer=SpanBuffer, now_ns=cython.longlong)
cdef begin(Span span, Span parent, object attributes, object start_ns)

cdef tell(Span span, object attributes)
