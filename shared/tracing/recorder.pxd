# C types for the compiled form of recorder.py.

cimport cython
from cpython.dict cimport PyDict_SetItem
from shared.tracing.sources cimport monotonic_ns, next_id, wall_ns
from shared.tracing.described cimport ItemAttributes
from shared.tracing.span cimport RemoteLink, Span, SpanBuffer, new_span
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

@cython.locals(link=object)
cdef add_links(Span span, object links)


cpdef span_in(object context)

cpdef context_with(object outer, object span)


cdef class CurrentSpan


@cython.final
cdef class Tracer:
    cdef object __weakref__
    cdef public SpanBuffer buffer
    cdef public object scope

    @cython.locals(current=CurrentSpan)
    cpdef CurrentSpan start_as_current_span(
        self, name, context=*, kind=*, attributes=*, links=*, start_time=*,
        bint record_exception=*, bint set_status_on_exception=*, bint end_on_exit=*
    )

    cpdef Span start_in(self, object context, object name, object kind, object attributes, object start_ns)


@cython.final
@cython.no_gc
@cython.freelist(64)
cdef class CurrentSpan:
    cdef public Tracer tracer
    cdef public object name, context, kind, attributes, links, start_time, token
    cdef public bint record_exception, set_status_on_exception, end_on_exit
    cdef public Span span

    cpdef CurrentSpan again(self)
