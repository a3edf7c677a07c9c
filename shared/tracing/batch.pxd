# C types for the compiled form of batch.py.

cimport cython
from shared.tracing.attributes cimport clean_attributes
from shared.tracing.described cimport FixedAttributes, ItemAttributes
from shared.tracing.starting cimport start_child, start_items
from shared.tracing.sources cimport monotonic_ns
from shared.tracing.buffer cimport SpanBuffer
from shared.tracing.span cimport Span
from shared.tracing.span_group cimport SpanGroup, new_group

cdef int SAMPLED


@cython.final
cdef class ItemSpans:
    cdef public list spans

    @cython.locals(own=Span, end_ns=cython.longlong)
    cdef end(self)


@cython.final
cdef class StatementSpans:
    cdef readonly object given, name, attributes, kind
    cdef readonly list parents
    cdef readonly long long start_ns
    cdef readonly bint alike

    @cython.locals(own=Span, parents=list)
    cdef begin(self)

    @cython.locals(end_ns=cython.longlong)
    cdef end(self, error)

    cdef dict sized(self, attributes)

    @cython.locals(
        first=Span, buffer=SpanBuffer, fixed=FixedAttributes, attributes=dict, count=cython.Py_ssize_t, group=SpanGroup
    )
    cdef bint record_group(self, long long end_ns) except -1

    cdef record_each(self, long long end_ns, error)


cdef long long clock_of(span) except -1
