# C types for the compiled form of tracer.py.

cimport cython
from shared.tracing.buffer cimport SpanBuffer
from shared.tracing.current cimport context_with, get_context, reset_context, set_context, span_in
from shared.tracing.span cimport Span
from shared.tracing.starting cimport start_child, start_root, start_under


@cython.locals(link=object)
cdef add_links(Span span, object links)


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
cdef class CurrentSpan:
    cdef public Tracer tracer
    cdef public object name, context, kind, attributes, links, start_time, token
    cdef public bint record_exception, set_status_on_exception, end_on_exit
    cdef public Span span

    cpdef CurrentSpan again(self)
