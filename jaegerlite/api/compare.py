"""Comparisons of windows and of traces, and what many traces have in common."""

import time
from typing import Final

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.analysis.across import insights_of_many
from jaegerlite.analysis.compare import compare
from jaegerlite.analysis.insights import insights
from jaegerlite.api.answers import api_route, json_answer, tenant_of
from jaegerlite.api.params import time_range_ms, unusable, whole_number
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.jaeger_params import trace_id
from jaegerlite.partitions import Snapshot
from jaegerlite.red import figures, read_red, series_of, window_of
from jaegerlite.sampling import sample_traces
from jaegerlite.store import Store
from jaegerlite.traces import TraceKey, load_traces

TRACES_DEFAULT: Final = 100
TRACES_MAX: Final = 1000
SECONDS_DEFAULT_MS: Final = 2000
SECONDS_MAX_MS: Final = 20_000
CALLS_MIN: Final = 20
OPERATIONS_MAX: Final = 200
Range = tuple[int, int]


def _operations(
    store: Store, snapshot: Snapshot, base: Range, other: Range, service: str, operation: str
) -> list[Json]:
    """Each operation's figures in both windows, by how much time its calls gained in all."""
    key_of = {s.number: (s.service, s.name, s.kind_name) for s in series_of(store, service, operation)}
    sides: list[dict[tuple[str, str, str], Json]] = []
    for range_ms in (base, other):
        counted = read_red(store, snapshot, window_of(*range_ms), key_of)
        sides.append(dict(zip(counted.keys, figures(counted), strict=True)))
    found = []
    for key, after in sides[1].items():
        before = sides[0][key]
        if min(before["calls"], after["calls"]) < CALLS_MIN:
            continue
        gained_ms = after["total_ms"] - before["total_ms"] / before["calls"] * after["calls"]
        names = dict(zip(("service", "operation", "kind"), key, strict=True))
        found.append({**names, "base": before, "other": after, "gained_ms": round(gained_ms, 1)})
    return sorted(found, key=lambda item: -abs(item["gained_ms"]))[:OPERATIONS_MAX]


def _compare_windows(
    store: Store, snapshot: Snapshot, base: Range, other: Range, params: QueryParams, limit: int, seconds: float
) -> Json:
    service, operation = params.get("service", ""), params.get("operation", "")
    sides = [
        sample_traces(
            store, snapshot, *range_ms, service=service, operation=operation, limit=limit, seconds=seconds / 2
        )
        for range_ms in (base, other)
    ]
    return {
        "base_window": {"start_ms": base[0], "end_ms": base[1]},
        "other_window": {"start_ms": other[0], "end_ms": other[1]},
        "complete": all(complete for _, complete in sides),
        "windows": _operations(store, snapshot, base, other, service, operation),
        "traces": compare(sides[0][0].values(), sides[1][0].values()),
    }


async def compare_windows(request: Request) -> Response:
    """`/api/compare/windows`: `endTs`, `lookback` against `baseEndTs`, `baseLookback` (default: just before it)."""
    params = request.query_params
    other = time_range_ms(params)
    base_end_ms = whole_number(params, "baseEndTs", other[0])
    base = base_end_ms - whole_number(params, "baseLookback", other[1] - other[0], least=1), base_end_ms
    limit, seconds = _bounds(params)
    tenant = tenant_of(request)
    return json_answer(await tenant.read(_compare_windows, (max(0, base[0]), base[1]), other, params, limit, seconds))


def _bounds(params: QueryParams) -> tuple[int, float]:
    limit = whole_number(params, "limit", TRACES_DEFAULT, least=1, most=TRACES_MAX)
    return limit, whole_number(params, "timeout", SECONDS_DEFAULT_MS, least=1, most=SECONDS_MAX_MS) / 1000


def _compare_traces(store: Store, snapshot: Snapshot, base: list[TraceKey], other: list[TraceKey]) -> Json:
    traces = load_traces(store, snapshot, [*base, *other])
    return compare(*([traces[key] for key in keys if key in traces] for keys in (base, other)))


async def compare_traces(request: Request) -> Response:
    """`/api/compare/traces?base=<id>&base=<id>&other=<id>...`: two sets of traces."""
    params = request.query_params
    sets = []
    for name in ("base", "other"):
        ids = [trace_id(text) for text in params.getlist(name)]
        if not 0 < len(ids) <= TRACES_MAX:
            raise unusable(name, f"please give 1 to {TRACES_MAX} trace ids")
        sets.append(list(dict.fromkeys(ids)))
    return json_answer(await tenant_of(request).read(_compare_traces, *sets))


def _insights(
    store: Store, snapshot: Snapshot, range_ms: Range, params: QueryParams, limit: int, seconds: float
) -> Json:
    began = time.monotonic()
    service, operation = params.get("service", ""), params.get("operation", "")
    traces, sampled_all = sample_traces(
        store, snapshot, *range_ms, service=service, operation=operation, limit=limit, seconds=seconds / 2
    )
    left_s = seconds - (time.monotonic() - began)
    found, looked_at, analysed_all = insights(traces.items(), seconds=left_s)
    of_many, looked_all = insights_of_many(store, snapshot, range_ms, service, began + seconds)
    return {
        "start_ms": range_ms[0],
        "end_ms": range_ms[1],
        "traces": looked_at,
        "complete": sampled_all and analysed_all and looked_all,
        "insights": found + of_many,
    }


async def insights_of_window(request: Request) -> Response:
    """`/api/insights`: what costs most in total in a sample of the traces of a window."""
    params = request.query_params
    limit, seconds = _bounds(params)
    return json_answer(await tenant_of(request).read(_insights, time_range_ms(params), params, limit, seconds))


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of questions about many traces."""
    return [
        api_route("/api/compare/windows", compare_windows),
        api_route("/api/compare/traces", compare_traces),
        api_route("/api/insights", insights_of_window),
    ]
