"""Spans in OTLP's JSON encoding: proto3's JSON mapping, ids in hex, 64-bit integers as texts, defaults left out."""

import base64
import math
from typing import Any

import msgspec

from jaegerlite.jaeger_json import Json
from jaegerlite.otlp import Attributes, Event, Link, Value
from jaegerlite.traces import Span


def value_json(value: Value) -> Json:
    """An `AnyValue`."""
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _odd_number(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return {"arrayValue": {"values": [value_json(item) for item in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": _attributes(tuple(value.items()))}}
    return {}


def _odd_number(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _attributes(attributes: Attributes) -> list[Json]:
    return [{"key": key, "value": value_json(value)} for key, value in attributes]


def _filled(**fields: Any) -> Json:
    """The fields that are not empty."""
    return {name: value for name, value in fields.items() if value}


def _event(event: Event) -> Json:
    return _filled(timeUnixNano=str(event.time_ns), name=event.name, attributes=_attributes(event.attributes))


def _link(link: Link) -> Json:
    return _filled(traceId=link.trace_id, spanId=link.span_id, attributes=_attributes(link.attributes))


def span_json(span: Span) -> Json:
    """A `Span`."""
    rest = span.rest
    return _filled(
        traceId=f"{span.trace[0]:016x}{span.trace[1]:016x}",
        spanId=f"{span.span_id:016x}",
        traceState=rest.trace_state,
        parentSpanId=f"{span.parent_id:016x}" if span.parent_id else "",
        name=span.series.name,
        kind=span.series.kind,
        startTimeUnixNano=str(span.start_ns),
        endTimeUnixNano=str(span.start_ns + span.duration_ns),
        attributes=_attributes(rest.attributes),
        events=[_event(event) for event in rest.events],
        links=[_link(link) for link in rest.links],
    ) | {"status": _filled(message=rest.status_message, code=span.status)}


def resource_spans_json(spans: list[Span]) -> list[Json]:
    """`resourceSpans` of these spans, encoded one by one, by resource and scope."""
    resources: dict[bytes, dict[bytes, list[msgspec.Raw]]] = {}
    series_of = {}
    for span in spans:
        series = span.series
        series_of[series.resource, series.scope] = series
        scopes = resources.setdefault(series.resource, {})
        scopes.setdefault(series.scope, []).append(msgspec.Raw(msgspec.json.encode(span_json(span))))
    found = []
    for resource, scopes in resources.items():
        scope_spans = []
        for scope, encoded in scopes.items():
            series = series_of[resource, scope]
            about = _filled(
                name=series.scope_name, version=series.scope_version, attributes=_attributes(series.scope_attributes)
            )
            scope_spans.append({"scope": about, "spans": encoded})
        about = _filled(attributes=_attributes(series.resource_attributes))
        found.append({"resource": about, "scopeSpans": scope_spans})
    return found
