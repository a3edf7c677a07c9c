"""A trace as a tree: who called whom, who waited for whom, with the clocks of different services set right."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Final, TypeVar

from jaegerlite.limits import SPANS_BETWEEN_CHECKS, QueryLimits
from jaegerlite.otlp import Value, value_text
from jaegerlite.otlp_read import read_rest
from jaegerlite.traces import Span

ATTRIBUTES_KEPT: Final = 1024
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)
ERROR: Final = 2
# A child that is waited for may seem to end this much after its parent, since reading a clock takes time as well.
OVERLAP_NS_MAX: Final = 1_000_000
T = TypeVar("T")


@lru_cache(ATTRIBUTES_KEPT)
def _attributes(rest_bytes: bytes) -> Mapping[str, Value]:
    # Asked several times in a row for a span; kept with each of 100,000 they would take 200 MB.
    return dict(read_rest(rest_bytes).attributes)


@dataclass(eq=False, slots=True)
class Node:
    """A span in its tree; times in nanoseconds since 1970, as the root's clock has them."""

    span: Span
    start_ns: int
    end_ns: int
    parent: "Node | None" = None
    children: list["Node"] = field(default_factory=list)

    @property
    def duration_ns(self) -> int:
        """How long it took, in nanoseconds."""
        return self.end_ns - self.start_ns

    @property
    def service(self) -> str:
        """The service that it belongs to."""
        return self.span.series.service

    @property
    def operation(self) -> str:
        """The span's name."""
        return self.span.series.name

    @property
    def kind(self) -> int:
        """OTLP's span kind."""
        return self.span.series.kind

    @property
    def failed(self) -> bool:
        """Whether its status is an error."""
        return self.span.status == ERROR

    @property
    def id(self) -> str:
        """The span id as hex."""
        return f"{self.span.span_id:016x}"

    @property
    def attributes(self) -> Mapping[str, Value]:
        """Its own attributes."""
        return _attributes(self.span.rest_bytes)

    def text(self, *keys: str) -> str:
        """The text of the first of these attributes that it has, else empty."""
        for key in keys:
            if key in self.attributes:
                return value_text(self.attributes[key])
        return ""

    @property
    def is_awaited(self) -> bool:
        """Whether its parent waited for it: not what goes through a queue, nor what outlives the parent."""
        if self.parent is None or self.kind == CONSUMER or self.parent.kind == PRODUCER:
            return False
        return self.start_ns < self.parent.end_ns and self.end_ns <= self.parent.end_ns + OVERLAP_NS_MAX

    @property
    def holds_up_root(self) -> bool:
        """Whether everybody above it waits, up to the root; what has lost its parent counts as waited for."""
        node = self
        while node.parent is not None:
            if not node.is_awaited:
                return False
            node = node.parent
        return True

    @property
    def awaited(self) -> list["Node"]:
        """The children that it waited for, by start."""
        return [child for child in self.children if child.is_awaited]


@dataclass(frozen=True, slots=True)
class Tree:
    """All spans of a trace; `root` is the one that begins it, `roots` are all without a known parent, by start.

    `check` raises once whoever asks has used up his time.
    """

    root: Node
    roots: list[Node]
    nodes: list[Node]
    check: Callable[[], None] = field(default=QueryLimits().check)

    def timed(self, nodes: Iterable[T]) -> Iterator[T]:
        """The same, with a look at the clock now and then: for every loop that is as long as the trace."""
        for count, node in enumerate(nodes):
            if count % SPANS_BETWEEN_CHECKS == 0:
                self.check()
            yield node

    @property
    def start_ns(self) -> int:
        """The start of the first span."""
        return min(node.start_ns for node in self.nodes)

    @property
    def end_ns(self) -> int:
        """The end of the last span."""
        return max(node.end_ns for node in self.nodes)


def build_tree(spans: list[Span], limits: QueryLimits | None = None) -> Tree:
    """The tree of a trace's spans, of which there is one at least; spans that call each other in a ring are roots.

    `limits` are those of the query that asks; analysing the tree raises QueryLimitError once they are used up.
    """
    nodes = {span.span_id: Node(span, span.start_ns, span.start_ns + span.duration_ns) for span in spans}
    for node in nodes.values():
        node.parent = nodes.get(node.span.parent_id)
    _cut_rings(list(nodes.values()))
    for node in nodes.values():
        if node.parent is not None:
            node.parent.children.append(node)
    roots = sorted((node for node in nodes.values() if node.parent is None), key=lambda node: node.start_ns)
    for root in roots:
        _set_clocks(root)
    for node in nodes.values():
        node.children.sort(key=lambda child: child.start_ns)
    # A root without any parent began the trace; one whose parent is missing was called by somebody.
    root = min(roots, key=lambda node: (node.span.parent_id != 0, node.start_ns))
    return Tree(root, roots, list(nodes.values()), (limits or QueryLimits()).check)


def _cut_rings(nodes: list[Node]) -> None:
    """Take the parent from one span of each ring; every span is walked over once."""
    done: set[Node] = set()
    for begin in nodes:
        node: Node | None = begin
        trail: set[Node] = set()
        while node is not None and node not in done:
            trail.add(node)
            if node.parent in trail:
                node.parent = None
            node = node.parent
        done |= trail


def _set_clocks(root: Node) -> None:
    """Move what another service's clock puts before its own cause: to the middle of its parent, where it fits there."""
    waiting = [(root, 0)]
    while waiting:
        node, shift_ns = waiting.pop()
        node.start_ns += shift_ns
        node.end_ns += shift_ns
        parent = node.parent
        if parent is not None and node.start_ns < parent.start_ns and node.service != parent.service:
            room_ns = max(0, parent.duration_ns - node.duration_ns)
            more_ns = parent.start_ns - node.start_ns + room_ns // 2
            node.start_ns += more_ns
            node.end_ns += more_ns
            shift_ns += more_ns
        waiting.extend((child, shift_ns) for child in node.children)


def by_parent(nodes: list[Node]) -> dict[Node | None, list[Node]]:
    """The nodes in groups of one parent, each by start."""
    groups: dict[Node | None, list[Node]] = defaultdict(list)
    for node in sorted(nodes, key=lambda node: node.start_ns):
        groups[node.parent].append(node)
    return groups


def covered_ns(nodes: list[Node]) -> int:
    """The time in which at least one of them ran, in nanoseconds."""
    total = reached = 0
    for node in sorted(nodes, key=lambda node: node.start_ns):
        total += max(0, node.end_ns - max(node.start_ns, reached))
        reached = max(reached, node.end_ns)
    return total


def overlap(nodes: list[Node]) -> bool:
    """Whether any two of them, given by start, ran at the same time."""
    return any(later.start_ns < earlier.end_ns for earlier, later in pairwise(nodes))
