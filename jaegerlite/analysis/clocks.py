"""Clocks that differ, seen where time would have to run backwards.

No span begins before what caused it, and a call that was waited for lies within its caller. Where the spans say
otherwise, two clocks differ, by an offset that lies between two bounds: so much the callee's clock has to be put
back, or forward, for the call to fit. A call that only goes on for longer than its caller does not fit in anywhere,
and says nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from jaegerlite.analysis.finding import NS_PER_MS, Finding, ms
from jaegerlite.analysis.tree import CLIENT, ERROR, SERVER, Node, Tree
from jaegerlite.columns import I64Array
from jaegerlite.series import Series
from jaegerlite.survey import Survey

# Less may come from clocks that are read one after another, or tick coarsely.
SKEW_NS_MIN: Final = 20_000_000
CLOCK_KEYS: Final = ("k8s.node.name", "host.name", "host.id")
Clock = tuple[str, str]
"""A service, and the host that it runs on where that is known."""
Pair = tuple[Clock, Clock]
"""Caller and callee."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call between services, and by how much the callee's clock is ahead (below 0: behind)."""

    caller: Node
    callee: Node
    offset_ns: int


def clock_skew(tree: Tree) -> Iterator[Finding]:
    """Services whose clock disagrees with that of others in every call between them."""
    by_pair: dict[Pair, list[_Call]] = defaultdict(list)
    for node in tree.timed(tree.nodes):
        if node.parent is not None and node.parent.service != node.service:
            call = _Call(node.parent, node, offset_ns(node.parent, node))
            by_pair[_clock(call.caller), _clock(call.callee)].append(call)
    wrong = {pair: calls for pair, calls in by_pair.items() if all(call.offset_ns for call in calls)}
    for clock, pairs in _blamed(set(wrong)):
        yield _finding(clock, [call for pair in pairs for call in wrong[pair]])


def clock_offsets(spans: Survey, all_series: Sequence[Series], calls_min: int) -> dict[str, float]:
    """By how many milliseconds each service's clock is ahead of those of others (below 0: behind); 0 where they agree.

    Args:
        calls_min: fewer calls between two clocks say nothing; where half of them disagree, the clocks do.
    """
    series = np.unique(spans.series).tolist()
    clock_of = {number: _clock_of(all_series[number]) for number in series}
    clocks = list(dict.fromkeys(clock_of.values()))
    number_of_series = np.zeros(len(all_series), np.int64)
    number_of_series[series] = [clocks.index(clock_of[number]) for number in series]
    kinds = np.zeros(len(all_series), np.int64)
    kinds[series] = [all_series[number].kind for number in series]
    callee = np.flatnonzero(spans.parent >= 0)
    caller = spans.parent[callee]
    pair = number_of_series[spans.series[caller]] * len(clocks) + number_of_series[spans.series[callee]]
    offsets_ns = _offsets_ns(spans, caller, callee, kinds)
    wrong: dict[Pair, float] = {}
    for code in np.unique(pair[offsets_ns != 0]).tolist():
        of_pair = offsets_ns[pair == code]
        one, other = clocks[code // len(clocks)], clocks[code % len(clocks)]
        disagree = of_pair[of_pair != 0]
        if one[0] != other[0] and len(of_pair) >= calls_min and 2 * len(disagree) >= len(of_pair):
            wrong[one, other] = float(np.median(disagree))
    found = {service: 0.0 for service, _ in clocks}
    for clock, pairs in _blamed(set(wrong)):
        ahead = [wrong[pair] if pair[1] == clock else -wrong[pair] for pair in pairs]
        found[clock[0]] = max(found[clock[0]], median(ahead) / NS_PER_MS, key=abs)
    return found


def calls_that_show_skew(spans: Survey, all_series: Sequence[Series], service: str) -> list[int]:
    """The rows of calls from or to a service whose times cannot be."""
    kinds = np.array([series.kind for series in all_series], np.int64)
    callee = np.flatnonzero(spans.parent >= 0)
    caller = spans.parent[callee]
    rows = callee[_offsets_ns(spans, caller, callee, kinds) != 0].tolist()
    sides = (
        (row, all_series[spans.series[spans.parent[row]]].service, all_series[spans.series[row]].service)
        for row in rows
    )
    return [row for row, one, other in sides if one != other and service in (one, other)]


def _offsets_ns(spans: Survey, caller: I64Array, callee: I64Array, kinds: I64Array) -> I64Array:
    """`offset_ns` of many calls at once."""
    latest_ns = spans.start_ns[callee] - spans.start_ns[caller]
    earliest_ns = spans.end_ns[callee] - spans.end_ns[caller]
    fits = (earliest_ns <= latest_ns) & (kinds[spans.series[callee]] == SERVER)
    middle_ns = (earliest_ns + latest_ns) // 2
    waited = fits & (kinds[spans.series[caller]] == CLIENT) & (spans.status[caller] != ERROR)
    behind_ns = np.where(fits, middle_ns, latest_ns)
    ahead_ns = np.where(waited & (earliest_ns > SKEW_NS_MIN), middle_ns, 0)
    found: I64Array = np.where(latest_ns < -SKEW_NS_MIN, behind_ns, ahead_ns)
    return found


def _blamed(wrong: set[Pair]) -> Iterator[tuple[Clock, list[Pair]]]:
    """Of pairs of clocks that disagree those that are to be looked at, with their pairs, until all are told.

    It is who disagrees with most others; of two alone it may be either, and the callee is named.
    """
    while wrong:
        partners = Counter(clock for pair in wrong for clock in pair)
        clock = max(partners, key=lambda one: (partners[one], any(pair[1] == one for pair in wrong), one))
        yield clock, sorted(pair for pair in wrong if clock in pair)
        wrong = {pair for pair in wrong if clock not in pair}


def offset_ns(caller: Node, callee: Node) -> int:
    """How much a callee's clock must be ahead of its caller's (below 0: behind) at least; 0 where it need not be.

    Where the call was waited for, the middle between the bounds, which is right when both ways took the same.
    """
    latest_ns = callee.span.start_ns - caller.span.start_ns
    earliest_ns = latest_ns + callee.duration_ns - caller.duration_ns
    fits = earliest_ns <= latest_ns and callee.kind == SERVER
    if latest_ns < -SKEW_NS_MIN:
        return (earliest_ns + latest_ns) // 2 if fits else latest_ns
    # That a caller waited is certain of clients that were answered alone: others may go on while the callee works.
    if fits and earliest_ns > SKEW_NS_MIN and caller.kind == CLIENT and not caller.failed:
        return (earliest_ns + latest_ns) // 2
    return 0


def _clock(node: Node) -> Clock:
    return _clock_of(node.span.series)


def _clock_of(series: Series) -> Clock:
    """What times a span: a service, on a host where it says so."""
    known = dict(series.resource_attributes)
    return series.service, next((str(known[key]) for key in CLOCK_KEYS if key in known), "")


def _finding(clock: Clock, calls: list[_Call]) -> Finding:
    """What is told of a clock, `calls` being those that it received or made."""
    ahead = [call.offset_ns if _clock(call.callee) == clock else -call.offset_ns for call in calls]
    offset = round(median(ahead))
    call = min(calls, key=lambda call: call.callee.span.start_ns)
    node, other = (call.callee, call.caller) if _clock(call.callee) == clock else (call.caller, call.callee)
    others = sorted({(call.caller if _clock(call.callee) == clock else call.callee).service for call in calls})
    name = f"{clock[0]} on {clock[1]}" if clock[1] else clock[0]
    sense = "ahead of" if offset > 0 else "behind"
    seems = "before its caller" if call.callee.span.start_ns < call.caller.span.start_ns else "after its caller's end"
    return Finding(
        "clock_skew",
        f"the clock of {name} is about {ms(abs(offset))} {sense} that of {', '.join(others)}:"
        f" {call.callee.service} {call.callee.operation} seems to lie {seems}",
        0,
        node,
        list(dict.fromkeys([other, *(call.callee for call in calls)])),
        {"host": clock[1], "offset_ms": round(offset / 1e6, 3), "against": others, "calls": len(calls)},
    )
