# cython: language_level=3, annotation_typing=False
"""Carrying a trace over a boundary by hand: W3C `traceparent` strings in, out, and as an OpenTelemetry context."""

from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.attributes import clean_text
from shared.tracing.current import get_context, span_in
from shared.tracing.described import ItemAttributes
from shared.tracing.span import Span
from shared.tracing.span_events import exception_type
from shared.tracing.w3c import parse_traceparent


def current_traceparent() -> str:
    """The W3C `traceparent` of the current span, "" if there is none."""
    span = span_in(get_context())
    if isinstance(span, Span):
        return span.traceparent()
    return traceparent_of(span) if isinstance(span, trace.Span) else ""


def current_span() -> trace.Span:
    """The span that is current; without one, the invalid span that notes nothing."""
    span: Any = span_in(get_context())
    return INVALID_SPAN if span is None else span


def describe(span: trace.Span, attributes: ItemAttributes, item: Any) -> None:
    """Give a span the attributes of an item, which must not change any more."""
    if isinstance(span, Span):
        span.describe(attributes, item)
    else:
        span.set_attributes(attributes.attributes(item))


def traceparent_of(span: trace.Span) -> str:
    """The W3C `traceparent` that makes another span a child of `span`, "" if the span has no valid ids."""
    if isinstance(span, Span):
        return span.traceparent()
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id_of(span: trace.Span) -> str:
    """The trace id as 32 hexadecimal digits, "" if the span has no valid ids."""
    return traceparent_of(span)[3:35]


def span_context_from(traceparent: str) -> SpanContext:
    """The remote span context a header names, the invalid one if it is empty or malformed."""
    parsed = parse_traceparent(traceparent)
    if parsed is None:
        return trace.INVALID_SPAN_CONTEXT
    high, low, span_id, flags = parsed
    return SpanContext((high << 64) | low, span_id, True, TraceFlags(flags))


def context_from(traceparent: str) -> Context:
    """A context whose current span is the remote one in `traceparent`; empty if that is empty or malformed."""
    remote = span_context_from(traceparent)
    return Context({_SPAN_KEY: NonRecordingSpan(remote)}) if remote.is_valid else Context()


def record_error(span: trace.Span, error: BaseException | str, error_type: str | None = None) -> None:
    """Mark a span as failed: an `exception` event, `error.type` and status ERROR.

    `error_type` should be of low cardinality; by default it is the exception's type, `_OTHER` for a plain message.
    """
    if not span.is_recording():
        return
    if isinstance(error, BaseException):
        kind = error_type or exception_type(error)
        span.record_exception(error)
    else:
        kind = error_type or "_OTHER"
        span.add_event("exception", {"exception.type": kind, "exception.message": error})
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, clean_text(error)))
