"""All that can be said about one trace."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from jaegerlite.analysis.clocks import clock_skew
from jaegerlite.analysis.critical_path import Segment, critical_path, path_after_answer, time_by_operation
from jaegerlite.analysis.errors import first_error
from jaegerlite.analysis.finding import NS_PER_MS, Finding
from jaegerlite.analysis.repeated_queries import repeated_queries
from jaegerlite.analysis.retries import retries
from jaegerlite.analysis.sequential_calls import sequential_calls
from jaegerlite.analysis.slow_queries import slow_queries
from jaegerlite.analysis.tree import Tree, build_tree
from jaegerlite.analysis.waits import unrecorded_time, waits_in_queues, waits_of_calls
from jaegerlite.limits import QueryLimits
from jaegerlite.traces import Span

DETECTORS: Final[tuple[Callable[[Tree], Iterator[Finding]], ...]] = (
    first_error,
    retries,
    repeated_queries,
    slow_queries,
    sequential_calls,
    waits_of_calls,
    waits_in_queues,
    unrecorded_time,
    clock_skew,
)


def find_all(tree: Tree) -> list[Finding]:
    """What all detectors found, the dearest first."""
    return sorted((f for detect in DETECTORS for f in detect(tree)), key=lambda finding: -finding.cost_ns)


def report(spans: list[Span], limits: QueryLimits | None = None, *, paths: bool = True) -> dict[str, Any]:
    """The analysis of a trace as the API tells it; times are in milliseconds, starts count from the trace's start.

    The paths of a large trace have as many segments as it has spans: who does not read them asks without.

    Raises:
        QueryLimitError: it takes longer than `limits` allow.
    """
    tree = build_tree(spans, limits)
    root, start_ns = tree.root, tree.start_ns
    path = critical_path(root)
    tree.check()
    by_operation = sorted(time_by_operation(path).items(), key=lambda item: -item[1])
    return {
        "root": {"span_id": root.id, "service": root.service, "operation": root.operation},
        "span_count": len(tree.nodes),
        "service_count": len({node.service for node in tree.nodes}),
        "error_count": sum(node.failed for node in tree.nodes),
        "duration_ms": _ms(tree.end_ns - start_ns),
        "answer_ms": _ms(root.duration_ns),
        **({"critical_path": [_segment(segment, start_ns) for segment in path]} if paths else {}),
        "critical_path_by_operation": [
            {
                "service": service,
                "operation": operation,
                "self_ms": _ms(total_ns),
                "share": round(total_ns / max(1, root.duration_ns), 4),
            }
            for (service, operation), total_ns in by_operation
        ],
        **({"after_answer": [_segment(segment, start_ns) for segment in path_after_answer(tree)]} if paths else {}),
        "findings": [finding.json() for finding in find_all(tree)],
    }


def _segment(segment: Segment, start_ns: int) -> dict[str, Any]:
    return {
        "span_id": segment.node.id,
        "service": segment.node.service,
        "operation": segment.node.operation,
        "start_ms": _ms(segment.start_ns - start_ns),
        "self_ms": _ms(segment.duration_ns),
    }


def _ms(duration_ns: int) -> float:
    return round(duration_ns / NS_PER_MS, 3)
