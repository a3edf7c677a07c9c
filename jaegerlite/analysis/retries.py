"""Calls that failed and were made again."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.tree import CLIENT, PRODUCER, Node, Tree, by_parent, overlap

# What differs between two attempts at the same thing: the count, the outcome, and which replica was asked.
VOLATILE_PREFIXES: Final = ("http.response.", "error.", "exception.", "network.peer.", "server.", "net.peer.", "retry")
VOLATILE: Final = frozenset(
    {"http.status_code", "http.request.resend_count", "rpc.grpc.status_code", "rpc.response.status_code", "attempt"}
    | {"db.response.status_code", "db.response.returned_rows", "error", "messaging.message.id"}
)


def retries(tree: Tree) -> Iterator[Finding]:
    """Calls of one parent that are alike, follow each other, and of which all but the last failed."""
    for parent, children in tree.timed(by_parent(tree.nodes).items()):
        if parent is None:
            continue
        calls = [node for node in children if node.kind in (CLIENT, PRODUCER) or node.service != parent.service]
        if not any(node.failed for node in calls):
            continue
        alike: dict[tuple[object, ...], list[Node]] = defaultdict(list)
        for node in calls:
            alike[_identity(node)].append(node)
        for same in alike.values():
            for attempts in _attempts(same):
                yield _finding(parent, attempts)


def _identity(node: Node) -> tuple[object, ...]:
    asked = sorted(
        (key, repr(value))
        for key, value in node.attributes.items()
        if key not in VOLATILE and not key.startswith(VOLATILE_PREFIXES)
    )
    return node.service, node.operation, node.kind, *asked


def _attempts(calls: list[Node]) -> Iterator[list[Node]]:
    """Runs of calls, given by start: one or more that failed and the one that came after them."""
    run: list[Node] = []
    for node in calls:
        run.append(node)
        if not node.failed:
            if len(run) > 1 and not overlap(run):
                yield run
            run = []
    if len(run) > 1 and not overlap(run):
        yield run


def _finding(parent: Node, attempts: list[Node]) -> Finding:
    last = attempts[-1]
    cost_ns = last.start_ns - attempts[0].start_ns
    tried_ns = sum(node.duration_ns for node in attempts[:-1])
    end = "failed too" if last.failed else "succeeded"
    return Finding(
        "retry",
        f"{parent.service} tried {last.operation} {len(attempts)} times, the last of which {end}: {ms(tried_ns)} went"
        f" into attempts that failed and {ms(cost_ns - tried_ns)} into waiting between them",
        cost_ns,
        last,
        attempts,
        {"attempts": len(attempts), "succeeded": not last.failed},
    )
