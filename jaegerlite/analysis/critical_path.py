"""The critical path: the spans that, at each moment, the answer was waiting for.

From the end of a span backwards: the awaited child that ended last held it up, before that child began the next one
that ended before then, and so on; what is left is the span's own time. What runs through a queue, or outlives its
parent, holds nobody up; the path of the last of these is told apart, as what happened after the answer.
"""

from dataclasses import dataclass

from jaegerlite.analysis.tree import Node, Tree


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the path that is a span's own time, in nanoseconds since 1970."""

    node: Node
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """Its length in nanoseconds."""
        return self.end_ns - self.start_ns


def critical_path(root: Node) -> list[Segment]:
    """The path through a span from its start to its end; the segments follow each other without gap or overlap."""
    segments: list[Segment] = []
    waiting = [(root, root.start_ns, root.end_ns)]
    while waiting:
        node, start_ns, end_ns = waiting.pop()
        reached_ns = end_ns
        for child in sorted(node.awaited, key=lambda child: -min(child.end_ns, end_ns)):
            child_end_ns, child_start_ns = min(child.end_ns, end_ns), max(child.start_ns, start_ns)
            if child_end_ns > reached_ns or child_end_ns <= child_start_ns:
                continue
            _add(segments, node, child_end_ns, reached_ns)
            waiting.append((child, child_start_ns, child_end_ns))
            reached_ns = child_start_ns
        _add(segments, node, start_ns, reached_ns)
    return sorted(segments, key=lambda segment: segment.start_ns)


def _add(segments: list[Segment], node: Node, start_ns: int, end_ns: int) -> None:
    if end_ns > start_ns:
        segments.append(Segment(node, start_ns, end_ns))


def path_after_answer(tree: Tree) -> list[Segment]:
    """From the root to the end of the last span: the path that decided when the whole trace was over.

    Empty where nothing outlives the root. A span that waits in a queue counts from when its cause ended.
    """
    last = max(tree.nodes, key=lambda node: node.end_ns)
    if last.end_ns <= tree.root.end_ns:
        return []
    chain: list[Node] = []
    node: Node | None = last
    while node is not None and node is not tree.root:
        chain.append(node)
        node = node.parent
    segments: list[Segment] = []
    reached_ns = last.end_ns
    for node in chain:
        segments.extend(
            Segment(s.node, s.start_ns, min(s.end_ns, reached_ns))
            for s in critical_path(node)
            if s.start_ns < reached_ns
        )
        reached_ns = min(reached_ns, node.start_ns)
    return sorted(segments, key=lambda segment: segment.start_ns)


def time_by_operation(segments: list[Segment]) -> dict[tuple[str, str], int]:
    """Nanoseconds on the path by service and operation."""
    totals: dict[tuple[str, str], int] = {}
    for segment in segments:
        key = segment.node.service, segment.node.operation
        totals[key] = totals.get(key, 0) + segment.duration_ns
    return totals
