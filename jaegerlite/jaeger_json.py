"""Traces in the JSON of Jaeger's query API, as its UI, Grafana and others read it."""

import base64
import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from jaegerlite.otlp import Attributes, Event, Link, Value, value_text
from jaegerlite.span_json import Made, SpanWriter
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
    """What all spans of a series have in common within a trace."""

    process: str
    tags: list[Json]
    writer: SpanWriter


def _made(tags: list[Json]) -> list[Made]:
    return [(tag["key"].encode(), msgspec.json.encode(tag)) for tag in tags]


_MADE_OF_STATUS: Final = tuple(_made(_tags_json(status_tags(status))) for status in range(len(STATUS_NAMES)))


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
            tags, name = _tags_json(series_tags(series)), msgspec.json.encode(series.name)
            writer = SpanWriter(trace_id.encode(), name, process.encode(), _made(tags), not raw)
            known = shared[series.number] = _Shared(process, tags, writer)
        written = known.writer.write(
            *(span.span_id, span.parent_id, span.start_ns, span.duration_ns, span.rest_bytes),
            _MADE_OF_STATUS[span.status],
        )
        # Nearly all are plain; the others are encoded from what is read of them.
        if written is None:
            written = msgspec.json.encode(_span_json(span, trace_id, known, sort_tags=not raw))
        yield head + written
        head = b","
    yield b'],"processes":%s,"warnings":null}' % msgspec.json.encode(processes)


def trace_json(key: TraceKey, spans: list[Span], *, raw: bool = False) -> msgspec.Raw:
    """One trace as a whole, with at least one span; see `trace_pieces`."""
    return msgspec.Raw(b"".join(trace_pieces(key, spans, raw=raw)))
