"""What Prometheus scrapes of the spans: calls and durations under the names that the collector's spanmetrics give them.

https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/connector/spanmetricsconnector
Counters begin at zero with the process, as Prometheus expects of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from jaegerlite.dependencies import PARENT_UNKNOWN
from jaegerlite.rollup import BUCKET_BITS, STEPS_PER_DOUBLING, bucket_bounds_ns
from jaegerlite.series import SeriesRegistry

# From 0.26 ms to 8.6 s, two bounds per doubling: each is the lower bound of a bucket of ours, so counts are exact.
BOUND_BUCKETS: Final = np.arange(18 * STEPS_PER_DOUBLING, 33 * STEPS_PER_DOUBLING + 1, STEPS_PER_DOUBLING // 2)
BOUNDS_MS: Final = tuple(f"{bound / 1e6:.9g}" for bound in bucket_bounds_ns(BOUND_BUCKETS)[0].tolist())
# For each bucket the first bound that it lies below; one past the last for those above all of them.
BOUND_OF_BUCKET: Final = np.searchsorted(BOUND_BUCKETS, np.arange(1 << BUCKET_BITS), "right")
CALLS: Final = "traces_span_metrics_calls_total"
DURATION: Final = "traces_span_metrics_duration_milliseconds"
ORPHANS: Final = "jaegerlite_orphan_spans_total"
SKEW: Final = "jaegerlite_clock_skew_milliseconds"
BROKEN: Final = "jaegerlite_broken_handover_ratio"
# By the measures of alert rules.
GAUGES: Final = {
    "skew_ms": (SKEW, "How far a service's clock is off those of others, ahead or behind."),
    "broken_share": (BROKEN, "Share of a service's calls that begin traces of their own, of those to one operation."),
}
STATUS_NAMES: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_ERROR")
I64Array = npt.NDArray[np.int64]


class SpanMetrics:
    """Counters per series; the writing thread adds, readers may see a batch half added, which the next scrape mends."""

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._counts: I64Array = np.zeros((0, len(BOUNDS_MS) + 1), np.int64)
        self._errors: I64Array = np.zeros(0, np.int64)
        self._total_ns: npt.NDArray[np.float64] = np.zeros(0)
        self._orphans: I64Array = np.zeros(0, np.int64)

    def add(self, red: dict[str, Any], edges: dict[str, Any]) -> None:
        """Count the rows of a batch, as `rollup.py` and `dependencies.py` give them."""
        series, bucket, calls = red["series"], red["bucket"], red["calls"]
        self._grow()
        middle_ns = np.mean(bucket_bounds_ns(bucket), axis=0)
        np.add.at(self._counts, (series, BOUND_OF_BUCKET[bucket]), calls)
        np.add.at(self._errors, series, red["errors"])
        np.add.at(self._total_ns, series, calls * middle_ns)
        lost = edges["parent"] == PARENT_UNKNOWN
        # What turned out not to be lost is not taken back: a counter of Prometheus only grows.
        np.add.at(self._orphans, edges["child"][lost], np.maximum(edges["calls"][lost], 0))

    def _grow(self) -> None:
        more = len(self._registry.all) - len(self._errors)
        if more > 0:
            self._counts = np.vstack([self._counts, np.zeros((more, self._counts.shape[1]), np.int64)])
            self._errors = np.append(self._errors, np.zeros(more, np.int64))
            self._total_ns = np.append(self._total_ns, np.zeros(more))
        more = len(self._registry.services) - len(self._orphans)
        if more > 0:
            self._orphans = np.append(self._orphans, np.zeros(more, np.int64))

    def exposition(self) -> str:
        """All counters in Prometheus' text format."""
        return "".join(line + "\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        groups: dict[tuple[str, str, int], list[int]] = {}
        for series in self._registry.all[: len(self._errors)]:
            groups.setdefault((series.service, series.name, series.kind), []).append(series.number)
        summed = [
            (_labels(*key), self._counts[numbers].sum(axis=0), int(self._errors[numbers].sum()), numbers)
            for key, numbers in groups.items()
        ]
        yield f"# HELP {CALLS} Spans, by service, name, kind and status."
        yield f"# TYPE {CALLS} counter"
        for labels, counts, errors, _ in summed:
            for status, count in zip(STATUS_NAMES, (int(counts.sum()) - errors, errors), strict=True):
                yield f'{CALLS}{{{labels},status_code="{status}"}} {count}'
        yield f"# HELP {DURATION} Durations of spans."
        yield f"# TYPE {DURATION} histogram"
        for labels, counts, _, numbers in summed:
            reached = np.cumsum(counts).tolist()
            for bound, count in zip((*BOUNDS_MS, "+Inf"), reached, strict=True):
                yield f'{DURATION}_bucket{{{labels},le="{bound}"}} {count}'
            yield f"{DURATION}_sum{{{labels}}} {self._total_ns[numbers].sum() / 1e6:.10g}"
            yield f"{DURATION}_count{{{labels}}} {reached[-1]}"
        yield f"# HELP {ORPHANS} Spans whose parent, of the same process, did not come within a minute."
        yield f"# TYPE {ORPHANS} counter"
        for service, count in zip(self._registry.services, self._orphans.tolist(), strict=False):
            yield f'{ORPHANS}{{service_name="{_escaped(service)}"}} {count}'


def gauges_exposition(gauges: Mapping[str, Mapping[str, float]]) -> str:
    """Gauges by measure and service in Prometheus' text format."""
    lines = []
    for measure, values in gauges.items():
        name, text = GAUGES[measure]
        lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
        lines += [f'{name}{{service_name="{_escaped(service)}"}} {value:.10g}' for service, value in values.items()]
    return "".join(line + "\n" for line in lines)


def _labels(service: str, name: str, kind: int) -> str:
    kind_name = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")[kind]
    return f'service_name="{_escaped(service)}",span_name="{_escaped(name)}",span_kind="SPAN_KIND_{kind_name}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
