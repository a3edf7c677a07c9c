"""Figures for Prometheus and OpenMetrics on ``/metrics``, whose histograms name a trace for what they show.

prometheus_client keeps counters and gauges. Its histograms cost a lock per observation and more with an exemplar; the
one here is made for batches on one event loop: a bisection and two additions, and the exemplar is only noted.
"""

import bisect
import time
from collections.abc import Iterator, Sequence

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import Exemplar, HistogramMetricFamily, InfoMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from shared.tracing import tracing_stats

SECONDS = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.25, 0.5, 1, 2, 5, 10)
"""Upper bounds of buckets for times, in seconds."""

INFINITE = float("inf")

SAMPLED_DIGITS = frozenset("13579bdf")
"""Last digits of a ``traceparent`` whose sampled flag is set: only such a trace can be looked up."""


class Series:
    """One histogram: the counts of one combination of labels. For one thread."""

    __slots__ = ("_bounds", "_counts", "_exemplars", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._exemplars: list[tuple[str, float, float] | None] = [None] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float, traceparent: str = "") -> None:
        """Counts a value; ``traceparent`` is of the request that it was observed in."""
        index = bisect.bisect_left(self._bounds, value)
        self._counts[index] += 1
        self._sum += value
        if traceparent and traceparent[-1] in SAMPLED_DIGITS:
            self._exemplars[index] = (traceparent, value, time.time())

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Writes what was counted into an answer to a scrape."""
        buckets: list[tuple[str, float] | tuple[str, float, Exemplar]] = []
        total = 0
        for bound, count, noted in zip((*self._bounds, INFINITE), self._counts, self._exemplars, strict=True):
            total += count
            edge = repr(float(bound)) if bound < INFINITE else "+Inf"
            buckets.append((edge, total) if noted is None else (edge, total, _exemplar(*noted)))
        family.add_metric(labels, buckets, self._sum)


class Histogram(Collector):
    """A family of histograms with the same name, by labels."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str] = (),
        buckets: Sequence[float] = SECONDS,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self._name, self._documentation, self._labels = name, documentation, tuple(labels)
        self._buckets = tuple(buckets)
        self._series: dict[tuple[str, ...], Series] = {}
        registry.register(self)

    def labels(self, *values: str) -> Series:
        """The histogram with these labels, the same one each time."""
        series = self._series.get(values)
        if series is None:
            assert len(values) == len(self._labels), f"{self._name} has the labels {self._labels}"
            series = self._series[values] = Series(self._buckets)
        return series

    def collect(self) -> Iterator[Metric]:
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, series in list(self._series.items()):
            series.add_to(family, values)
        yield family


class Tracing(Collector):
    """Who is measured here (``target_info``, as OpenTelemetry's attributes are mapped), and how its tracing is."""

    def __init__(self) -> None:
        self.service = ""
        REGISTRY.register(self)

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("target", "The service that is measured", {"service_name": self.service})
        stats = tracing_stats()
        spans = Metric("outcry_spans", "Spans by what became of them", "counter")
        waiting = Metric("outcry_spans_waiting", "Spans that wait: to be sent, or for their trace to matter", "gauge")
        for state in ("recorded", "sampled_out", "exported"):
            spans.add_sample("outcry_spans_total", {"state": state, "reason": ""}, _number(stats[state]))
        for reason, count in _parts(stats["dropped"]).items():
            spans.add_sample("outcry_spans_total", {"state": "dropped", "reason": reason}, count)
        retained = _parts(stats["retained"])
        waiting.add_sample("outcry_spans_waiting", {"for": "export"}, _number(stats["queued"]))
        waiting.add_sample("outcry_spans_waiting", {"for": "trigger"}, retained.pop("held", 0))
        for state, count in retained.items():
            spans.add_sample("outcry_spans_total", {"state": "retroactive", "reason": state}, count)
        yield spans
        yield waiting


def exposition(accept: str) -> tuple[bytes, str]:
    """All figures, and their content type: OpenMetrics with exemplars for who accepts that, else Prometheus' text."""
    encode, content_type = choose_encoder(accept)
    return encode(REGISTRY), content_type


def _exemplar(traceparent: str, value: float, time_s: float) -> Exemplar:
    return Exemplar({"trace_id": traceparent[3:35], "span_id": traceparent[36:52]}, value, time_s)


def _number(value: int | dict[str, int]) -> int:
    assert isinstance(value, int)
    return value


def _parts(value: int | dict[str, int]) -> dict[str, int]:
    assert isinstance(value, dict)
    return dict(value)


PROCESS = Tracing()
"""Names its service once there is one."""
