"""Two sets of traces against each other: what got slower, where, by how much, and what the slow ones have in common.

Where: the mean time that each operation has on the critical path of a trace. These add up to the mean time of the
answers, so their differences tell completely where a difference of the answers comes from.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from statistics import fmean, quantiles
from typing import Any, Final

from jaegerlite.analysis.critical_path import critical_path, time_by_operation
from jaegerlite.analysis.finding import NS_PER_MS
from jaegerlite.analysis.tree import Node, build_tree
from jaegerlite.otlp import value_text
from jaegerlite.traces import Span

Operation = tuple[str, str]
Json = dict[str, Any]
# How many standard errors apart two means, or two shares, must lie to count as different.
SIGNIFICANT: Final = 3.0
SPANS_MIN: Final = 5
OPERATIONS_EXPLAINED: Final = 5
VALUES_MAX: Final = 20
VALUE_CHARACTERS_MAX: Final = 200
# Of a key whose values nearly all differ, such as an id, no value can stand for many spans.
DISTINCT_SHARE_MAX: Final = 0.5


@dataclass(slots=True)
class _Side:
    """One set of traces, summed up."""

    answers_ns: list[int] = field(default_factory=list)
    failed: int = 0
    path_ns: dict[Operation, list[int]] = field(default_factory=lambda: defaultdict(list))
    spans: dict[Operation, list[tuple[Node, Node]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, spans: list[Span]) -> None:
        tree = build_tree(spans)
        self.answers_ns.append(tree.root.duration_ns)
        self.failed += tree.root.failed
        for operation, path_ns in time_by_operation(critical_path(tree.root)).items():
            self.path_ns[operation].append(path_ns)
        for node in tree.nodes:
            self.spans[node.service, node.operation].append((node, tree.root))

    def path(self, operation: Operation) -> list[int]:
        """Time on the path in each trace; a trace without the operation has none."""
        found = self.path_ns.get(operation, [])
        return found + [0] * (len(self.answers_ns) - len(found))

    def durations(self, operation: Operation) -> list[int]:
        """The durations of all spans of an operation in nanoseconds."""
        return [node.duration_ns for node, _ in self.spans.get(operation, [])]

    def json(self) -> Json:
        return {"traces": len(self.answers_ns), "failed": self.failed, **_figures(self.answers_ns)}


def compare(base: Iterable[list[Span]], other: Iterable[list[Span]]) -> Json:
    """What `other` has that `base` has not, as the API tells it; the greatest change of time first."""
    before, after = _Side(), _Side()
    for side, traces in ((before, base), (after, other)):
        for spans in traces:
            side.add(spans)
    operations = [_operation(name, before, after) for name in sorted(set(before.spans) | set(after.spans))]
    operations.sort(key=lambda found: -abs(found["delta_ms"]))
    slower = [f for f in operations if f["significant"] and f["delta_ms"] > 0][:OPERATIONS_EXPLAINED]
    return {
        "base": before.json(),
        "other": after.json(),
        "operations": operations,
        "attributes": [
            value
            for found in slower
            for value in _over_represented((found["service"], found["operation"]), before, after)
        ],
    }


def _operation(name: Operation, before: _Side, after: _Side) -> Json:
    sides = {}
    for key, side in (("base", before), ("other", after)):
        durations = side.durations(name)
        traces = max(1, len(side.answers_ns))
        failed = sum(node.failed for node, _ in side.spans.get(name, []))
        sides[key] = {
            "calls_per_trace": round(len(durations) / traces, 3),
            "path_ms": round(sum(side.path(name)) / traces / NS_PER_MS, 3),
            "error_rate": round(failed / len(durations), 6) if durations else 0.0,
            **_figures(durations),
        }
    delta_ns, error_ns = _difference(before.path(name), after.path(name))
    return {
        "service": name[0],
        "operation": name[1],
        **sides,
        "delta_ms": round(delta_ns / NS_PER_MS, 3),
        "significant": abs(delta_ns) > SIGNIFICANT * error_ns,
    }


def _figures(durations_ns: list[int]) -> Json:
    if not durations_ns:
        return {"mean_ms": None, "p50_ms": None, "p95_ms": None}
    cuts = quantiles(durations_ns, n=20, method="inclusive") if len(durations_ns) > 1 else durations_ns * 19
    values = {"mean_ms": fmean(durations_ns), "p50_ms": cuts[9], "p95_ms": cuts[18]}
    return {name: round(value / NS_PER_MS, 3) for name, value in values.items()}


def _difference(before: list[int], after: list[int]) -> tuple[float, float]:
    """The difference of two means, and its standard error; infinite where one of them stands on too little."""
    if len(before) < SPANS_MIN or len(after) < SPANS_MIN:
        return (fmean(after) if after else 0.0) - (fmean(before) if before else 0.0), math.inf
    means = fmean(before), fmean(after)
    error = sum(
        fmean((value - mean) ** 2 for value in values) / (len(values) - 1)
        for values, mean in ((before, means[0]), (after, means[1]))
    )
    return means[1] - means[0], math.sqrt(error)


def _over_represented(name: Operation, before: _Side, after: _Side) -> Iterator[Json]:
    """Values that the slow spans of an operation have more often than its others do, the most telling first.

    Slow is what took longer than nine tenths of the base did; the others are all of both sets that did not.
    """
    durations = before.durations(name) or after.durations(name)
    if len(durations) < 2:
        return
    slow_ns = quantiles(durations, n=10, method="inclusive")[8]
    slow, others = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    slow_spans = other_spans = 0
    for is_after, side in ((False, before), (True, after)):
        for node, root in side.spans.get(name, []):
            is_slow = is_after and node.duration_ns > slow_ns
            slow_spans, other_spans = slow_spans + is_slow, other_spans + (not is_slow)
            (slow if is_slow else others).update(set(_values(node, root)))
    if slow_spans < SPANS_MIN or other_spans < SPANS_MIN:
        return
    keys = Counter((where, key) for where, key, _ in slow.keys() | others.keys())
    found = []
    for value, count in slow.items():
        where, key, text = value
        if count < SPANS_MIN or keys[where, key] > max(2, DISTINCT_SHARE_MAX * (slow_spans + other_spans)):
            continue
        slow_share, other_share = count / slow_spans, others[value] / other_spans
        overall = (count + others[value]) / (slow_spans + other_spans)
        error = math.sqrt(max(overall * (1 - overall), 1e-9) * (1 / slow_spans + 1 / other_spans))
        if (score := (slow_share - other_share) / error) > SIGNIFICANT:
            shares = {"slow_share": round(slow_share, 4), "other_share": round(other_share, 4)}
            found.append((score, {"on": where, "key": key, "value": text, **shares, "slow_spans": count}))
    found.sort(key=lambda pair: (-pair[0], pair[1]["on"]))
    for _, value_json in found[:VALUES_MAX]:
        yield {"service": name[0], "operation": name[1], **value_json}


def _values(node: Node, root: Node) -> Iterator[tuple[str, str, str]]:
    """What may explain a span: its own attributes, its process's, and those of the request that it is part of."""
    sources = [("span", node.span.rest.attributes), ("resource", node.span.series.resource_attributes)]
    if root is not node:
        sources.append(("root", root.span.rest.attributes))
    for where, attributes in sources:
        for key, value in attributes:
            text = value_text(value)
            if len(text) <= VALUE_CHARACTERS_MAX:
                yield where, key, text
