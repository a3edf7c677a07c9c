# C types for the compiled form of context.py.

from shared.tracing.attributes cimport clean_text
from shared.tracing.current cimport get_context, span_in
from shared.tracing.span cimport Span
