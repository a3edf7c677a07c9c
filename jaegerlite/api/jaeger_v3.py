"""Jaeger's API with a version, `/api/v3`: OTLP JSON inside, errors as its gateway writes them.

Parameters are known by today's names (`query.serviceName`) and those of before (`query.service_name`).
"""

import json
import re
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jaegerlite.api.answers import Handler, api_route, json_answer, tenant_of
from jaegerlite.api.jaeger import TRACES_AT_ONCE, call_links
from jaegerlite.archive import kept_trace
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.jaeger_params import (
    I64_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    ParameterError,
    duration_ns,
    integer,
    parse_bool,
    trace_id,
    whole_minutes,
)
from jaegerlite.otlp_json_write import resource_spans_json
from jaegerlite.partitions import Snapshot
from jaegerlite.search import TraceQuery, find_traces
from jaegerlite.store import Store
from jaegerlite.summaries import TraceSummary, load_summaries
from jaegerlite.traces import TraceKey, load_traces

NO_TRACES: Final = "No traces found"
NS_PER_MS: Final = 1_000_000
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_CAPITAL: Final = re.compile(r"[A-Z]")


def _error(status: int, text: str) -> Response:
    return json_answer({"error": {"httpCode": status, "message": text}}, status)


def _value(params: QueryParams, name: str) -> tuple[str, str]:
    """A parameter's text, and the name it was given by."""
    if params.get(name):
        return params[name], name
    before = _CAPITAL.sub(lambda letter: f"_{letter.group().lower()}", name)
    return params.get(before, ""), before


def _malformed(name: str, reason: object) -> ParameterError:
    return ParameterError(f"malformed parameter {name}: {reason}")


def _time_ns(params: QueryParams, name: str, *, required: bool = False) -> int:
    """A time in RFC 3339 as nanoseconds since 1970; 0 where it may be left out and is."""
    text, given = _value(params, name)
    if not text:
        if required:
            raise ParameterError(f"{name} is required")
        return 0
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError("not a time of RFC 3339, such as 2026-01-31T12:00:00.5Z")
        seconds = (datetime.fromisoformat(match[1] + match[3]) - datetime.fromtimestamp(0, UTC)).total_seconds()
    except ValueError as error:
        raise _malformed(given, error) from error
    return int(seconds) * 1_000_000_000 + int((match[2] or ".0")[1:].ljust(9, "0"))


def _duration(params: QueryParams, name: str) -> int | None:
    text, given = _value(params, name)
    try:
        return min(duration_ns(text), I64_MAX) or None if text else None
    except ParameterError as error:
        raise _malformed(given, error) from error


def _depth(params: QueryParams) -> int:
    text, given = _value(params, "query.searchDepth")
    if not text:
        text, given = params.get("query.num_traces", ""), "query.num_traces"
    try:
        depth = integer(text) if text else LIMIT_DEFAULT
    except ParameterError as error:
        raise _malformed(given, error) from error
    if depth < 0:
        raise _malformed(given, "it is negative")
    return min(depth, LIMIT_MAX)


def _attributes(params: QueryParams) -> dict[str, str]:
    text = params.get("query.attributes", "")
    if not text:
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _malformed("query.attributes", error) from error
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise _malformed("query.attributes", "expecting an object of strings")
    return given


def _query(params: QueryParams) -> TraceQuery:
    if params.get("query.filter"):
        raise _malformed("query.filter", "filters are not known here; /api/search?q= takes AND, OR and NOT")
    if _value(params, "query.rawTraces")[0]:
        parse_bool(_value(params, "query.rawTraces")[0])
    return TraceQuery(
        start_ns_min=min(max(_time_ns(params, "query.startTimeMin", required=True), 0), I64_MAX),
        start_ns_max=min(max(_time_ns(params, "query.startTimeMax", required=True), 0), I64_MAX),
        service=_value(params, "query.serviceName")[0],
        operation=_value(params, "query.operationName")[0],
        duration_ns_min=_duration(params, "query.durationMin"),
        duration_ns_max=_duration(params, "query.durationMax"),
        tags=_attributes(params),
        limit=_depth(params),
    )


async def services(request: Request) -> Response:
    """`/api/v3/services`."""
    return json_answer({"services": sorted(tenant_of(request).store.registry.services)})


async def operations(request: Request) -> Response:
    """`/api/v3/operations?service=&spanKind=`; a span without a kind counts as internal here, as in Jaeger."""
    params = request.query_params
    service, kind = params.get("service", ""), _value(params, "spanKind")[0].lower()
    if not service:
        raise ParameterError("service is required")
    pairs = sorted(
        {
            (series.name, series.kind_name or "internal")
            for series in tenant_of(request).store.registry.all
            if series.service == service and kind in ("", series.kind_name)
        }
    )
    return json_answer({"operations": [{"name": name, "spanKind": kind} for name, kind in pairs]})


def _resource_spans(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> list[msgspec.Raw]:
    found: list[msgspec.Raw] = []
    for at in range(0, len(keys), TRACES_AT_ONCE):
        some = keys[at : at + TRACES_AT_ONCE]
        loaded = load_traces(store, snapshot, some)
        for key in some:
            for encoded in map(msgspec.json.encode, resource_spans_json(loaded.get(key, []))):
                snapshot.limits.take_bytes(len(encoded))
                found.append(msgspec.Raw(encoded))
    return found


def _find(store: Store, snapshot: Snapshot, query: TraceQuery) -> list[msgspec.Raw]:
    return _resource_spans(store, snapshot, find_traces(store, snapshot, query))


def _one(store: Store, snapshot: Snapshot, key: TraceKey) -> list[msgspec.Raw]:
    found = _resource_spans(store, snapshot, [key])
    if not found and (kept := kept_trace(snapshot, key)):
        return [msgspec.Raw(msgspec.json.encode(each)) for each in resource_spans_json(kept)]
    return found


def _traces_answer(resource_spans: list[msgspec.Raw]) -> Response:
    return json_answer({"result": {"resourceSpans": resource_spans}}) if resource_spans else _error(404, NO_TRACES)


async def traces(request: Request) -> Response:
    """`/api/v3/traces`: a search."""
    return _traces_answer(await tenant_of(request).read(_find, _query(request.query_params)))


async def trace(request: Request) -> Response:
    """`/api/v3/traces/{id}`: one trace, from the archive if it is nowhere else."""
    params = request.query_params
    try:
        key = trace_id(request.path_params["id"])
    except ParameterError as error:
        raise _malformed("trace_id", error) from error
    _time_ns(params, "startTime")
    _time_ns(params, "endTime")
    if raw := _value(params, "rawTraces")[0]:
        parse_bool(raw)
    return _traces_answer(await tenant_of(request).read(_one, key))


def _summaries(store: Store, snapshot: Snapshot, query: TraceQuery) -> list[Json]:
    keys = find_traces(store, snapshot, query)
    found = load_summaries(store, snapshot, keys)
    return [_summary_json(found[key]) for key in keys if key in found]


def _summary_json(summary: TraceSummary) -> Json:
    return {
        "traceId": f"{summary.key[0]:016x}{summary.key[1]:016x}",
        "rootServiceName": summary.root_service,
        "rootOperationName": summary.root_operation,
        "minStartTimeUnixNano": str(summary.start_ns),
        "maxEndTimeUnixNano": str(summary.end_ns),
        "spanCount": summary.spans,
        "errorSpanCount": summary.errors,
        "orphanSpanCount": summary.orphans,
        "services": [
            {"name": name, "spanCount": part.spans, "errorSpanCount": part.errors}
            for name, part in sorted(summary.services.items())
        ],
    }


async def trace_summaries(request: Request) -> Response:
    """`/api/v3/trace-summaries`: a search that tells of each trace what a list shows."""
    found = await tenant_of(request).read(_summaries, _query(request.query_params))
    return json_answer({"summaries": found})


async def dependencies(request: Request) -> Response:
    """`/api/v3/dependencies?startTime=&endTime=`: calls between services, whole minutes."""
    start_ms, end_ms = (
        _time_ns(request.query_params, name, required=True) // NS_PER_MS for name in ("startTime", "endTime")
    )
    links = await tenant_of(request).read(call_links, whole_minutes(start_ms, end_ms))
    return json_answer({"dependencies": [link | {"callCount": str(link["callCount"])} for link in links]})


def _route(path: str, handler: Handler) -> Route:
    return api_route(path, handler, as_error=_error)


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of version 3."""
    return [
        _route("/api/v3/services", services),
        _route("/api/v3/operations", operations),
        _route("/api/v3/traces", traces),
        _route("/api/v3/traces/{id}", trace),
        _route("/api/v3/trace-summaries", trace_summaries),
        _route("/api/v3/dependencies", dependencies),
    ]
