# cython: language_level=3, annotation_typing=False
"""Spans to OTLP: the protobuf bytes of `ExportTraceServiceRequest`, written by hand.

The writer works backwards, so every message puts its last field first. Tags and field numbers are those of
opentelemetry-proto 1.x (`trace/v1/trace.proto`, `common/v1/common.proto`). The tests parse these bytes with the
official classes and compare them with what the reference exporter makes of the same spans.
"""

from collections.abc import Iterable
from typing import Any

from opentelemetry.trace import SpanKind, TraceState

from shared.tracing.origin import Resource, Scope
from shared.tracing.otlp_values import write_attributes
from shared.tracing.sources import mixed_id
from shared.tracing.span import BATCH_SIZE, Span
from shared.tracing.span_events import RemoteLink
from shared.tracing.span_group import Ended, SpanGroup
from shared.tracing.w3c import MASK_64
from shared.tracing.wire import Writer, put_back, take_writer

LOCAL, REMOTE = b"\x00\x01\x00\x00", b"\x00\x03\x00\x00"
"""Flags, little-endian: that it is known whether the parent is remote (0x100), and that it is (0x200)."""

FLAGS, NO_STATUS = b"\x85\x01", b"\x7a\x00"
NOTHING_SPECIAL, REMOTE_PARENT = NO_STATUS + FLAGS + LOCAL, NO_STATUS + FLAGS + REMOTE
"""Status and flags of most spans."""

INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = SpanKind


def encode_request(resource: Resource, ended: Iterable[Ended]) -> bytes:
    """The whole ExportTraceServiceRequest: one resource, its spans grouped by instrumentation scope."""
    by_scope: dict[Scope, list[Ended]] = {}
    scope: Scope | None = None
    entries: list[Ended] = []
    for entry in ended:
        if entry.scope is not scope:
            scope = entry.scope
            entries = by_scope.setdefault(scope, [])
        entries.append(entry)
    writer = take_writer()
    for scope in reversed(by_scope):
        whole = writer.size
        open_scope(writer, scope)
        for entry in reversed(by_scope[scope]):
            write_entry(writer, entry)
        close_scope(writer, scope, whole)
    close_resource(writer, resource)
    request = writer.finish()
    put_back(writer)
    return request


def write_entry(writer: Writer, entry: Ended) -> None:
    """What has ended as Span fields of a ScopeSpans message: one, or those of a group."""
    if isinstance(entry, SpanGroup):
        write_group(writer, entry)
    else:
        start = writer.size
        write_span(writer, entry)
        writer.close(0x12, start)


def open_scope(writer: Writer, scope: Scope) -> None:
    """Begin, that is end, a ScopeSpans field."""
    if scope.schema_url:
        writer.text_field(0x1A, scope.schema_url)


def close_scope(writer: Writer, scope: Scope, whole: int) -> None:
    """Put the scope before its spans, all written since the size was `whole`: they become a ScopeSpans field."""
    start = writer.size
    write_attributes(writer, 0x1A, scope.attributes)
    if scope.version:
        writer.text_field(0x12, scope.version)
    if scope.name:
        writer.text_field(0x0A, scope.name)
    writer.close(0x0A, start)
    writer.close(0x12, whole)


def close_resource(writer: Writer, resource: Resource) -> None:
    """Put the resource before all that was written: it becomes a request with one ResourceSpans field."""
    start = writer.size
    write_attributes(writer, 0x0A, resource.attributes)
    writer.close(0x0A, start)
    writer.close(0x0A, 0)


def write_span(writer: Writer, span: Span) -> None:
    """The fields of a Span message, 16 (flags) down to 1 (trace_id)."""
    write_span_details(writer, span)
    write_attributes(writer, 0x4A, span.attribute_map)
    if span.batch_size > 1:
        write_batch_size(writer, span.batch_size)
    described = span.described
    if described is not None:
        described.write(writer, span.item)
    write_what_and_when(writer, span.span_name, span.span_kind, span.start_ns, span.end_ns)
    write_parent(writer, span.parent_id, span.state)
    write_ids(writer, span, span.span_id)


def write_group(writer: Writer, group: SpanGroup) -> None:
    """Several Span fields of a ScopeSpans message: what they share is written once and copied."""
    common = take_writer()
    common.raw(NOTHING_SPECIAL)
    write_attributes(common, 0x4A, group.attribute_map)
    fixed = group.fixed
    if fixed is not None:
        common.raw(fixed.encoded)
    write_what_and_when(common, group.span_name, group.span_kind, group.start_ns, group.end_ns)
    shared = common.finish()
    put_back(common)
    parents = group.parents
    for index in range(len(parents) - 1, -1, -1):
        parent = parents[index]
        start = writer.size
        writer.raw(shared)
        write_parent(writer, parent.span_id, None)
        write_ids(writer, parent, mixed_id(group.seed, index))
        writer.close(0x12, start)


def write_what_and_when(writer: Writer, name: str, kind: SpanKind, start_ns: int, end_ns: int) -> None:
    """Times, kind and name."""
    writer.fixed64_field(0x41, end_ns)
    writer.fixed64_field(0x39, start_ns)
    writer.byte(kind_number(kind))
    writer.byte(0x30)
    if name:
        writer.text_field(0x2A, name)


def kind_number(kind: SpanKind) -> int:
    """A span kind's number in OTLP."""
    if kind is CLIENT:
        return 3
    if kind is SERVER:
        return 2
    if kind is CONSUMER:
        return 5
    return 4 if kind is PRODUCER else 1


def write_parent(writer: Writer, parent_id: int, state: TraceState | None) -> None:
    """The parent's id and the tracestate."""
    if parent_id:
        writer.id_field(0x22, parent_id)
    if state:
        writer.text_field(0x1A, state.to_header())


def write_ids(writer: Writer, span: Span, span_id: int) -> None:
    """The ids of a span, or of one in the same trace."""
    writer.id_field(0x12, span_id)
    writer.wide_id_field(0x0A, span.trace_high, span.trace_low)


def write_batch_size(writer: Writer, size: int) -> None:
    """The attribute that says how many items were served together."""
    start = writer.size
    writer.varint(size)
    writer.byte(0x18)
    writer.key_value(0x4A, BATCH_SIZE, start)


def write_span_details(writer: Writer, span: Span) -> None:
    """The fields behind the attributes: flags, status, links, events and what was dropped."""
    if span.status_code:
        writer.raw(REMOTE if span.parent_remote else LOCAL)
        writer.raw(FLAGS)
        start = writer.size
        writer.byte(span.status_code)
        writer.byte(0x18)
        if span.status_message:
            writer.text_field(0x12, span.status_message)
        writer.close(0x7A, start)
    else:
        writer.raw(REMOTE_PARENT if span.parent_remote else NOTHING_SPECIAL)
    write_count(writer, 0x70, span.dropped_links)
    if span.link_list:
        for link in reversed(span.link_list):
            start = writer.size
            if isinstance(link, RemoteLink):
                write_remote_link(writer, link)
            else:
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
    writer.fixed64_field(0x09, event.timestamp)


def write_link(writer: Writer, link: Any) -> None:
    """The fields of a Span.Link message."""
    context = link.context
    writer.raw(REMOTE if context.is_remote else LOCAL)
    writer.byte(0x35)
    write_count(writer, 0x28, link.dropped_attributes)
    write_attributes(writer, 0x22, link.attributes)
    if context.trace_state:
        writer.text_field(0x1A, context.trace_state.to_header())
    writer.id_field(0x12, context.span_id)
    writer.wide_id_field(0x0A, context.trace_id >> 64, context.trace_id & MASK_64)


def write_remote_link(writer: Writer, link: RemoteLink) -> None:
    """The same of a link that is nothing but ids."""
    writer.raw(REMOTE)
    writer.byte(0x35)
    writer.id_field(0x12, link.span_id)
    writer.wide_id_field(0x0A, link.trace_high, link.trace_low)


def write_count(writer: Writer, tag: int, count: int) -> None:
    """A number of dropped things; zero is not written."""
    if count:
        writer.varint(count)
        writer.byte(tag)
