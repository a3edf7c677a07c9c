"""Traces made by hand, span by span, for tests of their analysis."""

from collections.abc import Mapping

from jaegerlite.otlp import Value
from jaegerlite.otlp_write import attribute_message, bytes_field, fixed64_field, text_field
from jaegerlite.series import KIND_NAMES, Series
from jaegerlite.traces import Span

BEGAN_NS = 1_700_000_000_000_000_000
NS_PER_MS = 1_000_000


class TraceKit:
    """Collects spans; times are milliseconds since the trace began."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def add(
        self,
        parent: int,
        where: str,
        start_ms: float,
        duration_ms: float,
        *,
        kind: str = "internal",
        failed: bool = False,
        message: str = "",
        attributes: Mapping[str, Value] | None = None,
        events: Mapping[str, float] | None = None,
    ) -> int:
        """Add a span, `where` being "service operation", below a parent (0 for none); give its id.

        `events` have their times by their names.
        """
        service, _, operation = where.partition(" ")
        number = len(self.spans) + 1
        series = Series(0, service.encode(), b"", KIND_NAMES.index(kind), b"", operation, service, (), "", "", ())
        rest = b"".join(bytes_field(9, attribute_message(key, value)) for key, value in (attributes or {}).items())
        for name, at_ms in (events or {}).items():
            rest += bytes_field(11, fixed64_field(1, BEGAN_NS + round(at_ms * NS_PER_MS)) + text_field(2, name))
        rest += bytes_field(15, text_field(2, message))
        start_ns = BEGAN_NS + round(start_ms * NS_PER_MS)
        self.spans.append(
            Span((1, 1), number, parent, start_ns, round(duration_ms * NS_PER_MS), 2 if failed else 0, series, rest)
        )
        return number

    def query(
        self, parent: int, statement: str, start_ms: float, duration_ms: float, *, service: str = "orders"
    ) -> int:
        """Add a call to a database."""
        tags: dict[str, Value] = {"db.system.name": "postgresql", "db.query.text": statement}
        return self.add(parent, f"{service} SELECT item", start_ms, duration_ms, kind="client", attributes=tags)
