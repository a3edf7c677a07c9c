"""Time in which nobody worked, as far as the spans tell: before a callee began, in queues, and between calls."""

from collections.abc import Iterator
from typing import Final

from jaegerlite.analysis.critical_path import Segment, critical_path
from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.tree import CLIENT, CONSUMER, PRODUCER, SERVER, Node, Tree

CALL_NS_MIN: Final = 20_000_000
CALL_SHARE_MIN: Final = 0.5
GAP_NS_MIN: Final = 100_000_000
GAP_SHARE_MIN: Final = 0.3
QUEUE_NS_MIN: Final = 1_000_000_000


def waits_of_calls(tree: Tree) -> Iterator[Finding]:
    """Calls of which the callee saw less than half: the rest is the network, or a queue before the callee.

    The difference of two durations, each measured by one clock, so that no skew can make it up.
    """
    for node in tree.timed(tree.nodes):
        servers = [child for child in node.children if child.kind == SERVER]
        if node.kind != CLIENT or len(servers) != 1:
            continue
        wait_ns = node.duration_ns - servers[0].duration_ns
        if wait_ns >= max(CALL_NS_MIN, CALL_SHARE_MIN * node.duration_ns):
            callee = servers[0]
            yield Finding(
                "call_wait",
                f"{node.service} waited {ms(node.duration_ns)} for {callee.service} {callee.operation}, which worked"
                f" {ms(callee.duration_ns)}; the rest passed on the way or before it began",
                wait_ns,
                node,
                [node, callee],
            )


def waits_in_queues(tree: Tree) -> Iterator[Finding]:
    """Messages that lay in a queue for a second and more.

    Who sent a message is the consumer's parent, or the producer beside it whose message has the same name and place.
    """
    sent = {message: node for node in tree.nodes if node.kind == PRODUCER and (message := _message(node)) is not None}
    for node in tree.timed(tree.nodes):
        if node.kind != CONSUMER or node.parent is None:
            continue
        message = _message(node)
        sender = node.parent if node.parent.kind == PRODUCER or message is None else sent.get(message)
        if sender is not None and sender.kind == PRODUCER:
            wait_ns = node.start_ns - sender.end_ns
            if wait_ns >= QUEUE_NS_MIN:
                queue = node.text("messaging.destination.name", "messaging.destination") or "its queue"
                yield Finding(
                    "queue_wait",
                    f"a message of {sender.service} lay {ms(wait_ns)} in {queue} before {node.service} began"
                    f" {node.operation}",
                    wait_ns,
                    node,
                    [sender, node],
                    {"destination": queue},
                )


def _message(node: Node) -> tuple[Node | None, str, str] | None:
    """Which message a span sent or got; None where it does not say."""
    name = node.text("messaging.message.id")
    return (node.parent, node.text("messaging.destination.name", "messaging.destination"), name) if name else None


def unrecorded_time(tree: Tree) -> Iterator[Finding]:
    """Long stretches of the critical path between a span's calls, in which neither span nor event tells what was done.

    A span without any calls is work, and as such recorded; an event tells what it came after. One gap at a time: 100 ms
    and a third of the trace.
    """
    for segment in critical_path(tree.root):
        node = segment.node
        shortest_ns = max(GAP_NS_MIN, GAP_SHARE_MIN * tree.root.duration_ns)
        if segment.duration_ns < shortest_ns or not node.awaited or _longest_untold_ns(segment) < shortest_ns:
            continue
        before = [child for child in node.awaited if child.end_ns <= segment.start_ns]
        after = [child for child in node.awaited if child.start_ns >= segment.end_ns]
        near = [*before[-1:], *after[:1]]
        where = (
            f"between {before[-1].operation} and {after[0].operation}"
            if before and after
            else f"after {before[-1].operation}"
            if before
            else f"before {after[0].operation}"
            if after
            else "beside its calls"
        )
        yield Finding(
            "unrecorded_time",
            f"{ms(segment.duration_ns)} of {node.service} {node.operation} passed {where}, and no span tells in what",
            segment.duration_ns,
            node,
            [node, *near],
        )


def _longest_untold_ns(segment: Segment) -> int:
    """The longest stretch of a segment that does not end with an event of its span."""
    shift_ns = segment.node.start_ns - segment.node.span.start_ns
    events = segment.node.span.rest.events
    told_ns = [event.time_ns + shift_ns for event in events if event.name != "exception"]
    last_ns = max((at_ns for at_ns in told_ns if segment.start_ns < at_ns <= segment.end_ns), default=segment.start_ns)
    return segment.end_ns - last_ns
