"""Hand-overs that lose the trace: calls that begin traces of their own, beside a caller from whose trace they lack.

One trace cannot tell that something is missing of which it never heard; many can. An operation counts as cut off from
a caller where it is known to be called by it (it was before, or the caller's client span names its service), where
spans of that caller now lack such a call, and where roots of the operation lie in time within just these. What both
say of the same thing (`order.id`) must agree. A service that is called by others without traces, and a caller that
now and then needs no call, are no such case: their times do not fit.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jaegerlite.analysis.tree import CLIENT, SERVER
from jaegerlite.columns import BoolArray, I64Array
from jaegerlite.jaeger_json import trace_id_text
from jaegerlite.otlp import Value, value_text
from jaegerlite.survey import Survey, SurveyedAttributes
from jaegerlite.traces import TraceKey

CALLS_MIN: Final = 5
ROOTS_FIT_SHARE: Final = 0.8
CALLERS_FIT_SHARE: Final = 0.5
CALLERS_MAX: Final = 300
ROOTS_MAX: Final = 120
INSIDE_MAX: Final = 50
CLIENTS_ASKED: Final = 3
EXAMPLES_MAX: Final = 6
SLACK_NS: Final = 5_000_000
PEER_KEYS: Final = ("peer.service", "service.peer.name", "rpc.service", "server.address", "net.peer.name", "http.host")
Operation = tuple[str, str, int]
"""Service, name and kind of spans."""
Call = tuple[Operation, Operation]
"""Caller and callee, of different services."""


@dataclass(frozen=True, slots=True)
class BrokenHandover:
    """Calls of one operation by another that were not made within its trace; `traces` has both sides of some."""

    caller: Operation
    callee: Operation
    broken: int
    whole: int
    traces: list[tuple[TraceKey, TraceKey]]

    @property
    def share(self) -> float:
        """Which part of the calls it was."""
        return self.broken / (self.broken + self.whole)


@dataclass(frozen=True, slots=True)
class _Operations:
    """The operations of a survey's spans: their names, and for each span the number of its own."""

    names: list[Operation]
    of_span: I64Array

    def rows(self, number: int) -> BoolArray:
        found: BoolArray = self.of_span == number
        return found

    def of_kind(self, kind: int) -> list[int]:
        return [number for number, name in enumerate(self.names) if name[2] == kind]

    def numbers(self, names: set[Operation]) -> set[int]:
        return {number for number, name in enumerate(self.names) if name in names}


def broken_handovers(
    now: Survey, calls: Set[Call], operation_of: Callable[[int], Operation], attributes: SurveyedAttributes
) -> Iterator[BrokenHandover]:
    """The hand-overs that are broken in a survey.

    Args:
        calls: who is known to call whom.
        operation_of: service, name and kind of a series.
        attributes: those of the spans of `now`.
    """
    operations = _operations(now, operation_of)
    clients = _clients_by_peer(now, operations, attributes)
    entries = now.is_root & np.isin(operations.of_span, operations.of_kind(SERVER))
    callees, counts = np.unique(operations.of_span[entries], return_counts=True)
    for number in callees[counts >= CALLS_MIN].tolist():
        callee = operations.names[number]
        known = {caller for caller, called in calls if called == callee}
        callers = [
            caller
            for caller in sorted(operations.numbers(known) | clients[callee[0]])
            if operations.names[caller][0] != callee[0]
        ]
        all_roots = np.flatnonzero(entries & operations.rows(number))
        roots = all_roots[np.argsort(now.start_ns[all_roots])][-ROOTS_MAX:]
        taken: dict[int, int] = {}
        sides = {caller: _callers(now, operations, caller, number) for caller in callers}
        found = {caller: _fitting(now, roots, sides[caller][1], attributes, taken) for caller in callers}
        if len(taken) < ROOTS_FIT_SHARE * len(roots):
            continue
        for caller, pairs in found.items():
            if pairs:
                traces = [(now.trace(one), now.trace(other)) for one, other in pairs]
                broken = round(len(pairs) * len(all_roots) / len(roots))
                yield BrokenHandover(operations.names[caller], callee, broken, sides[caller][0], traces)


def _operations(spans: Survey, operation_of: Callable[[int], Operation]) -> _Operations:
    series, inverse = np.unique(spans.series, return_inverse=True)
    found = [operation_of(number) for number in series.tolist()]
    places = {name: place for place, name in enumerate(dict.fromkeys(found))}
    numbers = np.array([places[name] for name in found], np.int64)
    return _Operations(list(places), numbers[inverse])


def calls_between(spans: Survey, operation_of: Callable[[int], Operation]) -> set[Call]:
    """Which operation calls which one of another service, as far as the spans say."""
    child = np.flatnonzero(spans.parent >= 0)
    pairs = np.stack([spans.series[spans.parent[child]], spans.series[child]], axis=1)
    found = {(operation_of(caller), operation_of(callee)) for caller, callee in np.unique(pairs, axis=0).tolist()}
    return {(caller, callee) for caller, callee in found if caller[0] != callee[0]}


def _clients_by_peer(spans: Survey, operations: _Operations, attributes: SurveyedAttributes) -> dict[str, set[int]]:
    """By service that they say they call the client operations whose spans have nothing below them."""
    childless = np.ones(spans.count, np.bool_)
    childless[spans.parent[spans.parent >= 0]] = False
    found: dict[str, set[int]] = defaultdict(set)
    for number in operations.of_kind(CLIENT):
        rows = np.flatnonzero(operations.rows(number) & childless)
        # Of one chunk: to read attributes is to unpack it.
        rows = rows[np.argsort(spans.chunk[rows], kind="stable")][-CLIENTS_ASKED:]
        if len(rows) == CLIENTS_ASKED:
            attributes.fetch(rows.tolist())
            for peer in set.intersection(*(_peers(attributes[row]) for row in rows.tolist())):
                found[peer].add(number)
    return found


def _peers(known: Mapping[str, Value]) -> set[str]:
    return {value_text(known[key]) for key in PEER_KEYS if key in known}


def _callers(spans: Survey, operations: _Operations, caller: int, callee: int) -> tuple[int, I64Array]:
    """How many spans of an operation made a call, and which ones did not."""
    rows = operations.rows(caller)
    made = np.zeros(spans.count, np.bool_)
    made[spans.parent[operations.rows(callee) & (spans.parent >= 0)]] = True
    return int((rows & made).sum()), np.flatnonzero(rows & ~made)


def _fitting(
    spans: Survey, roots: I64Array, callers: I64Array, attributes: SurveyedAttributes, taken: dict[int, int]
) -> list[tuple[int, int]]:
    """The callers that have a root within them that is theirs, each with it, which is `taken` then.

    Nothing where too few of the callers have. The roots are by start.
    """
    starts_ns = spans.start_ns[roots]
    # Only while roots came: before, the hand-over was whole, and callers without a call had none to make.
    near = (spans.end_ns[callers] >= starts_ns[0]) & (spans.start_ns[callers] <= starts_ns[-1])
    callers = callers[near]
    callers = callers[np.argsort(spans.start_ns[callers])][-CALLERS_MAX:]
    if len(callers) < CALLS_MIN:
        return []
    first = np.searchsorted(starts_ns, spans.start_ns[callers] - SLACK_NS)
    last = np.minimum(np.searchsorted(starts_ns, spans.end_ns[callers], "right"), first + INSIDE_MAX)
    inside = {
        caller: [root for root in roots[begin:end].tolist() if spans.end_ns[root] <= spans.end_ns[caller] + SLACK_NS]
        for caller, begin, end in zip(callers.tolist(), first.tolist(), last.tolist(), strict=True)
    }
    attributes.fetch(row for caller, some in inside.items() if some for row in (caller, *some))
    pairs: list[tuple[int, int]] = []
    for caller, some in inside.items():
        fitting = (root for root in some if root not in taken and _agree(attributes[caller], attributes[root]))
        mine = next(fitting, None)
        if mine is not None:
            taken[mine] = caller
            pairs.append((caller, mine))
    if len(pairs) < max(CALLS_MIN, CALLERS_FIT_SHARE * len(callers)):
        for _, root in pairs:
            del taken[root]
        return []
    return pairs


def _agree(one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
    """Whether two spans may be of the same thing: an id that both have says so, or that they are not."""
    common = [key for key in one.keys() & other.keys() if key.lower().endswith(("id", "uuid", "key"))]
    return all(one[key] == other[key] for key in common)


def as_insight(found: BrokenHandover, traces: int) -> dict[str, Any]:
    """A broken hand-over as `/api/insights` tells it."""
    caller, callee = found.caller, found.callee
    calls = found.broken + found.whole
    return {
        "kind": "broken_handover",
        "service": caller[0],
        "operation": caller[1],
        "summary": f"{caller[0]} {caller[1]} hands over to {callee[0]} {callee[1]} without its trace: {found.broken} of"
        f" {calls} calls began traces of their own",
        "details": {"callee": callee[0], "callee_operation": callee[1], "share": round(found.share, 4)},
        "count": found.broken,
        "traces": found.broken,
        "share_of_traces": round(min(1.0, found.broken / max(1, traces)), 4),
        "total_cost_ms": 0.0,
        "max_cost_ms": 0.0,
        "example_trace_ids": [trace_id_text(key) for pair in found.traces for key in pair][:EXAMPLES_MAX],
    }
