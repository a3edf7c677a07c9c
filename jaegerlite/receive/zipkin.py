"""Zipkin's spans (version 2, JSON), turned into OTLP.

A client and its server may share one span id in Zipkin (`shared`); OTLP has no such thing, and a trace would show one
of the two. So the server's half gets an id made from the shared one, with the client's half as its parent, and so do
the parents of the spans that came along with it.
"""

import hashlib
import time
from typing import Final

import msgspec

from jaegerlite.otlp import Value
from jaegerlite.otlp_write import (
    EventParts,
    SpanParts,
    attribute_message,
    bytes_field,
    resource_spans,
    scope_message,
    span_message,
)
from jaegerlite.wire import MalformedError

NS_PER_US: Final = 1000
KINDS: Final = {"SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
STATUS_CODES: Final = {"OK": 1, "ERROR": 2}
ERROR: Final = 2
I64_MAX: Final = 2**63 - 1


class Endpoint(msgspec.Struct, rename="camel"):
    """Who took part."""

    service_name: str | None = None
    ipv4: str | None = None
    ipv6: str | None = None
    port: int | None = None


class Annotation(msgspec.Struct):
    """An event; the time in microseconds since 1970."""

    timestamp: int
    value: str


class ZipkinSpan(msgspec.Struct, rename="camel"):
    """A span; times in microseconds."""

    trace_id: str
    id: str
    name: str | None = None
    parent_id: str | None = None
    kind: str | None = None
    timestamp: int | None = None
    duration: int | None = None
    shared: bool | None = None
    local_endpoint: Endpoint | None = None
    remote_endpoint: Endpoint | None = None
    annotations: list[Annotation] | None = None
    tags: dict[str, str] | None = None


_decoder = msgspec.json.Decoder(list[ZipkinSpan])


def otlp_from_zipkin(body: bytes) -> bytes:
    """An OTLP `ExportTraceServiceRequest` from a list of spans in JSON.

    Raises:
        MalformedError: no such list, with the place of the first mistake.
    """
    try:
        spans = _decoder.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise MalformedError(str(error)) from error
    shared = {(span.trace_id, span.id, _service(span)) for span in spans if span.shared}
    resources: dict[bytes, dict[tuple[str, str], list[bytes]]] = {}
    for span in spans:
        tags: dict[str, str] = dict(span.tags or {})
        scope = tuple(
            tags.pop(f"otel.scope.{name}", "") or tags.pop(f"otel.library.{name}", "") for name in ("name", "version")
        )
        scopes = resources.setdefault(_resource(span), {})
        scopes.setdefault((scope[0], scope[1]), []).append(span_message(_parts(span, tags, shared)))
    return b"".join(
        resource_spans(resource, [(scope_message(*scope), messages) for scope, messages in scopes.items()])
        for resource, scopes in resources.items()
    )


def _service(span: ZipkinSpan) -> str:
    return (span.local_endpoint and span.local_endpoint.service_name) or ""


def _resource(span: ZipkinSpan) -> bytes:
    attributes: dict[str, Value] = {}
    if _service(span):
        attributes["service.name"] = _service(span)
    if span.local_endpoint is not None:
        attributes |= _address(span.local_endpoint, "host.ip", "host.port")
    return b"".join(bytes_field(1, attribute_message(key, value)) for key, value in attributes.items())


def _address(endpoint: Endpoint, ip: str, port: str) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if address := endpoint.ipv4 or endpoint.ipv6:
        found[ip] = address
    if endpoint.port:
        found[port] = endpoint.port
    return found


def _parts(span: ZipkinSpan, tags: dict[str, str], shared: set[tuple[str, str, str]]) -> SpanParts:
    service = _service(span)
    span_id, parent_id = _id(span.id, 8), _id(span.parent_id, 8) if span.parent_id else b""
    if span.shared:
        span_id, parent_id = _server_id(span_id, service), span_id
    elif span.parent_id and (span.trace_id, span.parent_id, service) in shared:
        parent_id = _server_id(parent_id, service)
    events = [EventParts(_ns(each.timestamp), each.value, {}) for each in span.annotations or []]
    # A span may come without its time; its first event is the best guess there is, then the time of its arrival.
    start_ns = _ns(span.timestamp) or min((event.time_ns for event in events), default=time.time_ns())
    code, text = _status(tags)
    attributes: dict[str, Value] = dict(tags)
    if span.remote_endpoint is not None:
        if span.remote_endpoint.service_name:
            attributes.setdefault("peer.service", span.remote_endpoint.service_name)
        for key, value in _address(span.remote_endpoint, "network.peer.address", "network.peer.port").items():
            attributes.setdefault(key, value)
    return SpanParts(
        trace_id=_id(span.trace_id, 16),
        span_id=span_id,
        parent_id=parent_id,
        name=span.name or "",
        kind=KINDS.get((span.kind or "").upper(), 0),
        start_ns=start_ns,
        end_ns=start_ns + _ns(span.duration),
        attributes=attributes,
        events=events,
        status_code=code,
        status_message=text,
    )


def _ns(us: int | None) -> int:
    return min(max(us or 0, 0) * NS_PER_US, I64_MAX)


def _id(text: str, size: int) -> bytes:
    try:
        return bytes.fromhex(text.rjust(2 * size, "0"))[-max(size, len(text) // 2) :]
    except ValueError as error:
        raise MalformedError(f"the id {text[:40]!r} is not hex") from error


def _server_id(span_id: bytes, service: str) -> bytes:
    return hashlib.blake2b(span_id + service.encode("utf-8", "replace"), digest_size=8).digest()


def _status(tags: dict[str, str]) -> tuple[int, str]:
    """Code and message of the status; a tag `error` of any text marks an error, and the text tells it."""
    code = STATUS_CODES.get(tags.pop("otel.status_code", ""), 0)
    text = tags.pop("otel.status_description", "")
    error = tags.get("error")
    if error is None or error == "false":
        tags.pop("error", None)
        return code, text
    del tags["error"]
    return ERROR, text or ("" if error == "true" else error)
