# cython: language_level=3, annotation_typing=False
"""Spans to OTLP: the protobuf bytes of `ExportTraceServiceRequest`, written by hand.

Field numbers are those of opentelemetry-proto 1.x (`trace/v1/trace.proto`, `common/v1/common.proto`). The tests parse
these bytes with the official classes and compare them with what the reference exporter makes of the same spans.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from opentelemetry.trace import SpanContext, SpanKind

from shared.tracing.span import Resource, Scope, Span

HAS_REMOTE_FLAG, REMOTE_FLAG = 0x100, 0x200
KNOWN_KEYS_MAX = 4096

_ids = struct.Struct(">BBQQBBQ")
_times = struct.Struct("<BBBQBQ")
_double = struct.Struct("<d")
_fixed64 = struct.Struct("<Q")
_flags = struct.Struct("<BBI")
_KINDS = {kind: bytes((0x30, kind.value + 1)) for kind in SpanKind}
_known_keys: dict[str, bytes] = {}


def varint(number: int) -> bytes:
    """Base-128 form of a non-negative integer below 2**64."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append((number & 0x7F) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(tag: int, body: bytes) -> bytes:
    """A length-delimited field; `tag` is the encoded key byte."""
    return bytes((tag,)) + varint(len(body)) + body


def text(value: str) -> bytes:
    """UTF-8; what cannot be encoded (lone surrogates) becomes a question mark rather than losing the span."""
    return value.encode("utf-8", "replace")


def any_value(value: Any) -> bytes:
    """The AnyValue message of a cleaned attribute value."""
    kind = type(value)
    if kind is str:
        return field(0x0A, text(value))
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            return b"\x18" + varint(value & 0xFFFFFFFFFFFFFFFF)
        return field(0x0A, text(str(value)))
    if isinstance(value, float):
        return b"\x21" + _double.pack(value)
    if isinstance(value, bytes):
        return field(0x3A, value)
    if isinstance(value, Mapping):
        return field(0x32, b"".join([field(0x0A, key_value(key, item)) for key, item in value.items()]))
    return field(0x2A, b"".join([field(0x0A, any_value(item)) for item in value]))


def key_value(key: str, value: Any) -> bytes:
    """The KeyValue message. Encoded keys are remembered: there are few, and they come in every span."""
    known = _known_keys.get(key)
    if known is None:
        known = field(0x0A, text(key))
        if len(_known_keys) < KNOWN_KEYS_MAX:
            _known_keys[key] = known
    return known + field(0x12, any_value(value))


def attribute_fields(tag: int, attributes: Mapping[str, Any] | None) -> bytes:
    """All attributes of a message, each as one repeated field."""
    if not attributes:
        return b""
    return b"".join([field(tag, key_value(key, value)) for key, value in attributes.items()])


def encode_span(span: Span) -> bytes:
    """The Span message (without its own tag and length)."""
    parts = [_ids.pack(0x0A, 16, span.trace_high, span.trace_low, 0x12, 8, span.span_id)]
    if span.state:
        parts.append(field(0x1A, text(span.state.to_header())))
    if span.parent_id:
        parts.append(b"\x22\x08" + span.parent_id.to_bytes(8, "big"))
    kind = _KINDS[span.span_kind]
    parts.append(field(0x2A, text(span.span_name)))
    parts.append(_times.pack(kind[0], kind[1], 0x39, span.start_ns, 0x41, span.end_ns))
    parts.append(attribute_fields(0x4A, span.attribute_map))
    if span.dropped_attributes:
        parts.append(b"\x50" + varint(span.dropped_attributes))
    if span.event_list:
        parts.extend([field(0x5A, encode_event(event)) for event in span.event_list])
    if span.dropped_events:
        parts.append(b"\x60" + varint(span.dropped_events))
    if span.link_list:
        parts.extend([field(0x6A, encode_link(link)) for link in span.link_list])
    if span.dropped_links:
        parts.append(b"\x70" + varint(span.dropped_links))
    status = field(0x12, text(span.status_message)) if span.status_message else b""
    if span.status_code:
        status += b"\x18" + varint(span.status_code)
    parts.append(field(0x7A, status))
    parts.append(_flags.pack(0x85, 0x01, HAS_REMOTE_FLAG | (REMOTE_FLAG if span.parent_remote else 0)))
    return b"".join(parts)


def encode_event(event: Any) -> bytes:
    """The Span.Event message."""
    body = b"\x09" + _fixed64.pack(event.timestamp) + (field(0x12, text(event.name)) if event.name else b"")
    body += attribute_fields(0x1A, event.attributes)
    if event.dropped_attributes:
        body += b"\x20" + varint(event.dropped_attributes)
    return body


def encode_link(link: Any) -> bytes:
    """The Span.Link message."""
    context: SpanContext = link.context
    body = field(0x0A, context.trace_id.to_bytes(16, "big")) + field(0x12, context.span_id.to_bytes(8, "big"))
    if context.trace_state:
        body += field(0x1A, text(context.trace_state.to_header()))
    body += attribute_fields(0x22, link.attributes)
    if link.dropped_attributes:
        body += b"\x28" + varint(link.dropped_attributes)
    flags = HAS_REMOTE_FLAG | (REMOTE_FLAG if context.is_remote else 0)
    return body + b"\x35" + flags.to_bytes(4, "little")


def encode_scope(scope: Scope) -> bytes:
    """The InstrumentationScope message."""
    body = field(0x0A, text(scope.name)) if scope.name else b""
    if scope.version:
        body += field(0x12, text(scope.version))
    return body + attribute_fields(0x1A, scope.attributes)


def encode_request(resource: Resource, spans: Iterable[Span]) -> bytes:
    """The whole ExportTraceServiceRequest: one resource, its spans grouped by instrumentation scope."""
    groups: dict[Scope, list[bytes]] = {}
    for span in spans:
        groups.setdefault(span.scope, []).append(field(0x12, encode_span(span)))
    body = field(0x0A, attribute_fields(0x0A, resource.attributes))
    for scope, encoded in groups.items():
        body += field(0x12, scope_spans(scope, encoded))
    return field(0x0A, body)


def scope_spans(scope: Scope, encoded: Sequence[bytes]) -> bytes:
    """The ScopeSpans message of spans that are encoded already."""
    url = field(0x1A, text(scope.schema_url)) if scope.schema_url else b""
    return field(0x0A, encode_scope(scope)) + b"".join(encoded) + url
