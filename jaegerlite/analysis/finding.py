"""What a detector reports: what it saw, what that costs, and on which spans."""

from dataclasses import dataclass, field
from typing import Any

from jaegerlite.analysis.tree import Node

NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding; `cost_ns` is the time that would not have passed without it, `node` the span that it is about."""

    kind: str
    summary: str
    cost_ns: int
    node: Node
    nodes: list[Node]
    details: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """As the API tells it."""
        return {
            "kind": self.kind,
            "summary": self.summary,
            "cost_ms": round(self.cost_ns / NS_PER_MS, 3),
            "service": self.node.service,
            "operation": self.node.operation,
            "span_ids": [node.id for node in self.nodes],
            "details": self.details,
        }


def ms(duration_ns: float) -> str:
    """A duration for reading."""
    return f"{duration_ns / NS_PER_MS:.3g} ms" if duration_ns < 1000 * NS_PER_MS else f"{duration_ns / 1e9:.3g} s"
