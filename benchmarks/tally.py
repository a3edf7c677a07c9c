"""What one run of the generator counted and timed, and the figures made of it."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.connection import Reply
from benchmarks.workload import Kind

ORDER_KINDS = (Kind.RESTING, Kind.CROSSING)
TOO_LATE = "409 order_not_open"
"""A cancel of an order that has been met meanwhile: part of the workload, not an error."""

PLACED = b'{"status":201,'


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile of sorted values; 0 where there are none."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def code_of(reply: Reply) -> str:
    """The stable code in a problem's body; empty when it has none."""
    start = reply.body.find(b'"code":"')
    return reply.body[start + 8 : reply.body.index(b'"', start + 8)].decode() if start >= 0 else ""


@dataclass
class Tally:
    """Counts and latencies of everything that ended inside the measured time. Times in seconds."""

    began_s: float
    until_s: float
    outcomes: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[Kind] = field(default_factory=Counter)
    placed: int = 0
    not_sent: int = 0
    """Open loop: requests whose time had come but that found no free connection before the end."""
    latencies_s: dict[Kind, list[float]] = field(default_factory=lambda: {kind: [] for kind in Kind})
    slowest_s: float = 0.0
    slowest_trace: str = ""
    example_traces: dict[str, str] = field(default_factory=dict)
    """A trace of each outcome that is an error."""

    def note(self, kind: Kind, reply: Reply, start_s: float, end_s: float) -> None:
        """An answer. Only what ended inside the measured time counts."""
        if not self.began_s <= end_s < self.until_s:
            return
        self.by_kind[kind] += 1
        if reply.status in (200, 201):
            self._accepted(kind, reply, end_s - start_s)
            return
        outcome = f"{reply.status} {code_of(reply)}"
        self.outcomes[outcome] += 1
        if outcome != TOO_LATE:
            self.example_traces.setdefault(outcome, reply.trace_id)

    def note_failure(self, error: OSError, end_s: float) -> None:
        """A request that got no answer."""
        if self.began_s <= end_s < self.until_s:
            self.outcomes[f"no answer: {type(error).__name__}"] += 1

    def _accepted(self, kind: Kind, reply: Reply, latency_s: float) -> None:
        self.outcomes[str(reply.status)] += 1
        self.latencies_s[kind].append(latency_s)
        if kind is Kind.BATCH:
            placed = reply.body.count(PLACED)
            self.placed += placed
            refused = reply.body.count(b'"problem":{')
            if refused:
                self.outcomes[f"inside a batch: {code_of(reply)} and the like"] += refused
                self.example_traces.setdefault("inside a batch", reply.trace_id)
        elif kind is not Kind.CANCEL:
            self.placed += 1
        if latency_s > self.slowest_s:
            self.slowest_s, self.slowest_trace = latency_s, reply.trace_id

    @property
    def errors(self) -> int:
        """Everything that went wrong and is no part of the workload."""
        return sum(n for outcome, n in self.outcomes.items() if outcome not in ("200", "201", TOO_LATE))

    def figures(self) -> dict[str, Any]:
        """Rates and percentiles, ready for JSON. Latencies in ms."""
        seconds = self.until_s - self.began_s
        orders = sorted(value for kind in (*ORDER_KINDS, Kind.BATCH) for value in self.latencies_s[kind])
        cancels = sorted(self.latencies_s[Kind.CANCEL])
        return {
            "seconds": round(seconds, 3),
            "orders_placed": self.placed,
            "orders_per_s": round(self.placed / seconds, 1),
            "requests_per_s": round(sum(self.by_kind.values()) / seconds, 1),
            "requests": {kind.value: count for kind, count in sorted(self.by_kind.items(), key=lambda kv: kv[0].value)},
            "latency_ms": _spread_ms(orders),
            "cancel_latency_ms": _spread_ms(cancels),
            "outcomes": dict(self.outcomes.most_common()),
            "errors": self.errors,
            "not_sent": self.not_sent,
            "slowest_trace": self.slowest_trace,
            "example_traces": self.example_traces,
        }


def _spread_ms(ordered: Sequence[float]) -> dict[str, float]:
    names = {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    return {name: round(percentile(ordered, percent) * 1000, 3) for name, percent in names.items()}
