# cython: language_level=3, annotation_typing=False
"""Spans to OTLP: the protobuf bytes of `ExportTraceServiceRequest`, written by hand.

The writer works backwards, so every message puts its last field first. Tags and field numbers are those of
opentelemetry-proto 1.x (`trace/v1/trace.proto`, `common/v1/common.proto`). The tests parse these bytes with the
official classes and compare them with what the reference exporter makes of the same spans.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.tracing.span import Resource, Scope, Span
from shared.tracing.wire import Writer

HAS_REMOTE_FLAG, REMOTE_FLAG = 0x100, 0x200


def encode_request(resource: Resource, spans: Iterable[Span]) -> bytes:
    """The whole ExportTraceServiceRequest: one resource, its spans grouped by instrumentation scope."""
    groups: dict[Scope, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.scope, []).append(span)
    writer = Writer()
    for scope in reversed(groups):
        write_scope_spans(writer, scope, groups[scope])
    start = writer.size
    write_attributes(writer, 0x0A, resource.attributes)
    writer.close(0x0A, start)
    writer.close(0x0A, 0)
    return writer.finish()


def encode_span(span: Span) -> bytes:
    """The Span message alone."""
    writer = Writer()
    write_span(writer, span)
    return writer.finish()


def write_scope_spans(writer: Writer, scope: Scope, spans: list[Span]) -> None:
    """A ScopeSpans field."""
    whole = writer.size
    if scope.schema_url:
        writer.text_field(0x1A, scope.schema_url)
    for span in reversed(spans):
        start = writer.size
        write_span(writer, span)
        writer.close(0x12, start)
    start = writer.size
    write_attributes(writer, 0x1A, scope.attributes)
    if scope.version:
        writer.text_field(0x12, scope.version)
    if scope.name:
        writer.text_field(0x0A, scope.name)
    writer.close(0x0A, start)
    writer.close(0x12, whole)


def write_span(writer: Writer, span: Span) -> None:
    """The fields of a Span message, 16 (flags) down to 1 (trace_id)."""
    write_span_details(writer, span)
    write_attributes(writer, 0x4A, span.attribute_map)
    writer.fixed64(span.end_ns)
    writer.byte(0x41)
    writer.fixed64(span.start_ns)
    writer.byte(0x39)
    writer.byte(span.span_kind._value_ + 1)
    writer.byte(0x30)
    if span.span_name:
        writer.text_field(0x2A, span.span_name)
    if span.parent_id:
        writer.big64(span.parent_id)
        writer.byte(8)
        writer.byte(0x22)
    if span.state:
        writer.text_field(0x1A, span.state.to_header())
    writer.big64(span.span_id)
    writer.byte(8)
    writer.byte(0x12)
    writer.big64(span.trace_low)
    writer.big64(span.trace_high)
    writer.byte(16)
    writer.byte(0x0A)


def write_span_details(writer: Writer, span: Span) -> None:
    """The fields behind the attributes: flags, status, links, events and what was dropped."""
    writer.fixed32(HAS_REMOTE_FLAG | REMOTE_FLAG if span.parent_remote else HAS_REMOTE_FLAG)
    writer.byte(0x01)
    writer.byte(0x85)
    start = writer.size
    if span.status_code:
        writer.byte(span.status_code)
        writer.byte(0x18)
    if span.status_message:
        writer.text_field(0x12, span.status_message)
    writer.close(0x7A, start)
    write_count(writer, 0x70, span.dropped_links)
    if span.link_list:
        for link in reversed(span.link_list):
            start = writer.size
            write_link(writer, link)
            writer.close(0x6A, start)
    write_count(writer, 0x60, span.dropped_events)
    if span.event_list:
        for event in reversed(span.event_list):
            start = writer.size
            write_event(writer, event)
            writer.close(0x5A, start)
    write_count(writer, 0x50, span.dropped_attributes)


def write_event(writer: Writer, event: Any) -> None:
    """The fields of a Span.Event message."""
    write_count(writer, 0x20, event.dropped_attributes)
    write_attributes(writer, 0x1A, event.attributes)
    if event.name:
        writer.text_field(0x12, event.name)
    writer.fixed64(event.timestamp)
    writer.byte(0x09)


def write_link(writer: Writer, link: Any) -> None:
    """The fields of a Span.Link message."""
    context = link.context
    writer.fixed32(HAS_REMOTE_FLAG | REMOTE_FLAG if context.is_remote else HAS_REMOTE_FLAG)
    writer.byte(0x35)
    write_count(writer, 0x28, link.dropped_attributes)
    write_attributes(writer, 0x22, link.attributes)
    if context.trace_state:
        writer.text_field(0x1A, context.trace_state.to_header())
    writer.big64(context.span_id)
    writer.byte(8)
    writer.byte(0x12)
    writer.raw(context.trace_id.to_bytes(16, "big"))
    writer.byte(16)
    writer.byte(0x0A)


def write_count(writer: Writer, tag: int, count: int) -> None:
    """A number of dropped things; zero is not written."""
    if count:
        writer.varint(count)
        writer.byte(tag)


def write_attributes(writer: Writer, tag: int, attributes: Mapping[str, Any] | None) -> None:
    """All attributes of a message, each as one KeyValue field."""
    if not attributes:
        return
    items = list(attributes.items())
    for key, value in reversed(items):
        write_key_value(writer, tag, key, value)


def write_key_value(writer: Writer, tag: int, key: str, value: Any) -> None:
    """One KeyValue field."""
    start = writer.size
    write_value(writer, value)
    writer.close(0x12, start)
    writer.text_field(0x0A, key)
    writer.close(tag, start)


def write_value(writer: Writer, value: Any) -> None:
    """The AnyValue message of a cleaned value. Integers beyond 64 bits go as text, as the specification says."""
    kind = type(value)
    if kind is str:
        writer.text_field(0x0A, value)
    elif kind is bool:
        writer.byte(1 if value else 0)
        writer.byte(0x10)
    elif kind is int:
        if writer.signed(value):
            writer.byte(0x18)
        else:
            writer.text_field(0x0A, str(value))
    elif kind is float:
        writer.float64(value)
        writer.byte(0x21)
    elif value is not None:
        write_nested_value(writer, value)


def write_nested_value(writer: Writer, value: Any) -> None:
    """Bytes, mappings and sequences."""
    start = writer.size
    if isinstance(value, bytes):
        writer.raw(value)
        writer.close(0x3A, start)
    elif isinstance(value, Mapping):
        for key, item in reversed(list(value.items())):
            write_key_value(writer, 0x0A, key, item)
        writer.close(0x32, start)
    else:
        for item in reversed(value):
            inner = writer.size
            write_value(writer, item)
            writer.close(0x0A, inner)
        writer.close(0x2A, start)
