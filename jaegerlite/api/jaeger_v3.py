"""Jaeger's API with a version, `/api/v3`: OTLP JSON inside, errors as its gateway writes them.

Parameters are known by today's names (`query.serviceName`) and those of before (`query.service_name`).
"""

import dataclasses
import itertools
from typing import Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from jaegerlite.api.answers import Handler, api_route, json_answer, tenant_of
from jaegerlite.api.jaeger import call_links
from jaegerlite.api.jaeger_v3_params import PAGINATION, filter_of, malformed, page_of, query_of, time_ns, value_of
from jaegerlite.api.spool import Spool
from jaegerlite.archive import kept_trace
from jaegerlite.backend import Backend
from jaegerlite.find.language import Expression
from jaegerlite.find.run import Search, search
from jaegerlite.find.structured import LEVELS, OPERATORS
from jaegerlite.jaeger_json import Json
from jaegerlite.jaeger_params import (
    LIMIT_MAX,
    ParameterError,
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
NS_PER_MS: Final = 1_000_000


def _error(status: int, text: str) -> Response:
    return json_answer({"error": {"httpCode": status, "message": text}}, status)


def _found(
    store: Store, snapshot: Snapshot, query: TraceQuery, wanted: Expression | None, limit: int
) -> list[TraceKey]:
    """The traces of a search, the newest first, `limit` at most."""
    if wanted is None:
        return find_traces(store, snapshot, dataclasses.replace(query, limit=limit))
    result = search(store, snapshot, Search(wanted, query.start_ns_min, query.start_ns_max, limit=limit))
    return [summary.key for summary, _ in result.traces]


async def services(request: Request) -> Response:
    """`/api/v3/services`."""
    return json_answer({"services": sorted(tenant_of(request).store.registry.services)})


async def operations(request: Request) -> Response:
    """`/api/v3/operations?service=&spanKind=`; a span without a kind counts as internal here, as in Jaeger."""
    params = request.query_params
    service, kind = params.get("service", ""), value_of(params, "spanKind")[0].lower()
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


def _find(store: Store, snapshot: Snapshot, query: TraceQuery, wanted: Expression | None) -> Spool | None:
    return _written(store, snapshot, _found(store, snapshot, query, wanted, query.limit), by_id=False)


def _one(store: Store, snapshot: Snapshot, key: TraceKey) -> Spool | None:
    return _written(store, snapshot, [key], by_id=True)


def _traces_answer(found: Spool | None) -> Response:
    return _error(404, NO_TRACES) if found is None else found.answer()


async def traces(request: Request) -> Response:
    """`/api/v3/traces`: a search."""
    params = request.query_params
    if any(params.get(name) for name in PAGINATION):
        raise malformed("query.pagination", "pages are of /api/v3/trace-summaries; read their traces by id")
    query = query_of(params)
    return _traces_answer(await tenant_of(request).read(_find, query, filter_of(params, query)))


async def trace(request: Request) -> Response:
    """`/api/v3/traces/{id}`: one trace, be it a moment old; from the archive if it is nowhere else."""
    params = request.query_params
    try:
        key = trace_id(request.path_params["id"])
    except ParameterError as error:
        raise malformed("trace_id", error) from error
    time_ns(params, "startTime")
    time_ns(params, "endTime")
    if raw := value_of(params, "rawTraces")[0]:
        parse_bool(raw)
    return _traces_answer(await tenant_of(request).read_newest(_one, key))


def _summaries(store: Store, snapshot: Snapshot, params: QueryParams) -> Json:
    query = query_of(params)
    wanted = filter_of(params, query)
    if not any(params.get(name) for name in PAGINATION):
        return {"summaries": _summaries_of(store, snapshot, _found(store, snapshot, query, wanted, query.limit))}
    size, before, mark = page_of(params, query)
    # One more than is shown says whether there is another page.
    keys = _found(store, snapshot, query, wanted, min(before + size + 1, LIMIT_MAX))[before:]
    page = keys if len(keys) <= size else keys[:-1]
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


async def capabilities(_: Request) -> Response:
    """`/api/v3/capabilities`: what searches may ask; what is not named cannot be asked."""
    filters = {"levels": LEVELS, "operators": OPERATORS}
    able = {"withoutServiceName": True, "sameSpanConjunction": True, "filter": filters, "paginated": True}
    return json_answer({"search": able})


async def dependencies(request: Request) -> Response:
    """`/api/v3/dependencies?startTime=&endTime=`: calls between services, whole minutes."""
    start_ms, end_ms = (
        time_ns(request.query_params, name, required=True) // NS_PER_MS for name in ("startTime", "endTime")
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
        _route("/api/v3/capabilities", capabilities),
        _route("/api/v3/dependencies", dependencies),
    ]
