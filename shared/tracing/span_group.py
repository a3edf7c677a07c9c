# cython: language_level=3, annotation_typing=False
"""Groups of ended spans that differ in their ids alone, and what is to be asked of spans and groups alike."""

from collections.abc import Iterable, Iterator
from typing import Any

from opentelemetry.trace import SpanKind

from shared.tracing.attributes import clean_text
from shared.tracing.origin import Resource
from shared.tracing.sources import mixed_id, next_id
from shared.tracing.span import Span


class SpanGroup:
    """The finished children that one operation left in many spans: alike in everything but their ids.

    It stands for as many spans as it has `parents`, sampled ones without a `tracestate`, at the price of about one. The
    ids of its spans follow from `seed`.
    """

    def __init__(
        self, parents: list[Span], name: str, kind: SpanKind, fixed: Any, attributes: dict[str, Any] | None
    ) -> None:
        self.buffer = parents[0].buffer
        self.scope = parents[0].scope
        self.parents = parents
        self.span_name = clean_text(name)
        self.span_kind = kind
        self.fixed = fixed
        self.attribute_map = attributes
        self.start_ns = 0
        self.end_ns = 0
        self.seed = next_id()

    def spans(self) -> list[Span]:
        """Each of them as a span of its own, for those who treat them one by one."""
        attributes = {**(self.fixed or {}), **(self.attribute_map or {})}
        return [self.span(index, attributes) for index in range(len(self.parents))]

    def span(self, index: int, attributes: dict[str, Any] | None = None) -> Span:
        """The child of one of the parents. Several may share `attributes`, all that there are."""
        parent = self.parents[index]
        span = Span(parent.buffer, self.scope, self.span_name, self.span_kind)
        span.trace_high = parent.trace_high
        span.trace_low = parent.trace_low
        span.parent_id = parent.span_id
        span.span_id = mixed_id(self.seed, index)
        span.flags = parent.flags
        span.start_ns = self.start_ns
        span.end_ns = self.end_ns
        span.attribute_map = attributes or {**(self.fixed or {}), **(self.attribute_map or {})}
        return span

    @property
    def count(self) -> int:
        """How many spans it stands for."""
        return len(self.parents)

    @property
    def resource(self) -> Resource:
        """Who made these spans."""
        return self.buffer.resource


Ended = Span | SpanGroup


def each_span(ended: Iterable[Ended]) -> Iterator[Span]:
    """All spans of some that have ended, those of groups one by one."""
    for entry in ended:
        if isinstance(entry, SpanGroup):
            yield from entry.spans()
        else:
            yield entry


def span_count(ended: Iterable[Ended]) -> int:
    """How many spans these are."""
    count = 0
    for entry in ended:
        if isinstance(entry, SpanGroup):
            group = entry
            count += len(group.parents)
        else:
            count += 1
    return count
