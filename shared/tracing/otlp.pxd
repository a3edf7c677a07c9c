# C types for the compiled form of otlp.py.

cimport cython
from shared.tracing.described cimport FixedAttributes, ItemAttributes
from shared.tracing.otlp_values cimport write_attributes
from shared.tracing.sources cimport mixed_id
from shared.tracing.span cimport Span
from shared.tracing.span_events cimport RemoteLink
from shared.tracing.span_group cimport SpanGroup
from shared.tracing.wire cimport Writer, put_back, take_writer

cdef object SERVER, CLIENT, PRODUCER, CONSUMER
cdef bytes LOCAL, REMOTE, FLAGS, NOTHING_SPECIAL, REMOTE_PARENT

cdef int kind_number(object kind) except -1

@cython.locals(writer=Writer, whole=cython.Py_ssize_t, by_scope=dict, entries=list)
cpdef bytes encode_request(object resource, object ended)

@cython.locals(start=cython.Py_ssize_t)
cpdef write_entry(Writer writer, object entry)

cpdef open_scope(Writer writer, object scope)

@cython.locals(start=cython.Py_ssize_t)
cpdef close_scope(Writer writer, object scope, Py_ssize_t whole)

@cython.locals(start=cython.Py_ssize_t)
cpdef close_resource(Writer writer, object resource)

@cython.locals(described=ItemAttributes)
cdef write_span(Writer writer, Span span)

@cython.locals(
    common=Writer, fixed=FixedAttributes, shared=bytes, parent=Span, parents=list, index=cython.Py_ssize_t,
    start=cython.Py_ssize_t
)
cdef write_group(Writer writer, SpanGroup group)

cdef write_what_and_when(Writer writer, object name, object kind, long long start_ns, long long end_ns)

cdef write_parent(Writer writer, unsigned long long parent_id, object state)

cdef write_ids(Writer writer, Span span, unsigned long long span_id)

@cython.locals(start=cython.Py_ssize_t)
cdef write_batch_size(Writer writer, unsigned long long size)

@cython.locals(start=cython.Py_ssize_t)
cdef write_span_details(Writer writer, Span span)

cdef write_event(Writer writer, object event)

cdef write_link(Writer writer, object link)

cdef write_remote_link(Writer writer, RemoteLink link)

cdef write_count(Writer writer, unsigned char tag, unsigned int count)
