"""Calls that ran one after another although nothing shows that one needs the other's answer.

A trace cannot prove that calls are independent, so only two patterns count. The same operation again and again: the
callee is the same, what is asked differs. And reads of different services in a row: a read changes nothing that the
next one could see. Whatever was ordered for a reason, such as a check before a write, is left alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.statement import is_query
from jaegerlite.analysis.tree import CLIENT, SERVER, Node, Tree, by_parent

CALLS_MIN: Final = 3
COST_NS_MIN: Final = 5_000_000
SHARE_MIN: Final = 0.1
# Between two calls of a loop there is little else; a pause longer than the calls is work on their answers.
PAUSE_SHARE_MAX: Final = 0.5
READ_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def sequential_calls(tree: Tree) -> Iterator[Finding]:
    """Runs of three and more remote calls of one parent that save a tenth of it, and 5 ms, when made together."""
    calls = [node for node in tree.timed(tree.nodes) if _is_remote_call(node)]
    for parent, children in by_parent(calls).items():
        if parent is None:
            continue
        for run in _runs(tree.timed(children)):
            cost_ns = sum(node.duration_ns for node in run) - max(node.duration_ns for node in run)
            if cost_ns >= COST_NS_MIN and cost_ns >= SHARE_MIN * parent.duration_ns:
                whom = ", ".join(dict.fromkeys(f"{peer_of(node)} {node.operation}" for node in run))
                yield Finding(
                    "sequential_calls",
                    f"{parent.service} made {len(run)} calls one after another within {parent.operation} ({whom});"
                    f" made together they would save {ms(cost_ns)}",
                    cost_ns,
                    parent,
                    run,
                    {"calls": len(run), "operations": sorted({node.operation for node in run})},
                )


def _is_remote_call(node: Node) -> bool:
    """Whether the span is a call to another service; the callee's span counts where the caller recorded none."""
    if node.parent is None or not node.is_awaited or node.failed or is_query(node):
        return False
    return node.kind == CLIENT or (node.kind == SERVER and node.service != node.parent.service)


def peer_of(node: Node) -> str:
    """Whom a call went to: the callee's service where its span is known, else what the caller says."""
    if node.kind == SERVER:
        return node.service
    for child in node.children:
        if child.kind == SERVER:
            return child.service
    return node.text("peer.service", "service.peer.name", "rpc.service", "server.address", "net.peer.name", "http.host")


def _is_read(node: Node) -> bool:
    return node.text("http.request.method", "http.method").upper() in READ_METHODS


def _runs(calls: Iterator[Node]) -> Iterator[list[Node]]:
    """The longest runs of calls, given by start, in which each follows the one before it and might not have had to."""
    run = _Run([], set(), True)
    for node in calls:
        peer = peer_of(node)
        if run.nodes and not _may_go_with(run, node, peer):
            if len(run.nodes) >= CALLS_MIN:
                yield run.nodes
            run = _Run([], set(), True)
        run.add(node, peer)
    if len(run.nodes) >= CALLS_MIN:
        yield run.nodes


@dataclass(slots=True)
class _Run:
    """Calls in a row, whom they went to, and whether all of them only read."""

    nodes: list[Node]
    peers: set[str]
    only_reads: bool

    def add(self, node: Node, peer: str) -> None:
        self.nodes.append(node)
        self.peers.add(peer)
        self.only_reads = self.only_reads and _is_read(node)


def _may_go_with(run: _Run, node: Node, peer: str) -> bool:
    last = run.nodes[-1]
    pause_ns = node.start_ns - last.end_ns
    if pause_ns < 0 or pause_ns > PAUSE_SHARE_MAX * max(last.duration_ns, node.duration_ns):
        return False
    if node.operation == last.operation and peer == peer_of(last):
        return _asks_something_else(last, node)
    return run.only_reads and _is_read(node) and peer != "" and not run.peers & {"", peer}


def _asks_something_else(one: Node, other: Node) -> bool:
    """Whether two calls of an operation differ in what they ask. Where both say nothing of it, they may be a poll."""
    return one.attributes != other.attributes
