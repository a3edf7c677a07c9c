"""Jaeger's own spans, turned into OTLP.

Field numbers are those of jaeger-idl's `jaeger.thrift`. What OpenTelemetry's senders put into tags for want of fields
(kind, status, scope, trace state) goes back to where it came from:
https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/
"""

from typing import Final, TypeVar

from jaegerlite.otlp import Value
from jaegerlite.otlp_write import (
    EventParts,
    LinkParts,
    SpanParts,
    attribute_message,
    bytes_field,
    resource_spans,
    scope_message,
    span_message,
)
from jaegerlite.receive.thrift import Struct
from jaegerlite.wire import MalformedError

NS_PER_US: Final = 1000
CHILD_OF: Final = 0
U64_MASK: Final = 0xFFFFFFFFFFFFFFFF
KINDS: Final = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
STATUS_CODES: Final = {"OK": 1, "ERROR": 2}
ERROR: Final = 2
# Tag types: string 0, double 1, boolean 2, long 3, binary 4; each has its value in a field of its own.
TEXT: Final = 0
VALUE_FIELDS: Final = {TEXT: 3, 1: 4, 2: 5, 3: 6, 4: 7}
T = TypeVar("T")
Tags = dict[str, Value]


def otlp_from_batch(batch: Struct) -> bytes:
    """An OTLP `ExportTraceServiceRequest` from a `Batch`.

    Raises:
        MalformedError: a field is missing or of the wrong type.
    """
    process = _field(batch, 1, dict, "Batch.process")
    tags = {"service.name": _text(process, 1, "Process.serviceName"), **_tags(process.get(2, []), "Process.tags")}
    resource = b"".join(bytes_field(1, attribute_message(key, value)) for key, value in tags.items())
    by_scope: dict[tuple[str, str], list[bytes]] = {}
    for span in _structs(batch.get(2, []), "Batch.spans"):
        scope, message = _span(span)
        by_scope.setdefault(scope, []).append(message)
    return resource_spans(resource, [(scope_message(*scope), spans) for scope, spans in by_scope.items()])


def _span(span: Struct) -> tuple[tuple[str, str], bytes]:
    """Name and version of the scope, and the `Span` message."""
    tags = _tags(span.get(10, []), "Span.tags")
    scope = tuple(
        str(tags.pop(f"otel.scope.{name}", None) or tags.pop(f"otel.library.{name}", None) or "")
        for name in ("name", "version")
    )
    trace_id = _trace_id(span, 2, 1, "Span.traceId")
    parent = _number(span, 4, "Span.parentSpanId") & U64_MASK
    links = []
    for reference in _structs(span.get(6, []), "Span.references"):
        is_child = _number(reference, 1, "SpanRef.refType") == CHILD_OF
        other_trace = _trace_id(reference, 3, 2, "SpanRef.traceId")
        other = _number(reference, 4, "SpanRef.spanId") & U64_MASK
        if is_child and other_trace == trace_id and parent in (0, other):
            parent = other
        else:
            kind = "child_of" if is_child else "follows_from"
            links.append(LinkParts(other_trace, other.to_bytes(8), {"opentracing.ref_type": kind}))
    start_us = max(_number(span, 8, "Span.startTime"), 0)
    code, text = _status(tags)
    parts = SpanParts(
        trace_id=trace_id,
        span_id=(_number(span, 3, "Span.spanId") & U64_MASK).to_bytes(8),
        parent_id=parent.to_bytes(8) if parent else b"",
        name=_text(span, 5, "Span.operationName"),
        kind=KINDS.get(str(tags.pop("span.kind", "")).lower(), 0),
        start_ns=start_us * NS_PER_US,
        end_ns=(start_us + max(_number(span, 9, "Span.duration"), 0)) * NS_PER_US,
        trace_state=str(tags.pop("w3c.tracestate", "")),
        attributes=tags,
        events=[_event(log) for log in _structs(span.get(11, []), "Span.logs")],
        links=links,
        status_code=code,
        status_message=text,
    )
    return (scope[0], scope[1]), span_message(parts)


def _status(tags: Tags) -> tuple[int, str]:
    """Code and message of the status, taken out of the tags."""
    code = STATUS_CODES.get(str(tags.pop("otel.status_code", "")), 0)
    if tags.get("error") in (True, "true"):
        del tags["error"]
        code = ERROR
    elif tags.get("error") in (False, "false"):
        del tags["error"]
    return code, str(tags.pop("otel.status_description", ""))


def _event(log: Struct) -> EventParts:
    fields = _tags(log.get(2, []), "Log.fields")
    name = fields.pop("event") if isinstance(fields.get("event"), str) else ""
    return EventParts(max(_number(log, 1, "Log.timestamp"), 0) * NS_PER_US, str(name), fields)


def _tags(items: object, name: str) -> Tags:
    tags: Tags = {}
    for tag in _structs(items, name):
        kind = _number(tag, 2, "Tag.vType")
        value = tag.get(VALUE_FIELDS.get(kind, 0))
        if isinstance(value, list | dict):
            raise MalformedError("a Tag's value is neither text, number, boolean nor binary")
        if isinstance(value, bytes) and kind == TEXT:
            tags[_text(tag, 1, "Tag.key")] = value.decode("utf-8", "replace")
        else:
            tags[_text(tag, 1, "Tag.key")] = value
    return tags


def _structs(items: object, name: str) -> list[Struct]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedError(f"{name} is not a list of structs")
    return items


def _trace_id(holder: Struct, high: int, low: int, name: str) -> bytes:
    return (_number(holder, high, name) & U64_MASK).to_bytes(8) + (_number(holder, low, name) & U64_MASK).to_bytes(8)


def _number(holder: Struct, number: int, name: str) -> int:
    value = holder.get(number, 0)
    if not isinstance(value, int):
        raise MalformedError(f"{name} is not a number")
    return value


def _text(holder: Struct, number: int, name: str) -> str:
    return _field(holder, number, bytes, name).decode("utf-8", "replace")


def _field(holder: Struct, number: int, kind: type[T], name: str) -> T:
    value = holder.get(number)
    if not isinstance(value, kind):
        raise MalformedError(f"{name} is missing or of another type")
    return value
