# cython: language_level=3, annotation_typing=False
"""Groups of ended spans that differ in their ids alone, and what is to be asked of spans and groups alike."""

from collections.abc import Iterable, Iterator
from typing import Any

import cython
from opentelemetry.trace import SpanKind

from shared.tracing.attributes import clean_text
from shared.tracing.buffer import SpanBuffer
from shared.tracing.origin import Resource, Scope
from shared.tracing.sources import mixed_id, next_id
from shared.tracing.span import Span


@cython.freelist(64)
@cython.no_gc
@cython.cclass
class SpanGroup:
    """The finished children that one operation left in many spans: alike in everything but their ids.

    It stands for as many spans as it has `parents`, sampled ones without a `tracestate`, at the price of about one. The
    ids of its spans follow from `seed`.
    """

    buffer: SpanBuffer
    scope: Scope
    parents: list[Span]
    span_name: str
    span_kind: SpanKind
    fixed: Any
    attribute_map: dict[str, Any] | None
    start_ns: int
    end_ns: int
    seed: int

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


def new_group(
    parents: list[Span],
    name: str,
    kind: SpanKind,
    fixed: Any,
    attributes: dict[str, Any] | None,
    start_ns: int,
    end_ns: int,
) -> SpanGroup:
    """The children of `parents`, all of which are ours and recording, with attributes that are clean."""
    group: SpanGroup = SpanGroup.__new__(SpanGroup)
    group.buffer = parents[0].buffer
    group.scope = parents[0].scope
    group.parents = parents
    group.span_name = clean_text(name)
    group.span_kind = kind
    group.fixed = fixed
    group.attribute_map = attributes
    group.start_ns = start_ns
    group.end_ns = end_ns
    group.seed = next_id()
    return group


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
