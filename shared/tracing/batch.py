# cython: language_level=3, annotation_typing=False
"""Spans for batched work: one call, one statement or one event batch that serves many traces at once.

Each item keeps its own whole trace: `item_spans` opens one span per item under the item's own parent, and
`statement_spans` records one shared operation inside each of them, with the same times.
"""

from collections.abc import Mapping, Sequence
from time import time_ns
from types import TracebackType
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, SpanKind
from opentelemetry.util.types import AttributeValue

from shared.tracing.attributes import clean_attributes
from shared.tracing.context import context_from, record_error, span_context_from
from shared.tracing.described import NOTHING, FixedAttributes, ItemAttributes
from shared.tracing.sources import monotonic_ns
from shared.tracing.span import BATCH_SIZE, Span
from shared.tracing.span_group import new_group
from shared.tracing.starting import start_child, start_items
from shared.tracing.tracer import Tracer

SCOPE = "shared.tracing"
SAMPLED = 0x01

AttributeMap = Mapping[str, AttributeValue]
Attributes = AttributeMap | FixedAttributes

_provider: trace.TracerProvider | None = None
_tracer: trace.Tracer | None = None


def item_spans(
    name: str,
    traceparents: Sequence[str],
    *,
    kind: SpanKind = SpanKind.SERVER,
    attributes: Sequence[AttributeMap] | ItemAttributes | None = None,
    items: Sequence[Any] | None = None,
    links: Sequence[str | None] | None = None,
    start_ns: int | None = None,
) -> "ItemSpans":
    """One span per item of a batch, each a child of its own `traceparent`; all end with the block.

    `attributes` are one mapping per item, or how they are read from `items`. They and `links` (a `traceparent` to point
    at, or None) must be as many as `traceparents`. With more than one item each span gets `batch.size`. An exception
    is recorded on every span that is still open and raised again. Spans ended inside the block keep their end.
    """
    described = attributes if isinstance(attributes, ItemAttributes) else None
    mappings: Any = None if described is not None else attributes
    count = len(traceparents)
    if described is not None and (items is None or len(items) != count):
        raise ValueError("item_spans needs as many items as traceparents.")
    if mappings is not None and len(mappings) != count:
        raise ValueError("item_spans needs as many attribute mappings as traceparents.")
    if links is not None and len(links) != count:
        raise ValueError("item_spans needs as many links as traceparents.")
    tracer = own_tracer()
    made = ItemSpans()
    if isinstance(tracer, NoOpTracer):
        made.spans = [INVALID_SPAN] * count
        return made
    if isinstance(tracer, Tracer):
        made.spans = start_items(
            tracer.buffer, tracer.scope, name, kind, traceparents, described, items, start_ns, mappings, links
        )
        return made
    if described is not None:
        mappings = [described.attributes(item) for item in items]  # type: ignore[union-attr]
    for index in range(count):
        given = dict(mappings[index]) if mappings is not None else {}
        if count > 1:
            given[BATCH_SIZE] = count
        span = tracer.start_span(name, context_from(traceparents[index]), kind, given, None, start_ns)
        if links is not None and links[index]:
            span.add_link(span_context_from(links[index]))  # type: ignore[arg-type]
        made.spans.append(span)
    return made


def own_tracer() -> trace.Tracer:
    """The tracer of this module, kept while the provider is the same: to ask for it costs as much as a span."""
    global _provider, _tracer
    provider = trace.get_tracer_provider()
    if provider is not _provider:
        _provider, _tracer = provider, trace.get_tracer(SCOPE)
    return _tracer  # type: ignore[return-value]


class ItemSpans:
    """The open spans of a batch, as a context manager that gives them and ends them."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def __enter__(self) -> list[trace.Span]:
        return self.spans

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        if error is not None:
            for span in self.spans:
                record_error(span, error)
        self.end()

    def end(self) -> None:
        """End those that are open, all at the same time."""
        end_ns = monotonic_ns()
        for span in self.spans:
            if isinstance(span, Span):
                own = span
                if own.recording:
                    own.end_at(end_ns + own.clock_offset_ns)
            elif span.is_recording():
                span.end()


class StatementSpans:
    """Times the block once and records it as one child of each of `spans`, with the same times and attributes.

    With several spans the size of the batch is noted: `messaging.batch.message_count` if the attributes name a
    messaging system, `db.operation.batch.size` otherwise. An exception marks every child and is raised again.
    Attributes that stay the same should be `FixedAttributes`.
    """

    def __init__(
        self,
        spans: Sequence[trace.Span],
        name: str,
        attributes: Attributes | None = None,
        *,
        kind: SpanKind = SpanKind.CLIENT,
    ) -> None:
        self.given = spans
        self.name = name
        self.attributes: Any = attributes
        self.kind = kind
        self.start_ns = 0
        self.parents: list[Any] = []
        self.alike = True

    def __enter__(self) -> None:
        self.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        self.end(error)

    def begin(self) -> None:
        """Find out in which spans to record, and note the time."""
        parents = self.parents
        for span in self.given:
            if isinstance(span, Span):
                own = span
                if own.recording:
                    parents.append(own)
                    if (own.flags ^ parents[0].flags) & SAMPLED or own.state is not None:
                        self.alike = False
            elif span.is_recording():
                parents.append(span)
                self.alike = False
        if parents:
            self.start_ns = clock_of(parents[0])

    def end(self, error: BaseException | None) -> None:
        """Record what was done."""
        parents = self.parents
        if not parents:
            return
        end_ns = clock_of(parents[0])
        if error is not None or not self.alike or not self.record_group(end_ns):
            self.record_each(end_ns, error)

    def sized(self, attributes: Attributes) -> dict[str, Any] | None:
        """The attribute that says how many items were served, None for one alone."""
        if len(self.given) < 2:
            return None
        messages = "messaging.system" in attributes
        return {"messaging.batch.message_count" if messages else "db.operation.batch.size": len(self.given)}

    def record_group(self, end_ns: int) -> bool:
        """One group of finished children for parents that are all ours; False where limits need a closer look."""
        first = self.parents[0]
        buffer = first.buffer
        fixed, attributes = None, None
        if self.attributes is None:
            attributes = self.sized(NOTHING)
        elif isinstance(self.attributes, FixedAttributes):
            fixed = self.attributes
            attributes = self.sized(fixed)
        else:
            attributes, _ = clean_attributes(self.attributes, buffer.span_attributes_max, None)
            attributes = {**(attributes or {}), **(self.sized(self.attributes) or {})}
        count = (len(fixed.known) if fixed is not None else 0) + (len(attributes) if attributes is not None else 0)
        if buffer.span_value_length is not None or count > buffer.span_attributes_max:
            return False
        group = new_group(self.parents, self.name, self.kind, fixed, attributes, self.start_ns, end_ns)
        if not first.flags & SAMPLED:
            buffer.sampled_out += len(self.parents)
        buffer.take(group, len(group.parents))
        return True

    def record_each(self, end_ns: int, error: BaseException | None) -> None:
        """One finished child in each parent, made as any span is."""
        attributes = dict(self.attributes or {})
        attributes.update(self.sized(attributes) or {})
        for parent in self.parents:
            if isinstance(parent, Span):
                child: Any = start_child(parent, parent.scope, self.name, self.kind, attributes, self.start_ns)
            else:
                context = trace.set_span_in_context(parent)
                child = own_tracer().start_span(self.name, context, self.kind, attributes, None, self.start_ns)
            if error is not None:
                record_error(child, error)
            child.end(end_ns)


statement_spans = StatementSpans


def clock_of(span: trace.Span) -> int:
    """Now on a span's clock."""
    return span.now_ns() if isinstance(span, Span) else time_ns()
