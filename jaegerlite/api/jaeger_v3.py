"""Jaeger's API with a version, `/api/v3`: OTLP JSON inside, errors as its gateway writes them.

Parameters are known by today's names (`query.serviceName`) and those of before (`query.service_name`).
"""

import dataclasses
import itertools
import json
import re
import zlib
from datetime import UTC, datetime
from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jaegerlite.api.answers import Handler, api_route, json_answer, tenant_of
from jaegerlite.api.jaeger import call_links
from jaegerlite.api.spool import Spool
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
from jaegerlite.traces import TraceKey, each_trace

NO_TRACES: Final = "No traces found"
SPANS_AT_ONCE: Final = 5_000
PAGINATION: Final = ("query.pagination.pageSize", "query.pagination.pageToken")
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


def _page(params: QueryParams, query: TraceQuery) -> tuple[TraceQuery, int, str]:
    """The query for a page and all before it, how many those are, and what the next page's token begins with.

    A page is the part of the same search that comes after the traces of the pages before it, so a token is their
    number, and a mark of the query that it belongs to.
    """
    size_text, token = params.get("query.pagination.pageSize", ""), params.get("query.pagination.pageToken", "")
    try:
        size = integer(size_text) if size_text else 0
    except ParameterError as error:
        raise _malformed("query.pagination.pageSize", error) from error
    if size < 0:
        raise _malformed("query.pagination.pageSize", "it is negative")
    size = min(size or query.limit, query.limit)
    mark = f"{zlib.crc32(repr(query).encode('utf-8', 'replace')):08x}-"
    before = token.removeprefix(mark)
    if token and (before == token or not before.isdecimal() or len(before) > 6):
        raise _malformed("query.pagination.pageToken", "it is no token of this query")
    return dataclasses.replace(query, limit=min(int(before or 0) + size + 1, LIMIT_MAX)), int(before or 0), mark


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


def _written(store: Store, snapshot: Snapshot, keys: list[TraceKey], *, by_id: bool) -> Spool | None:
    """OTLP's `TracesData` of these traces; None if none of them exists."""
    count = 0
    with Spool(store, snapshot.limits) as spool:
        spool.write(b'{"result":{"resourceSpans":[')
        for key, loaded in each_trace(store, snapshot, keys):
            spans = iter(loaded or (kept_trace(snapshot, key) if by_id else None) or ())
            # A resource that has many spans may come several times, as from an exporter.
            while some := list(itertools.islice(spans, SPANS_AT_ONCE)):
                for encoded in map(msgspec.json.encode, resource_spans_json(some)):
                    spool.write(b"," + encoded if count else encoded)
                    count += 1
        spool.write(b"]}}")
    if not count:
        spool.close()
        return None
    return spool


def _find(store: Store, snapshot: Snapshot, query: TraceQuery) -> Spool | None:
    return _written(store, snapshot, find_traces(store, snapshot, query), by_id=False)


def _one(store: Store, snapshot: Snapshot, key: TraceKey) -> Spool | None:
    return _written(store, snapshot, [key], by_id=True)


def _traces_answer(found: Spool | None) -> Response:
    return _error(404, NO_TRACES) if found is None else found.answer()


async def traces(request: Request) -> Response:
    """`/api/v3/traces`: a search."""
    if any(request.query_params.get(name) for name in PAGINATION):
        raise _malformed("query.pagination", "pages are of /api/v3/trace-summaries; read their traces by id")
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


def _summaries(store: Store, snapshot: Snapshot, params: QueryParams) -> Json:
    query = _query(params)
    if not any(params.get(name) for name in PAGINATION):
        return {"summaries": _summaries_of(store, snapshot, find_traces(store, snapshot, query))}
    with_before, before, mark = _page(params, query)
    keys = find_traces(store, snapshot, with_before)[before:]
    page = keys if len(keys) <= with_before.limit - before - 1 else keys[:-1]
    answer: Json = {"summaries": _summaries_of(store, snapshot, page)}
    if page and len(page) < len(keys):
        answer["nextPageToken"] = f"{mark}{before + len(page)}"
    return answer


def _summaries_of(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> list[Json]:
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
    """`/api/v3/trace-summaries`: a search that tells of each trace what a list shows, in pages where asked for."""
    return json_answer(await tenant_of(request).read(_summaries, request.query_params))


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
