# C types for the compiled form of redact.py.

cimport cython
from shared.tracing.cards cimport is_card, is_card_as_id, is_clock_id
from shared.tracing.span cimport Span
from shared.tracing.span_events cimport RemoteLink
from shared.tracing.span_group cimport SpanGroup

cdef int CARD_DIGITS_MIN, TEXT_LENGTH_MIN, PLAIN, ID, SENSITIVE, STATEMENT, URL
cdef dict _key_kinds

cpdef redact_spans(object ended)

@cython.locals(group=SpanGroup)
cpdef redact_entry(object entry)

cdef redact_span(Span span)

@cython.locals(kind=cython.int)
cpdef redact_attributes(dict attributes)

cpdef bint is_plain(int kind) except -1

cpdef redact_text(str text)

@cython.locals(digits=cython.int, before=cython.Py_UCS4, character=cython.Py_UCS4)
cpdef bint is_suspect(str text) except -1
