"""What the explorer's monitor and service map show: figures of operations over time, and the service graph."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, json_answer, tenant_of
from jaegerlite.api.params import span_kinds, stepped_window, time_range_ms, unusable, whole_number
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.partitions import Snapshot
from jaegerlite.red import Window, curves, figures, read_edges, read_red, series_of, window_of
from jaegerlite.store import Store

GROUPS_DEFAULT: Final = 50
GROUPS_MAX: Final = 500
CELLS_MAX: Final = 200_000
GROUPINGS: Final = ("operation", "service")


def _red(
    store: Store, snapshot: Snapshot, window: Window, key_of: dict[int, tuple[str, str]], limit: int
) -> tuple[list[Json], int]:
    """The groups on which most time was spent, with their figures and curves; and how many groups there are."""
    whole = read_red(store, snapshot, window.whole(), key_of)
    groups = [(key, f) for key, f in zip(whole.keys, figures(whole), strict=True) if f["calls"]]
    groups.sort(key=lambda group: -group[1]["total_ms"])
    chosen = {key for key, _ in groups[:limit]}
    counted = read_red(store, snapshot, window, {n: key for n, key in key_of.items() if key in chosen})
    curve_of = dict(zip(counted.keys, curves(counted), strict=True))
    found = [
        {"service": key[0], "operation": key[1] or None, **f, "series": curve_of[key]} for key, f in groups[:limit]
    ]
    return found, len(groups)


async def red(request: Request) -> Response:
    """`/api/red`: rate, errors and durations of operations (or services) over time, the most time-consuming first."""
    params = request.query_params
    window = stepped_window(params)
    grouping = params.get("groupBy", "operation")
    if grouping not in GROUPINGS:
        raise unusable("groupBy", f"'{grouping}' is none of {', '.join(GROUPINGS)}")
    limit = whole_number(params, "limit", GROUPS_DEFAULT, least=1, most=GROUPS_MAX)
    if limit * window.steps > CELLS_MAX:
        raise unusable("step", f"{limit} groups of {window.steps} steps are more than {CELLS_MAX} points")
    tenant = tenant_of(request)
    series = series_of(tenant.store, params.get("service", ""), params.get("operation", ""), span_kinds(params))
    key_of = {one.number: (one.service, one.name if grouping == "operation" else "") for one in series}
    groups, total = await tenant.read(_red, window, key_of, limit)
    times = [window.start_ms + step * window.step_ms for step in range(window.steps)]
    return json_answer({"step_ms": window.step_ms, "times_ms": times, "groups": groups, "groups_total": total})


def _graph(store: Store, snapshot: Snapshot, window: Window) -> Json:
    edges = read_edges(store, snapshot, window)
    nodes = read_red(
        store,
        snapshot,
        window,
        {s.number: s.service for s in series_of(store) if s.kind_name in ("server", "consumer")},
    )
    node_of = dict(zip(nodes.keys, figures(nodes), strict=True))
    links = [
        {"parent": parent, "child": child, **f} for (parent, child), f in zip(edges.keys, figures(edges), strict=True)
    ]
    everybody = {name for name, f in node_of.items() if f["calls"]}
    everybody.update(name for link in links for name in (link["parent"], link["child"]))
    return {
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "nodes": [{"service": name} | node_of.get(name, {}) for name in sorted(everybody)],
        "edges": sorted(links, key=lambda link: (link["parent"], link["child"])),
    }


async def service_graph(request: Request) -> Response:
    """`/api/service-graph`: services and the calls between them, with rates, errors and durations, in any window."""
    window = window_of(*time_range_ms(request.query_params))
    return json_answer(await tenant_of(request).read(_graph, window))


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of the monitor."""
    return [api_route("/api/red", red), api_route("/api/service-graph", service_graph)]
