"""Jaeger's metrics API, `/api/metrics/{latencies,calls,errors,minstep}`, from the spans themselves.

https://github.com/jaegertracing/jaeger/tree/main/docker-compose/monitor has its specification. Values: latencies in
milliseconds, calls per second, errors as a share of the calls; each over `ratePer` before its time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from jaegerlite.api.answers import api_route, envelope, json_answer, tenant_of
from jaegerlite.api.params import POINTS_MAX, span_kinds, time_range_ms, unusable, whole_number
from jaegerlite.backend import Backend
from jaegerlite.jaeger_json import Json
from jaegerlite.partitions import Snapshot
from jaegerlite.red import NS_PER_MS, Counted, read_red, series_of, window_of
from jaegerlite.rollup import SLOT_MS
from jaegerlite.sliding import Sliding, slide
from jaegerlite.store import Store

STEP_DEFAULT_MS: Final = 5_000
RATE_DEFAULT_MS: Final = 600_000
VALUES_MAX: Final = 500_000
TRUE: Final = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE: Final = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """What a metric was asked for; times in milliseconds (since 1970), `quantile` in (0, 1]."""

    services: tuple[str, ...]
    kinds: tuple[int, ...]
    by_operation: bool
    start_ms: int
    end_ms: int
    step_ms: int
    rate_ms: int
    quantile: float = 0.0

    @property
    def points_ms(self) -> list[int]:
        """The times of the points."""
        return list(range(self.start_ms, self.end_ms + 1, self.step_ms))


def _quantile(params: QueryParams) -> float:
    text = params.get("quantile", "")
    try:
        quantile = float(text)
    except ValueError as error:
        raise unusable("quantile", f'strconv.ParseFloat: parsing "{text}": invalid syntax') from error
    if not 0 < quantile <= 1:
        raise unusable("quantile", f"{text} is not above 0 and at most 1")
    return quantile


def metrics_query(params: QueryParams, *, with_quantile: bool = False) -> MetricsQuery:
    """The parameters of a metric.

    Raises:
        ParameterError: one of them is unusable.
    """
    services = tuple(dict.fromkeys(params.getlist("service")))
    if not services:
        raise unusable("service", "please provide at least one service name")
    by_operation = params.get("groupByOperation", "")
    if by_operation not in TRUE | FALSE:
        raise unusable("groupByOperation", f'strconv.ParseBool: parsing "{by_operation}": invalid syntax')
    start_ms, end_ms = time_range_ms(params)
    step_ms = whole_number(params, "step", STEP_DEFAULT_MS, least=1)
    if (end_ms - start_ms) // step_ms > POINTS_MAX:
        raise unusable("step", f"more than {POINTS_MAX} points; a longer step gives fewer")
    rate_ms = whole_number(params, "ratePer", RATE_DEFAULT_MS, least=1)
    quantile = _quantile(params) if with_quantile else 0.0
    return MetricsQuery(
        services, span_kinds(params), by_operation in TRUE, start_ms, end_ms, step_ms, rate_ms, quantile
    )


def _read(store: Store, snapshot: Snapshot, query: MetricsQuery) -> Counted:
    base_ms = max(SLOT_MS, query.step_ms - query.step_ms % SLOT_MS)
    window = window_of(query.start_ms - query.rate_ms, query.end_ms, base_ms)
    key_of = {
        series.number: (series.service, series.name if query.by_operation else "")
        for service in query.services
        for series in series_of(store, service, kinds=query.kinds)
    }
    return read_red(store, snapshot, window, key_of)


def _groups(counted: Counted, query: MetricsQuery) -> Iterator[tuple[tuple[str, str], Sliding]]:
    """Each group that was called at all, with its figures before each point."""
    window, rows = counted.window, counted.rows
    points_ms = np.array(query.points_ms, np.int64)
    ends = np.clip(-(-(points_ms - window.start_ms) // window.step_ms), 0, window.steps)
    begins = np.maximum(ends - max(1, query.rate_ms // window.step_ms), 0)
    order = np.argsort(rows["group"], kind="stable")
    borders = np.searchsorted(rows["group"][order], np.arange(len(counted.keys) + 1))
    for place, key in sorted(enumerate(counted.keys), key=lambda item: item[1]):
        own = order[borders[place] : borders[place + 1]]
        if len(own):
            yield key, slide({name: row[own] for name, row in rows.items()}, begins, ends)


def _family(name: str, text: str, query: MetricsQuery, values: Iterator[tuple[tuple[str, str], list[float]]]) -> Json:
    """Jaeger's `MetricFamily`; a point without a value is left out, as Prometheus leaves it out."""
    scope = "service_operation" if query.by_operation else "service"
    grouped = "service & operation" if query.by_operation else "service"
    times = [_rfc3339(point) for point in query.points_ms]
    metrics: list[Json] = []
    for (service, operation), numbers in values:
        if len(metrics) * len(times) > VALUES_MAX:
            raise unusable("step", f"more than {VALUES_MAX} points in all; a longer step gives fewer")
        labels = [{"name": "operation", "value": operation}] if query.by_operation else []
        points = [
            {"gaugeValue": {"doubleValue": number}, "timestamp": time}
            for number, time in zip(numbers, times, strict=True)
            if not math.isnan(number)
        ]
        metrics.append({"labels": [*labels, {"name": "service_name", "value": service}], "metricPoints": points})
    return {"name": f"{scope}_{name}", "type": "GAUGE", "help": f"{text}, grouped by {grouped}", "metrics": metrics}


def _rfc3339(time_ms: int) -> str:
    text = datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(
        timespec="milliseconds" if time_ms % 1000 else "seconds"
    )
    return text.replace("+00:00", "Z")


async def latencies(request: Request) -> Response:
    """`/api/metrics/latencies`: a percentile of the durations in milliseconds."""
    query = metrics_query(request.query_params, with_quantile=True)
    counted = await tenant_of(request).read(_read, query)
    values = (
        (key, (sliding.quantile_ns(query.quantile) / NS_PER_MS).tolist()) for key, sliding in _groups(counted, query)
    )
    return json_answer(_family("latencies", f"{query.quantile:.2f}th quantile latency", query, values))


async def calls(request: Request) -> Response:
    """`/api/metrics/calls`: calls per second."""
    query = metrics_query(request.query_params)
    counted = await tenant_of(request).read(_read, query)
    seconds = max(counted.window.step_ms, query.rate_ms - query.rate_ms % counted.window.step_ms) / 1000
    values = ((key, (sliding.calls / seconds).tolist()) for key, sliding in _groups(counted, query))
    return json_answer(_family("call_rate", "calls/sec", query, values))


async def errors(request: Request) -> Response:
    """`/api/metrics/errors`: the share of calls that failed."""
    query = metrics_query(request.query_params)
    counted = await tenant_of(request).read(_read, query)

    def shares() -> Iterator[tuple[tuple[str, str], list[float]]]:
        for key, sliding in _groups(counted, query):
            with np.errstate(invalid="ignore", divide="ignore"):
                yield key, (sliding.errors / sliding.calls).tolist()

    text = "error rate, computed as a fraction of errors/sec over calls/sec"
    return json_answer(_family("error_rate", text, query, shares()))


async def min_step(request: Request) -> Response:
    """`/api/metrics/minstep`: the shortest sensible step in milliseconds."""
    return envelope(SLOT_MS)


def routes(_: Backend) -> list[BaseRoute]:
    """The routes of the metrics API."""
    return [
        api_route("/api/metrics/latencies", latencies),
        api_route("/api/metrics/calls", calls),
        api_route("/api/metrics/errors", errors),
        api_route("/api/metrics/minstep", min_step),
    ]
