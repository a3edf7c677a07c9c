"""Findings of many traces put together: what costs most in total, wherever it happens."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from jaegerlite.analysis.finding import NS_PER_MS, Finding
from jaegerlite.analysis.report import find_all
from jaegerlite.analysis.tree import build_tree
from jaegerlite.jaeger_json import trace_id_text
from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.traces import Span, TraceKey

EXAMPLES_MAX: Final = 5
Json = dict[str, Any]


@dataclass(slots=True)
class _Insight:
    """Findings of one kind at one place."""

    worst: Finding
    count: int = 0
    cost_ns: int = 0
    cost_by_trace: dict[TraceKey, int] = field(default_factory=dict)

    def add(self, key: TraceKey, finding: Finding) -> None:
        self.count += 1
        self.cost_ns += finding.cost_ns
        self.cost_by_trace[key] = self.cost_by_trace.get(key, 0) + finding.cost_ns
        if finding.cost_ns > self.worst.cost_ns:
            self.worst = finding

    def json(self, traces: int) -> Json:
        dearest = sorted(self.cost_by_trace, key=lambda key: -self.cost_by_trace[key])
        return {
            "kind": self.worst.kind,
            "service": self.worst.node.service,
            "operation": self.worst.node.operation,
            "summary": self.worst.summary,
            "details": self.worst.details,
            "count": self.count,
            "traces": len(self.cost_by_trace),
            "share_of_traces": round(len(self.cost_by_trace) / traces, 4),
            "total_cost_ms": round(self.cost_ns / NS_PER_MS, 3),
            "max_cost_ms": round(self.worst.cost_ns / NS_PER_MS, 3),
            "example_trace_ids": [trace_id_text(key) for key in dearest[:EXAMPLES_MAX]],
        }


def insights(traces: Iterable[tuple[TraceKey, list[Span]]], *, seconds: float) -> tuple[list[Json], int, bool]:
    """The findings of traces by kind and place, the dearest in total first.

    Args:
        traces: each with its id.
        seconds: time after which no more traces are looked at.

    Returns:
        The insights, how many traces were looked at, and whether these were all.
    """
    limits = QueryLimits(seconds)
    found: dict[tuple[str, ...], _Insight] = {}
    looked_at, complete = 0, True
    for key, spans in traces:
        try:
            findings = find_all(build_tree(spans, limits))
        except QueryLimitError:
            complete = False
            break
        looked_at += 1
        for finding in findings:
            place = finding.kind, finding.node.service, finding.node.operation, str(finding.details.get("statement"))
            found.setdefault(place, _Insight(finding)).add(key, finding)
    ordered = sorted(found.values(), key=lambda insight: -insight.cost_ns)
    return [insight.json(looked_at) for insight in ordered], looked_at, complete
