"""The same statement again and again under one parent, where one statement for all values would do (N+1)."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.statement import is_blocking, is_query, normalised
from jaegerlite.analysis.tree import Node, Tree, covered_ns, overlap

TIMES_MIN: Final = 5
COST_NS_MIN: Final = 1_000_000


def repeated_queries(tree: Tree) -> Iterator[Finding]:
    """Statements that ran five times and more under one parent; failed ones are left to the retries."""
    groups: dict[tuple[Node, str], list[Node]] = defaultdict(list)
    for node in tree.timed(tree.nodes):
        if node.parent is not None and is_query(node) and not node.failed and not is_blocking(node):
            groups[node.parent, normalised(node)].append(node)
    for (parent, statement), queries in tree.timed(groups.items()):
        if len(queries) < TIMES_MIN:
            continue
        queries.sort(key=lambda node: node.start_ns)
        cost_ns = covered_ns(queries) - max(node.duration_ns for node in queries)
        if cost_ns >= COST_NS_MIN:
            order = _order(parent, queries)
            yield Finding(
                "repeated_query",
                f"{parent.service} ran one statement {len(queries)} times within {parent.operation} ({order}),"
                f" {ms(covered_ns(queries))} in all; one statement for all values would save {ms(cost_ns)}",
                cost_ns,
                parent,
                queries,
                {"statement": statement, "times": len(queries), "order": order},
            )


def _order(parent: Node, queries: list[Node]) -> str:
    """`parallel` where they overlap, `interleaved` where other calls lie between them, else `sequential`."""
    if overlap(queries):
        return "parallel"
    between_ns = queries[0].end_ns, queries[-1].start_ns
    first, last = (bisect_left(parent.children, at_ns, key=lambda child: child.start_ns) for at_ns in between_ns)
    own = sum(between_ns[0] <= node.start_ns < between_ns[1] for node in queries)
    return "interleaved" if last - first > own else "sequential"
