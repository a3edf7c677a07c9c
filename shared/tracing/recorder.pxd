# C types for the compiled form of recorder.py.

cimport cython
from shared.tracing.span cimport Span, SpanBuffer


@cython.locals(span=Span)
cpdef Span start_child(Span parent, object scope, object name, object kind, object attributes, object start_ns)

@cython.locals(span=Span)
cpdef Span start_under(
    object parent, SpanBuffer buffer, object scope, object name, object kind, object attributes, object start_ns
)

@cython.locals(span=Span)
cpdef Span start_remote_child(
    object traceparent, SpanBuffer buffer, object scope, object name, object kind, object attributes, object start_ns
)

@cython.locals(buffer=SpanBuffer, now_ns=cython.longlong, kept=cython.bint)
cdef begin(Span span, Span parent, object attributes, object start_ns)

@cython.locals(link=object)
cdef add_links(Span span, object links)


cdef class Tracer:
    cdef object __weakref__
    cdef public SpanBuffer buffer
    cdef public object scope

    @cython.locals(parent=object)
    cpdef Span start_in(self, object context, object name, object kind, object attributes, object start_ns)


cdef class CurrentSpan:
    cdef Tracer tracer
    cdef object name, context, kind, attributes, links, start_time, token
    cdef bint record_exception, set_status_on_exception, end_on_exit
    cdef Span span

    cpdef CurrentSpan again(self)
