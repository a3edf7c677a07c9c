"""Traces in the JSON of Jaeger's query API, as its UI, Grafana and others read it."""

import base64
import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from jaegerlite.jaeger_tags import tags_json
from jaegerlite.otlp import Attributes, Event, Link, Value, value_text
from jaegerlite.tags import STATUS_NAMES, event_fields, rest_tags, series_tags, status_tags
from jaegerlite.traces import Span, TraceKey

JS_INTEGER_MAX: Final = 2**53 - 1
NS_PER_US: Final = 1000
_KEY: Final = operator.itemgetter("key")
Json = dict[str, Any]


def trace_id_text(key: TraceKey) -> str:
    """Hex as Jaeger writes it: 32 digits, or 16 where the high half is zero."""
    return f"{key[0]:016x}{key[1]:016x}" if key[0] else f"{key[1]:016x}"


def tag_json(key: str, value: Value) -> Json:
    """A tag with Jaeger's type; integers that JavaScript cannot hold become text, as in Jaeger."""
    if isinstance(value, bool):
        return {"key": key, "type": "bool", "value": value}
    if isinstance(value, int):
        return {"key": key, "type": "int64", "value": value if abs(value) <= JS_INTEGER_MAX else str(value)}
    if isinstance(value, float):
        return {"key": key, "type": "float64", "value": value if math.isfinite(value) else str(value)}
    if isinstance(value, bytes):
        return {"key": key, "type": "binary", "value": base64.b64encode(value).decode()}
    return {"key": key, "type": "string", "value": value_text(value)}


def _tags_json(tags: Iterable[tuple[str, Value]]) -> list[Json]:
    # Most values are texts; asking here saves a call for each of them.
    return [
        {"key": key, "type": "string", "value": value} if type(value) is str else tag_json(key, value)
        for key, value in tags
    ]


def _process_json(service: str, attributes: Attributes) -> Json:
    tags = sorted((pair for pair in attributes if pair[0] != "service.name"), key=lambda pair: pair[0])
    return {"serviceName": service, "tags": _tags_json(tags)}


def _reference(kind: str, trace_id: str, span_id: str) -> Json:
    return {"refType": kind, "traceID": trace_id, "spanID": span_id}


def _links_json(links: Iterable[Link]) -> Iterator[Json]:
    for link in links:
        # Jaeger's own translation marks a second parent by this attribute (OpenTracing compatibility in the
        # specification).
        kind = "CHILD_OF" if dict(link.attributes).get("opentracing.ref_type") == "child_of" else "FOLLOWS_FROM"
        yield _reference(kind, trace_id_text(_trace_key(link.trace_id)), link.span_id)


def _event_json(event: Event) -> Json:
    fields = _tags_json(event_fields(event.name, event.attributes))
    return {"timestamp": event.time_ns // NS_PER_US, "fields": fields}


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all spans of a series have in common within a trace; `made` are the same tags, each as key and JSON."""

    operation: bytes
    process: str
    tags: list[Json]
    made: list[tuple[bytes, bytes]]


def _made(tags: list[Json]) -> list[tuple[bytes, bytes]]:
    return [(tag["key"].encode(), msgspec.json.encode(tag)) for tag in tags]


_MADE_OF_STATUS: Final = tuple(_made(_tags_json(status_tags(status))) for status in range(len(STATUS_NAMES)))


def _span_bytes(span: Span, trace_id: str, shared: _Shared, *, sort_tags: bool) -> bytes:
    """A span as JSON: written at once where its tags are plain, as those of nearly all are, else encoded."""
    tags = tags_json(span.rest_bytes, shared.made, _MADE_OF_STATUS[span.status], sort=sort_tags)
    if tags is None:
        return msgspec.json.encode(_span_json(span, trace_id, shared, sort_tags=sort_tags))
    known = trace_id.encode()
    references = (
        b'[{"refType":"CHILD_OF","traceID":"%s","spanID":"%016x"}]' % (known, span.parent_id)
        if span.parent_id
        else b"[]"
    )
    return (
        b'{"traceID":"%s","spanID":"%016x","operationName":%s,"references":%s,"startTime":%d,"duration":%d,"tags":[%s],'
        b'"logs":[],"processID":"%s","warnings":null}'
        % (
            *(known, span.span_id, shared.operation, references),
            *(span.start_ns // NS_PER_US, span.duration_ns // NS_PER_US, tags, shared.process.encode()),
        )
    )


def _span_json(span: Span, trace_id: str, shared: _Shared, *, sort_tags: bool) -> Json:
    rest = span.rest
    references = [_reference("CHILD_OF", trace_id, f"{span.parent_id:016x}")] if span.parent_id else []
    if rest.links:
        references.extend(_links_json(rest.links))
    tags = [*shared.tags, *_tags_json(rest_tags(rest))]
    if span.status:
        tags.extend(_tags_json(status_tags(span.status)))
    if sort_tags:
        tags.sort(key=_KEY)
    return {
        "traceID": trace_id,
        "spanID": f"{span.span_id:016x}",
        "operationName": span.series.name,
        "references": references,
        "startTime": span.start_ns // NS_PER_US,
        "duration": span.duration_ns // NS_PER_US,
        "tags": tags,
        "logs": [_event_json(event) for event in rest.events],
        "processID": shared.process,
        "warnings": None,
    }


def _trace_key(text: str) -> TraceKey:
    number = int(text or "0", 16)
    return number >> 64, number & 0xFFFFFFFFFFFFFFFF


def trace_pieces(key: TraceKey, spans: Iterable[Span], *, raw: bool = False) -> Iterator[bytes]:
    """One trace, encoded span by span; `raw` leaves the tags in the order of arrival, which Jaeger otherwise sorts."""
    names: dict[bytes, str] = {}
    processes: dict[str, Json] = {}
    # What all spans of a series share is made once: a trace may have 100,000 spans.
    shared: dict[int, _Shared] = {}
    trace_id = trace_id_text(key)
    head = b'{"traceID":"%s","spans":[' % trace_id.encode()
    for span in spans:
        series = span.series
        known = shared.get(series.number)
        if known is None:
            process = names.setdefault(series.resource, f"p{len(names) + 1}")
            if process not in processes:
                processes[process] = _process_json(series.service, series.resource_attributes)
            tags = _tags_json(series_tags(series))
            known = _Shared(msgspec.json.encode(series.name), process, tags, _made(tags))
            shared[series.number] = known
        yield head + _span_bytes(span, trace_id, known, sort_tags=not raw)
        head = b","
    yield b'],"processes":%s,"warnings":null}' % msgspec.json.encode(processes)


def trace_json(key: TraceKey, spans: list[Span], *, raw: bool = False) -> msgspec.Raw:
    """One trace as a whole, with at least one span; see `trace_pieces`."""
    return msgspec.Raw(b"".join(trace_pieces(key, spans, raw=raw)))
