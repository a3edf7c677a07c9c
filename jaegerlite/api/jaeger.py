"""Jaeger's HTTP query API as its UI, Grafana and scripts call it; answers in Jaeger's envelope."""

from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, envelope, error_answer, tenant_of
from jaegerlite.api.spool import Spool
from jaegerlite.archive import kept_trace
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json, trace_id_text, trace_pieces
from jaegerlite.jaeger_params import (
    ParameterError,
    SearchParams,
    dependency_window,
    is_raw,
    micros_or_millis,
    search_params,
    trace_id,
)
from jaegerlite.partitions import Snapshot
from jaegerlite.red import Window, read_edges
from jaegerlite.search import find_traces
from jaegerlite.store import Store
from jaegerlite.traces import TraceKey, each_trace

NOT_FOUND: Final = "trace not found"


async def services(request: Request) -> Response:
    """`/api/services`: the names of all services."""
    names = sorted(tenant_of(request).store.registry.services)
    return envelope(names, total=len(names))


async def operation_names(request: Request) -> Response:
    """`/api/services/{service}/operations`: the distinct span names of a service."""
    service = request.path_params["service"]
    names = sorted({series.name for series in tenant_of(request).store.registry.all if series.service == service})
    return envelope(names, total=len(names))


async def operations(request: Request) -> Response:
    """`/api/operations?service=&spanKind=`: span names with their kinds."""
    service, kind = request.query_params.get("service", ""), request.query_params.get("spanKind", "")
    if not service:
        raise ParameterError("parameter 'service' is required")
    pairs = sorted(
        {
            (series.name, series.kind_name)
            for series in tenant_of(request).store.registry.all
            if series.service == service and kind in ("", series.kind_name)
        }
    )
    return envelope([{"name": name, "spanKind": kind} for name, kind in pairs], total=len(pairs))


def _search(store: Store, snapshot: Snapshot, params: SearchParams) -> Spool:
    keys = params.trace_ids or find_traces(store, snapshot, params.query)
    return _written(store, snapshot, keys, raw=params.raw, by_id=bool(params.trace_ids))[0]


def _written(store: Store, snapshot: Snapshot, keys: list[TraceKey], *, raw: bool, by_id: bool) -> tuple[Spool, int]:
    """Traces in Jaeger's envelope, and how many; of those wanted by id one may be archived, or be told as missing."""
    errors: list[Json] = []
    count = 0
    with Spool(store, snapshot.limits) as spool:
        spool.write(b'{"data":[')
        for key, loaded in each_trace(store, snapshot, keys):
            spans = loaded or (kept_trace(snapshot, key) if by_id else None)
            if spans:
                spool.write(b"," if count else b"")
                for piece in trace_pieces(key, spans, raw=raw):
                    spool.write(piece)
                count += 1
            elif by_id:
                errors.append({"msg": NOT_FOUND, "traceID": trace_id_text(key)})
        spool.write(b'],"total":0,"limit":0,"offset":0,"errors":%s}' % msgspec.json.encode(errors or None))
    return spool, count


async def search(request: Request) -> Response:
    """`/api/traces`: a search, or the traces with the given ids."""
    found = await tenant_of(request).read(_search, search_params(request.query_params))
    return found.answer()


def single_trace_params(request: Request) -> tuple[TraceKey, bool]:
    """Id and `raw` of a request for one trace; `start` and `end` may be there to help a slower store, and are checked.

    Raises:
        ParameterError: one of them is unusable.
    """
    params = request.query_params
    key = trace_id(request.path_params["id"])
    for name in ("start", "end"):
        micros_or_millis(params, name)
    return key, is_raw(params)


def _trace(store: Store, snapshot: Snapshot, key: TraceKey, raw: bool) -> Spool | None:
    spool, count = _written(store, snapshot, [key], raw=raw, by_id=True)
    if not count:
        spool.close()
        return None
    return spool


async def trace(request: Request) -> Response:
    """`/api/traces/{id}`: one trace, be it a moment old; from the archive if it is nowhere else."""
    found = await tenant_of(request).read_newest(_trace, *single_trace_params(request))
    return error_answer(404, NOT_FOUND) if found is None else found.answer()


def call_links(store: Store, snapshot: Snapshot, window: Window) -> list[Json]:
    """How often services called each other within a window."""
    edges = read_edges(store, snapshot, window)
    links = sorted(zip(edges.keys, edges.histograms().calls.tolist(), strict=True))
    return [{"parent": parent, "child": child, "callCount": calls} for (parent, child), calls in links]


async def dependencies(request: Request) -> Response:
    """`/api/dependencies?endTs=&lookback=`: calls between services, whole minutes."""
    window = dependency_window(request.query_params)
    service = request.query_params.get("service", "")
    links = await tenant_of(request).read(call_links, window)
    return envelope([link for link in links if service in ("", link["parent"], link["child"])])


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of the API without a version."""
    return [
        api_route("/api/services", services),
        api_route("/api/services/{service:path}/operations", operation_names),
        api_route("/api/operations", operations),
        api_route("/api/traces", search),
        api_route("/api/traces/{id}", trace),
        api_route("/api/dependencies", dependencies),
    ]
