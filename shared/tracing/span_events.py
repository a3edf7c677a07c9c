# cython: language_level=3, annotation_typing=False
"""What hangs on a span: events, and links to other spans."""

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext


class Event:
    """Something that happened inside a span at `timestamp` (ns since the Unix epoch)."""

    __slots__ = ("attributes", "dropped_attributes", "name", "timestamp")

    def __init__(self, name: str, timestamp: int, attributes: dict[str, Any] | None, dropped: int) -> None:
        self.name = name
        self.timestamp = timestamp
        self.attributes = attributes
        self.dropped_attributes = dropped


class BoundedLink(Link):
    """A link whose attributes were cleaned, with the number of those dropped."""

    def __init__(self, context: SpanContext, attributes: dict[str, Any] | None, dropped: int) -> None:
        super().__init__(context, attributes)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the limit cost."""
        return self._dropped


class RemoteLink:
    """A link to the span that a `traceparent` names, as its bare ids."""

    def __init__(self, trace_high: int, trace_low: int, span_id: int, flags: int) -> None:
        self.trace_high = trace_high
        self.trace_low = trace_low
        self.span_id = span_id
        self.flags = flags

    def link(self) -> Link:
        """The same as the API has it."""
        high: Any = self.trace_high
        trace_id: int = (high << 64) | self.trace_low
        return BoundedLink(SpanContext(trace_id, self.span_id, True, trace.TraceFlags(self.flags)), None, 0)


def exception_type(exception: BaseException) -> str:
    """The full type name, without the module for built-in exceptions."""
    kind = type(exception)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
