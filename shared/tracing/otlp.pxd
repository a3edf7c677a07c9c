# C types for the compiled form of otlp.py.

cimport cython
from shared.tracing.span cimport Span
from shared.tracing.wire cimport Writer

@cython.locals(writer=Writer, start=cython.Py_ssize_t, groups=dict)
cpdef bytes encode_request(object resource, object spans)

@cython.locals(writer=Writer)
cpdef bytes encode_span(Span span)

@cython.locals(whole=cython.Py_ssize_t, start=cython.Py_ssize_t, span=Span)
cdef write_scope_spans(Writer writer, object scope, list spans)

cdef write_span(Writer writer, Span span)

@cython.locals(start=cython.Py_ssize_t)
cdef write_span_details(Writer writer, Span span)

cdef write_event(Writer writer, object event)

cdef write_link(Writer writer, object link)

cdef write_count(Writer writer, unsigned char tag, unsigned int count)

@cython.locals(items=list)
cdef write_attributes(Writer writer, unsigned char tag, object attributes)

@cython.locals(start=cython.Py_ssize_t)
cdef write_key_value(Writer writer, unsigned char tag, str key, object value)

cdef write_value(Writer writer, object value)

@cython.locals(start=cython.Py_ssize_t, inner=cython.Py_ssize_t)
cdef write_nested_value(Writer writer, object value)
