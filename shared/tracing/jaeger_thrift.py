"""Spans in Jaeger's own Thrift form: to an agent over UDP (6831) or to a collector over HTTP (14268).

Struct and field numbers are those of jaeger-idl's `jaeger.thrift` and `agent.thrift`; how OpenTelemetry's notions map
to Jaeger's is https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/. Times are microseconds here.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import Link, SpanKind

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.http_sender import RETRYABLE, HttpSender
from shared.tracing.span import Span
from shared.tracing.span_group import Ended, each_span
from shared.tracing.thrift import DOUBLE, I32, I64, LIST, STRING, STRUCT, BinaryWriter, CompactWriter, ThriftWriter

# What a Jaeger agent takes at most in one datagram.
PACKET_BYTES_MAX = 65_000
MESSAGE_HEAD = b"\x82\x81\x00\x09emitBatch"
_KINDS = {kind: kind.name.lower() for kind in SpanKind}
_CHILD_OF, _FOLLOWS_FROM = 0, 1
_MASK_64 = (1 << 64) - 1


def text(value: str) -> bytes:
    """UTF-8; what cannot be encoded becomes a question mark."""
    return value.encode("utf-8", "replace")


def signed(number: int) -> int:
    """An unsigned 64-bit id as Thrift's signed i64."""
    return number - (1 << 64) if number >= 1 << 63 else number


def write_tag(writer: ThriftWriter, key: str, value: Any) -> None:
    """A Tag: string 0, double 1, bool 2, long 3, binary 4. What is none of these goes as JSON text."""
    writer.begin()
    writer.field(1, STRING)
    writer.text(text(key))
    writer.field(2, I32)
    if isinstance(value, bool):
        writer.integer(2)
        writer.bool_field(5, value)
    elif isinstance(value, int) and -(1 << 63) <= value < 1 << 63:
        writer.integer(3)
        writer.field(6, I64)
        writer.integer(value)
    elif isinstance(value, float):
        writer.integer(1)
        writer.field(4, DOUBLE)
        writer.double(value)
    elif isinstance(value, bytes):
        writer.integer(4)
        writer.field(7, STRING)
        writer.text(value)
    else:
        writer.integer(0)
        writer.field(3, STRING)
        writer.text(text(value if isinstance(value, str) else json.dumps(value, default=repr)))
    writer.end()


def write_tags(writer: ThriftWriter, number: int, tags: Mapping[str, Any]) -> None:
    """A field that is a list of tags."""
    writer.field(number, LIST)
    writer.structs(len(tags))
    for key, value in tags.items():
        write_tag(writer, key, value)


def tags_of(span: Span) -> dict[str, Any]:
    """A span's attributes with what Jaeger has no fields for: kind, status, scope."""
    tags = dict(span.attributes)
    if span.span_kind is not SpanKind.INTERNAL:
        tags["span.kind"] = _KINDS[span.span_kind]
    if span.status_code:
        tags["otel.status_code"] = span.status.status_code.name
    if span.status_code == 2:
        tags["error"] = True
    if span.status_message:
        tags["otel.status_description"] = span.status_message
    if span.state:
        tags["w3c.tracestate"] = span.state.to_header()
    tags["otel.scope.name"] = span.scope.name
    if span.scope.version:
        tags["otel.scope.version"] = span.scope.version
    return tags


def write_reference(writer: ThriftWriter, link: Link) -> None:
    """A link as a FOLLOWS_FROM reference."""
    context = link.context
    writer.begin()
    for number, kind, value in (
        (1, I32, _FOLLOWS_FROM),
        (2, I64, signed(context.trace_id & _MASK_64)),
        (3, I64, signed(context.trace_id >> 64)),
        (4, I64, signed(context.span_id)),
    ):
        writer.field(number, kind)
        writer.integer(value)
    writer.end()


def write_span(writer: ThriftWriter, span: Span) -> None:
    """A Span struct."""
    writer.begin()
    for number, value in ((1, span.trace_low), (2, span.trace_high), (3, span.span_id), (4, span.parent_id)):
        writer.field(number, I64)
        writer.integer(signed(value))
    writer.field(5, STRING)
    writer.text(text(span.span_name))
    if span.link_list:
        writer.field(6, LIST)
        writer.structs(len(span.link_list))
        for link in span.links:
            write_reference(writer, link)
    writer.field(7, I32)
    writer.integer(span.flags & 1)
    start_us = span.start_ns // 1000
    writer.field(8, I64)
    writer.integer(start_us)
    writer.field(9, I64)
    writer.integer(max(0, span.end_ns // 1000 - start_us))
    write_tags(writer, 10, tags_of(span))
    if span.event_list:
        writer.field(11, LIST)
        writer.structs(len(span.event_list))
        for event in span.event_list:
            writer.begin()
            writer.field(1, I64)
            writer.integer(event.timestamp // 1000)
            write_tags(writer, 2, {"event": event.name, **(event.attributes or {})})
            writer.end()
    writer.end()


def write_batch(writer: ThriftWriter, process: Mapping[str, Any], spans: Sequence[bytes]) -> None:
    """A Batch struct of spans that are encoded already."""
    writer.begin()
    writer.field(1, STRUCT)
    writer.begin()
    writer.field(1, STRING)
    writer.text(text(str(process.get("service.name", "unknown_service"))))
    write_tags(writer, 2, {key: value for key, value in process.items() if key != "service.name"})
    writer.end()
    writer.field(2, LIST)
    writer.structs(len(spans))
    for span in spans:
        writer.out += span
    writer.end()


def encoded_span(writer: CompactWriter | BinaryWriter, span: Span) -> bytes:
    """The bytes of one Span struct."""
    write_span(writer, span)
    return bytes(writer.out)


class JaegerUdpExporter:
    """Compact Thrift to an agent, in datagrams an agent accepts. UDP tells nobody whether they arrived."""

    takes_otlp = False

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.address = host_and_port(destination.url)
        self.socket: socket.socket | None = None

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """Datagrams and the number of spans in each; a span too large for any datagram is left out."""
        process = ended[0].resource.attributes
        room = PACKET_BYTES_MAX - len(self._message(process, ())) - 8
        packets: list[tuple[int, bytes]] = []
        waiting: list[bytes] = []
        size = 0
        for encoded in (encoded_span(CompactWriter(), span) for span in each_span(ended)):
            if len(encoded) > room:
                continue
            if size + len(encoded) > room:
                packets.append((len(waiting), self._message(process, waiting)))
                waiting, size = [], 0
            waiting.append(encoded)
            size += len(encoded)
        if waiting:
            packets.append((len(waiting), self._message(process, waiting)))
        return packets

    def send(self, payload: bytes) -> int:
        """Send one datagram."""
        if self.socket is None:
            family = socket.getaddrinfo(*self.address, type=socket.SOCK_DGRAM)[0][0]
            self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.sendto(payload, self.address)
        return 0

    def close(self) -> None:
        """Close the socket."""
        if self.socket is not None:
            self.socket.close()
            self.socket = None

    @staticmethod
    def _message(process: Mapping[str, Any], spans: Sequence[bytes]) -> bytes:
        """The one-way call `emitBatch(batch)`."""
        writer = CompactWriter()
        writer.out += MESSAGE_HEAD
        writer.begin()
        writer.field(1, STRUCT)
        write_batch(writer, process, spans)
        writer.end()
        return bytes(writer.out)


class JaegerHttpExporter:
    """Binary Thrift to a collector's `/api/traces`."""

    takes_otlp = False

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        # A collector whose queue is full answers 500.
        self.sender = HttpSender(destination, "application/vnd.apache.thrift.binary", RETRYABLE | {500})

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """One Batch struct."""
        writer = BinaryWriter()
        spans = [encoded_span(BinaryWriter(), span) for span in each_span(ended)]
        write_batch(writer, ended[0].resource.attributes, spans)
        return [(len(spans), bytes(writer.out))]

    def send(self, payload: bytes) -> int:
        """Post it."""
        self.sender.post(payload)
        return 0

    def close(self) -> None:
        """Close the connection."""
        self.sender.close()
