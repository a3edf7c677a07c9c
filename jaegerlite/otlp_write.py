"""Writing OTLP protobuf.

What comes in otherwise (OTLP's JSON, Jaeger's Thrift, Zipkin) is turned into it, so that all spans go one way.
"""

import struct
from dataclasses import dataclass, field

from jaegerlite.otlp import Value

U64_MASK = 0xFFFFFFFFFFFFFFFF


def varint(number: int) -> bytes:
    """A protobuf varint; a negative number as its 64 bits in two's complement."""
    number &= U64_MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bytes_field(number: int, content: bytes) -> bytes:
    """A field of wire type 2: bytes, a text, or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text_field(number: int, text: str) -> bytes:
    """A text, left out when empty, as proto3 does."""
    return bytes_field(number, text.encode("utf-8", "replace")) if text else b""


def number_field(number: int, value: int) -> bytes:
    """An integer or enum, left out when zero."""
    return varint(number << 3) + varint(value) if value else b""


def fixed64_field(number: int, value: int) -> bytes:
    """A fixed64, left out when zero."""
    return varint(number << 3 | 1) + struct.pack("<Q", value & U64_MASK) if value else b""


def value_message(value: Value) -> bytes:
    """An `AnyValue`."""
    if value is None:
        return b""
    if isinstance(value, str):
        return bytes_field(1, value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, bytes):
        return bytes_field(7, value)
    if isinstance(value, list):
        return bytes_field(5, b"".join(bytes_field(1, value_message(item)) for item in value))
    return bytes_field(6, b"".join(bytes_field(1, attribute_message(key, item)) for key, item in value.items()))


def attribute_message(key: str, value: Value) -> bytes:
    """A `KeyValue`."""
    return text_field(1, key) + bytes_field(2, value_message(value))


@dataclass(slots=True)
class EventParts:
    """An event; the time in nanoseconds since 1970."""

    time_ns: int
    name: str
    attributes: dict[str, Value]


@dataclass(slots=True)
class LinkParts:
    """A link to a span."""

    trace_id: bytes
    span_id: bytes
    attributes: dict[str, Value]


@dataclass(slots=True)
class SpanParts:
    """A span as other protocols describe it; times in nanoseconds since 1970, kind and status code as OTLP has them."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str
    kind: int
    start_ns: int
    end_ns: int
    attributes: dict[str, Value]
    events: list[EventParts] = field(default_factory=list)
    links: list[LinkParts] = field(default_factory=list)
    trace_state: str = ""
    status_code: int = 0
    status_message: str = ""


def _attribute_fields(number: int, attributes: dict[str, Value]) -> bytes:
    return b"".join([bytes_field(number, attribute_message(key, value)) for key, value in attributes.items()])


def span_message(span: SpanParts) -> bytes:
    """A `Span`."""
    status = text_field(2, span.status_message) + number_field(3, span.status_code)
    return b"".join(
        (
            bytes_field(1, span.trace_id),
            bytes_field(2, span.span_id),
            bytes_field(4, span.parent_id) if span.parent_id else b"",
            text_field(5, span.name),
            number_field(6, span.kind),
            fixed64_field(7, span.start_ns),
            fixed64_field(8, span.end_ns),
            text_field(3, span.trace_state),
            _attribute_fields(9, span.attributes),
            *(
                bytes_field(
                    11,
                    fixed64_field(1, event.time_ns)
                    + text_field(2, event.name)
                    + _attribute_fields(3, event.attributes),
                )
                for event in span.events
            ),
            *(
                bytes_field(
                    13,
                    bytes_field(1, link.trace_id)
                    + bytes_field(2, link.span_id)
                    + _attribute_fields(4, link.attributes),
                )
                for link in span.links
            ),
            bytes_field(15, status) if status else b"",
        )
    )


def scope_message(name: str, version: str) -> bytes:
    """An `InstrumentationScope` without attributes."""
    return text_field(1, name) + text_field(2, version)


def resource_spans(resource: bytes, scopes: list[tuple[bytes, list[bytes]]]) -> bytes:
    """The one `ResourceSpans` of an `ExportTraceServiceRequest`: spans by scope, all as messages."""
    inside = [bytes_field(1, resource)]
    for scope, spans in scopes:
        inside.append(bytes_field(2, bytes_field(1, scope) + b"".join([bytes_field(2, span) for span in spans])))
    return bytes_field(1, b"".join(inside))
