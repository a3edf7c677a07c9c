"""Jaeger's HTTP query API as its UI, Grafana and scripts call it; answers in Jaeger's envelope."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, envelope, error_answer, tenant_of
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json, trace_id_text, trace_json
from jaegerlite.jaeger_params import ParameterError, dependency_window, is_raw, search_params, trace_id
from jaegerlite.partitions import Snapshot
from jaegerlite.red import Window, read_edges
from jaegerlite.search import find_traces
from jaegerlite.store import Store
from jaegerlite.traces import load_traces

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


async def search(request: Request) -> Response:
    """`/api/traces`: a search, or the traces with the given ids."""
    params = search_params(request.query_params)
    errors: list[Json] = []

    def work(store: Store, snapshot: Snapshot) -> list[Json]:
        keys = params.trace_ids or find_traces(store, snapshot, params.query)
        traces = load_traces(store, snapshot, keys)
        errors.extend(
            {"msg": NOT_FOUND, "traceID": trace_id_text(key)} for key in params.trace_ids if key not in traces
        )
        return [trace_json(key, traces[key], raw=params.raw) for key in keys if key in traces]

    return envelope(await tenant_of(request).read(work), errors=errors or None)


async def trace(request: Request) -> Response:
    """`/api/traces/{id}`: one trace."""
    key = trace_id(request.path_params["id"])
    raw = is_raw(request.query_params)
    traces = await tenant_of(request).read(load_traces, [key])
    if key not in traces:
        return error_answer(404, NOT_FOUND)
    return envelope([trace_json(key, traces[key], raw=raw)])


def _calls(store: Store, snapshot: Snapshot, window: Window) -> list[Json]:
    edges = read_edges(store, snapshot, window)
    links = sorted(zip(edges.keys, edges.histograms().calls.tolist(), strict=True))
    return [{"parent": parent, "child": child, "callCount": calls} for (parent, child), calls in links]


async def dependencies(request: Request) -> Response:
    """`/api/dependencies?endTs=&lookback=`: calls between services, whole minutes."""
    window = dependency_window(request.query_params)
    service = request.query_params.get("service", "")
    links = await tenant_of(request).read(_calls, window)
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
