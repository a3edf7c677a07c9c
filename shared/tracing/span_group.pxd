# C types for the compiled form of span_group.py.

cimport cython
from shared.tracing.attributes cimport clean_text
from shared.tracing.buffer cimport SpanBuffer
from shared.tracing.sources cimport mixed_id, next_id
from shared.tracing.span cimport Span


@cython.final
cdef class SpanGroup:
    cdef readonly SpanBuffer buffer
    cdef readonly object scope, span_kind, fixed
    cdef public object span_name
    cdef readonly list parents
    cdef public dict attribute_map
    cdef public long long start_ns, end_ns
    cdef readonly unsigned long long seed

    @cython.locals(span=Span, parent=Span, index=cython.Py_ssize_t)
    cpdef list spans(self)


@cython.locals(group=SpanGroup)
cpdef SpanGroup new_group(
    list parents, object name, object kind, object fixed, dict attributes, long long start_ns, long long end_ns
)


@cython.locals(count=cython.Py_ssize_t, group=SpanGroup)
cpdef Py_ssize_t span_count(object ended) except -1
