# C types for the compiled form of span.py.

cimport cython
from shared.tracing.attributes cimport clean_attributes, clean_key, clean_text, clean_time, clean_value
from shared.tracing.buffer cimport SpanBuffer
from shared.tracing.sources cimport monotonic_ns
from shared.tracing.span_events cimport RemoteLink
from shared.tracing.w3c cimport format_traceparent


@cython.final
cdef class Span:
    cdef object __weakref__
    cdef public SpanBuffer buffer
    cdef public object scope, span_name, span_kind, state, context_made, status_message, described, item
    cdef public dict attribute_map
    cdef public list event_list, link_list
    cdef public unsigned long long trace_high, trace_low, span_id, parent_id
    cdef public long long start_ns, end_ns, clock_offset_ns
    cdef public int flags, status_code, dropped_attributes, dropped_events, dropped_links, batch_size
    cdef prepare(self, SpanBuffer buffer, object scope, object name, object kind)
    cpdef set_attribute(self, key, value)
    cpdef end(self, end_time=*)
    cpdef append_link(self, link)
    cpdef end_at(self, long long end_ns)
    cpdef long long now_ns(self)
    cpdef note_exception(self, exception)
    @cython.locals(own=dict, many=cython.bint)
    cpdef describe(self, described, item)
    cdef int folded(self) except -1
    cpdef dict all_attributes(self)
    cpdef unfold(self)
    cpdef str traceparent(self)
    cdef public bint parent_remote, recording, record_exceptions, set_status_on_exception


@cython.locals(span=Span)
cpdef Span new_span(SpanBuffer buffer, object scope, object name, object kind)
