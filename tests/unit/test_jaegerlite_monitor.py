"""Rate, errors and durations over the query API, from spans in a real store."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jaegerlite.rollup import bucket_bounds_ns, bucket_of, sum_up
from tests.unit.jaegerlite_kit import Kit

MINUTE_MS = 60_000
# An hour of spans that is over, its end on a whole minute.
END_MS = 1_800_000_000_000


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    """An empty backend."""
    made = Kit(tmp_path)
    yield made
    made.backend.close()


def test_buckets_hold_what_they_say() -> None:
    """Every duration lies within the bounds of its bucket, which is an eighth of its lower bound wide at most."""
    durations = np.array([1, 2, 3, 7, 8, 9, 1000, 123_456_789, 2**40 + 1, 2**62], np.int64)
    low, high = bucket_bounds_ns(bucket_of(durations))
    assert np.all(low <= durations)
    assert np.all(durations < high)
    assert np.all(high - low <= low / 8)
    assert bucket_of(np.array([0, -5, 1], np.int64)).tolist() == [0, 0, 0]


def _hour(kit: Kit) -> None:
    """Each minute ten calls of 1 to 10 ms, of which the last failed, and a slow one, twice in the last ten."""
    spans: list[Span] = []
    for minute in range(60):
        at = END_MS - (60 - minute) * MINUTE_MS
        spans += [kit.span("GET", at + 10 * n, n + 1, failed=n == 9) for n in range(10)]
        spans += [kit.span("POST", at + 500, 100) for _ in range(2 if minute >= 50 else 1)]
    kit.send("shop", *spans)


def _values(metric: Any) -> list[float]:
    return [point["gaugeValue"]["doubleValue"] for point in metric["metricPoints"]]


async def test_jaegers_metrics(kit: Kit) -> None:
    """Latencies, calls and errors have Jaeger's shape, and the values that the spans have."""
    _hour(kit)
    asked: dict[str, Any] = {
        "service": "shop",
        "endTs": END_MS,
        "lookback": 3_000_000,
        "step": MINUTE_MS,
        "ratePer": 600_000,
    }
    calls = await kit.get("/api/metrics/calls", groupByOperation="true", **asked)
    assert (calls["name"], calls["type"]) == ("service_operation_call_rate", "GAUGE")
    assert calls["help"] == "calls/sec, grouped by service & operation"
    get, post = calls["metrics"]
    assert get["labels"] == [{"name": "operation", "value": "GET"}, {"name": "service_name", "value": "shop"}]
    assert len(get["metricPoints"]) == 51
    first, last = get["metricPoints"][0], get["metricPoints"][-1]
    assert datetime.fromisoformat(first["timestamp"]).timestamp() * 1000 == END_MS - 3_000_000
    assert first["timestamp"].endswith("Z")
    assert first["gaugeValue"]["doubleValue"] == last["gaugeValue"]["doubleValue"] == pytest.approx(100 / 600)
    assert _values(post)[0] == pytest.approx(10 / 600)
    assert _values(post)[-1] == pytest.approx(20 / 600)
    errors = await kit.get("/api/metrics/errors", **asked)
    assert errors["name"] == "service_error_rate"
    assert errors["metrics"][0]["labels"] == [{"name": "service_name", "value": "shop"}]
    assert _values(errors["metrics"][0])[0] == pytest.approx(10 / 110)
    latencies = await kit.get("/api/metrics/latencies", quantile=0.5, groupByOperation="true", **asked)
    assert latencies["name"] == "service_operation_latencies"
    assert latencies["help"] == "0.50th quantile latency, grouped by service & operation"
    assert _values(latencies["metrics"][0])[0] == pytest.approx(5, rel=0.13)
    assert _values(latencies["metrics"][1])[0] == pytest.approx(100, rel=0.13)
    assert (await kit.get("/api/metrics/minstep"))["data"] == 10_000


async def test_a_point_without_calls_is_left_out(kit: Kit) -> None:
    """Where nothing was called there is no latency, and a rate of zero."""
    kit.send("shop", kit.span("GET", END_MS - 10 * MINUTE_MS, 5))
    asked: dict[str, Any] = {
        "service": "shop",
        "endTs": END_MS,
        "lookback": 15 * MINUTE_MS,
        "step": MINUTE_MS,
        "ratePer": MINUTE_MS,
    }
    latencies = await kit.get("/api/metrics/latencies", quantile=0.99, **asked)
    assert len(latencies["metrics"][0]["metricPoints"]) == 1
    calls = await kit.get("/api/metrics/calls", **asked)
    assert sorted(_values(calls["metrics"][0])) == [0.0] * 15 + [1 / 60]
    assert (await kit.get("/api/metrics/calls", service="nobody"))["metrics"] == []


@pytest.mark.parametrize(
    ("path", "params", "text"),
    [
        ("calls", {}, "unable to parse param 'service': please provide at least one service name"),
        ("latencies", {"service": "a"}, "unable to parse param 'quantile': strconv.ParseFloat: parsing \"\": invalid"),
        ("latencies", {"service": "a", "quantile": "2"}, "unable to parse param 'quantile'"),
        ("calls", {"service": "a", "step": "x"}, "unable to parse param 'step': strconv.ParseInt"),
        ("calls", {"service": "a", "step": "0"}, "unable to parse param 'step'"),
        ("calls", {"service": "a", "step": "1"}, "more than 11000 points"),
        ("calls", {"service": "a", "spanKind": "odd"}, "unsupported span kind: 'odd'"),
        ("calls", {"service": "a", "groupByOperation": "maybe"}, "unable to parse param 'groupByOperation'"),
        ("calls", {"service": "a", "lookback": "9999999999999999999999"}, "value out of range"),
    ],
)
async def test_unusable_parameters_are_refused(kit: Kit, path: str, params: dict[str, str], text: str) -> None:
    """What cannot be used is answered with 400 in Jaeger's words."""
    answer = await kit.get(f"/api/metrics/{path}", 400, **params)
    assert answer["errors"][0]["code"] == 400
    assert text in answer["errors"][0]["msg"]


async def test_the_monitor_tells_figures_and_curves(kit: Kit) -> None:
    """Operations come with their figures over the window and at each step, the most time-consuming first."""
    _hour(kit)
    kit.send("shop", kit.span("idle", END_MS - 5 * 3_600_000, 3))
    found = await kit.get("/api/red", endTs=END_MS, lookback=3_600_000, step=600_000)
    assert found["times_ms"] == [END_MS - 3_600_000 + n * 600_000 for n in range(6)]
    assert [group["operation"] for group in found["groups"]] == ["POST", "GET"]
    get = found["groups"][1]
    assert (get["service"], get["calls"], get["errors"], get["error_rate"]) == ("shop", 600, 60, 0.1)
    assert get["rate_per_s"] == pytest.approx(600 / 3600, abs=1e-3)
    assert get["p50_ms"] == pytest.approx(5, rel=0.13)
    assert get["p99_ms"] == pytest.approx(10, rel=0.13)
    assert get["series"]["error_rate"] == [0.1] * 6
    assert found["groups"][0]["series"]["rate_per_s"] == [round(10 / 600, 4)] * 5 + [round(20 / 600, 4)]
    by_service = await kit.get("/api/red", endTs=END_MS, lookback=3_600_000, groupBy="service", service="shop")
    assert [(group["operation"], group["calls"]) for group in by_service["groups"]] == [(None, 670)]
    assert (await kit.get("/api/red", endTs=END_MS, lookback=1000, service="nobody"))["groups"] == []
    await kit.get("/api/red", 400, groupBy="colour")


async def test_the_service_graph_of_a_window(kit: Kit) -> None:
    """Each edge has its calls, errors and durations; another window has others."""
    top = kit.span("GET", END_MS - MINUTE_MS, 30)
    kit.send("gateway", top)
    kit.send(
        "orders", *(kit.span("create", END_MS - MINUTE_MS, 20, failed=n == 0, parent=top.span_id) for n in range(4))
    )
    graph = await kit.get("/api/service-graph", endTs=END_MS, lookback=600_000)
    edge = graph["edges"][0]
    assert (edge["parent"], edge["child"], edge["calls"], edge["errors"], edge["error_rate"]) == (
        *("gateway", "orders", 4, 1),
        0.25,
    )
    assert edge["p95_ms"] == pytest.approx(20, rel=0.13)
    assert [node["service"] for node in graph["nodes"]] == ["gateway", "orders"]
    assert (await kit.get("/api/service-graph", endTs=END_MS - 3_600_000, lookback=600_000))["edges"] == []
    old = await kit.get("/api/dependencies", endTs=END_MS, lookback=600_000)
    assert old["data"] == [{"parent": "gateway", "child": "orders", "callCount": 4}]


async def test_figures_stay_when_rows_are_summed_up(kit: Kit) -> None:
    """Summing rows up, and a restart, change no figure over whole minutes."""
    _hour(kit)
    asked: dict[str, Any] = {"endTs": END_MS, "lookback": 3_600_000, "step": 600_000}
    before = await kit.get("/api/red", **asked)
    partition = kit.store.housekeeping._writer.current
    rows = partition.rollup_rows
    sum_up(kit.store.cursor(), partition)
    assert partition.rollup_rows <= rows
    assert await kit.get("/api/red", **asked) == before


async def test_a_trace_is_analysed_over_the_api(kit: Kit) -> None:
    """The analysis of a stored trace comes with its id; one that is not there is 404, an odd id 400."""
    kit.send("shop", kit.span("GET", END_MS, 5, failed=True))
    trace = (await kit.get("/api/traces", service="shop", end=END_MS * 2000))["data"][0]["traceID"]
    found = await kit.get(f"/api/traces/{trace}/analysis")
    assert (found["trace_id"], found["answer_ms"], found["span_count"]) == (trace, 5, 1)
    assert [finding["kind"] for finding in found["findings"]] == ["error"]
    await kit.get("/api/traces/abc/analysis", 404)
    await kit.get("/api/traces/xyz/analysis", 400)


async def test_two_windows_are_compared(kit: Kit) -> None:
    """By default a window is compared with the one before it, over all calls and over samples of traces."""
    for before, duration_ms in ((1, 10), (0, 30)):
        kit.send("shop", *(kit.span("GET", END_MS - 1000 - before * 600_000 - n, duration_ms) for n in range(40)))
    found = await kit.get("/api/compare/windows", endTs=END_MS, lookback=600_000)
    assert found["base_window"] == {"start_ms": END_MS - 1_200_000, "end_ms": END_MS - 600_000}
    assert [(f["operation"], f["base"]["calls"], f["other"]["calls"]) for f in found["windows"]] == [("GET", 40, 40)]
    assert found["windows"][0]["gained_ms"] == pytest.approx(800, rel=0.2)
    operation = found["traces"]["operations"][0]
    assert (operation["operation"], operation["delta_ms"], operation["significant"]) == ("GET", 20, True)
    assert found["traces"]["base"]["traces"] == 40
    assert found["complete"]


async def test_two_sets_of_traces_are_compared(kit: Kit) -> None:
    """Traces that are named are compared; without any the request is refused."""
    kit.send("shop", kit.span("GET", END_MS, 5), kit.span("GET", END_MS + 100, 9))
    traces = (await kit.get("/api/traces", service="shop", end=END_MS * 2000))["data"]
    found = await kit.get("/api/compare/traces", base=traces[1]["traceID"], other=traces[0]["traceID"])
    assert found["operations"][0]["delta_ms"] == 4
    await kit.get("/api/compare/traces", 400, base=traces[1]["traceID"])
    await kit.get("/api/compare/traces", 400, base="odd", other="odd")


async def test_insights_over_a_window(kit: Kit) -> None:
    """The worst of a window come with examples; a window without spans has none."""
    kit.send("shop", *(kit.span("GET", END_MS - 1000 - n, 5, failed=n < 3) for n in range(40)))
    found = await kit.get("/api/insights", endTs=END_MS, lookback=600_000, service="shop")
    assert (found["traces"], found["complete"]) == (40, True)
    (insight,) = found["insights"]
    assert (insight["kind"], insight["traces"], insight["total_cost_ms"]) == ("error", 3, 15)
    assert len(insight["example_trace_ids"]) == 3
    assert (await kit.get("/api/insights", endTs=END_MS - 3_600_000))["insights"] == []
    await kit.get("/api/insights", 400, limit=0)
