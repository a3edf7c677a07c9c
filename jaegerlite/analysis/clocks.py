"""Clocks that differ, seen where time would have to run backwards.

No span begins before what caused it, and a call that was waited for lies within its caller. Where the spans say
otherwise, two clocks differ, by an offset that lies between two bounds: so much the callee's clock has to be put
back, or forward, for the call to fit. A call that only goes on for longer than its caller does not fit in anywhere,
and says nothing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.tree import CLIENT, SERVER, Node, Tree

# Less may come from clocks that are read one after another, or tick coarsely.
SKEW_NS_MIN: Final = 20_000_000
CLOCK_KEYS: Final = ("k8s.node.name", "host.name", "host.id")


@dataclass(frozen=True, slots=True)
class _Call:
    """A call between services, and by how much the callee's clock is ahead (below 0: behind)."""

    caller: Node
    callee: Node
    offset_ns: int


def clock_skew(tree: Tree) -> Iterator[Finding]:
    """Services whose clock disagrees with that of others in every call between them."""
    calls = [call for node in tree.timed(tree.nodes) if (call := _call(node)) is not None]
    by_pair: dict[tuple[str, str], list[_Call]] = defaultdict(list)
    for call in calls:
        by_pair[_clock(call.caller), _clock(call.callee)].append(call)
    wrong = {
        pair: inside for pair, inside in by_pair.items() if min(abs(call.offset_ns) for call in inside) > SKEW_NS_MIN
    }
    while wrong:
        # Who disagrees with most others is the one to look at; of two alone it may be either.
        partners = Counter(clock for pair in wrong for clock in pair)
        blamed = max(wrong, key=lambda pair: (max(partners[pair[0]], partners[pair[1]]), partners[pair[1]]))
        clock = blamed[1] if partners[blamed[1]] >= partners[blamed[0]] else blamed[0]
        yield _finding(clock, [call for pair in wrong if clock in pair for call in wrong[pair]])
        wrong = {pair: inside for pair, inside in wrong.items() if clock not in pair}


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


def _call(node: Node) -> _Call | None:
    parent = node.parent
    if parent is None or parent.service == node.service:
        return None
    return _Call(parent, node, offset_ns(parent, node))


def _clock(node: Node) -> str:
    """Which clock times a span: that of its service, where it says so on a certain host."""
    known = dict(node.span.series.resource_attributes)
    return " on ".join([node.service, *(str(known[key]) for key in CLOCK_KEYS if key in known)][:2])


def _finding(clock: str, calls: list[_Call]) -> Finding:
    """What is told of a clock, `calls` being those that it received or made."""
    ahead = [call.offset_ns if _clock(call.callee) == clock else -call.offset_ns for call in calls]
    offset = round(median(ahead))
    call = min(calls, key=lambda call: call.callee.span.start_ns)
    is_callee = _clock(call.callee) == clock
    node, other = (call.callee, call.caller) if is_callee else (call.caller, call.callee)
    others = sorted({(call.caller if _clock(call.callee) == clock else call.callee).service for call in calls})
    sense = "ahead of" if offset > 0 else "behind"
    seems = "before its caller" if call.callee.span.start_ns < call.caller.span.start_ns else "after its caller's end"
    return Finding(
        "clock_skew",
        f"the clock of {clock} is about {ms(abs(offset))} {sense} that of {', '.join(others)}:"
        f" {call.callee.service} {call.callee.operation} seems to lie {seems}",
        0,
        node,
        list(dict.fromkeys([other, *(call.callee for call in calls)])),
        {"clock": clock, "offset_ms": round(offset / 1e6, 3), "against": others, "calls": len(calls)},
    )
