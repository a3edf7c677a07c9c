"""Single statements that took long."""

from collections.abc import Iterator
from typing import Final

from jaegerlite.analysis.finding import Finding, ms
from jaegerlite.analysis.statement import is_blocking, is_query, normalised
from jaegerlite.analysis.tree import Tree

SLOW_NS_MIN: Final = 100_000_000
# What nobody waits for may wait itself, as messages may lie in their queue.
SLOW_UNAWAITED_NS_MIN: Final = 1_000_000_000


def slow_queries(tree: Tree) -> Iterator[Finding]:
    """Calls to a database of 100 ms and more (a second, where no answer waits), but for those that wait by design."""
    for node in tree.timed(tree.nodes):
        if node.duration_ns < SLOW_NS_MIN or not is_query(node) or is_blocking(node):
            continue
        if node.duration_ns >= SLOW_UNAWAITED_NS_MIN or node.holds_up_root:
            system = node.text("db.system.name", "db.system")
            yield Finding(
                "slow_query",
                f"{node.service} waited {ms(node.duration_ns)} for {system}: {node.operation}",
                node.duration_ns,
                node,
                [node],
                {"statement": normalised(node), "system": system},
            )
