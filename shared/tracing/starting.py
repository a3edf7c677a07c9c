# cython: language_level=3, annotation_typing=False
"""How spans begin: under a span of this process, under one of another, as the root of a trace, or many at once.

Like `span`, the same source runs compiled (`starting.pxd` holds the C types) or as plain Python.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.trace import SpanContext, SpanKind

from shared.tracing.attributes import clean_attributes, clean_time
from shared.tracing.buffer import SpanBuffer
from shared.tracing.described import ItemAttributes
from shared.tracing.origin import Scope
from shared.tracing.sources import monotonic_ns, next_id, wall_ns
from shared.tracing.span import BATCH_SIZE, Span, new_span
from shared.tracing.span_events import RemoteLink
from shared.tracing.w3c import MASK_64, ParentIds

# Trace flags, https://www.w3.org/TR/trace-context-2/#trace-flags
SAMPLED = 0x01
RANDOM_TRACE_ID = 0x02

# How long the children of a span go on using its clock.
CLOCK_REUSE_NS = 60_000_000_000


def start_child(
    parent: Span, scope: Scope, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, start_ns: int | None
) -> Span:
    """Start a child of a span of this process."""
    span = new_span(parent.buffer, scope, name, kind)
    span.trace_high = parent.trace_high
    span.trace_low = parent.trace_low
    span.parent_id = parent.span_id
    span.state = parent.state
    span.flags = parent.flags
    begin(span, parent, attributes, start_ns)
    return span


def start_root(
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a span that begins a trace."""
    span = new_span(buffer, scope, name, kind)
    begin(span, None, attributes, start_ns)
    return span


def start_under(
    parent: SpanContext,
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a child of any span context; a root span if that is not valid."""
    span = new_span(buffer, scope, name, kind)
    if parent.is_valid:
        trace_id: Any = parent.trace_id
        span.trace_high = trace_id >> 64
        span.trace_low = trace_id & MASK_64
        span.parent_id = parent.span_id
        span.parent_remote = parent.is_remote
        span.state = parent.trace_state or None
        span.flags = int(parent.trace_flags)
    begin(span, None, attributes, start_ns)
    return span


def start_remote_child(
    traceparent: str,
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a child of the span that a W3C header names; a root span if the header is empty or malformed."""
    span = new_span(buffer, scope, name, kind)
    continue_remote(span, traceparent, ParentIds())
    begin(span, None, attributes, start_ns)
    return span


def start_items(
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    traceparents: Sequence[str],
    described: ItemAttributes | None,
    items: Sequence[Any] | None,
    start_ns: int | None,
    attributes: Sequence[Mapping[str, Any]] | None,
    links: Sequence[str | None] | None,
) -> list[Span]:
    """Start the spans of a batch, each a child of its own `traceparent`, all at the same time.

    Their attributes are described and read from `items`, or given one by one; `links` are as `item_spans` has them.
    """
    ids = ParentIds()
    now_ns = monotonic_ns()
    offset_ns = wall_ns() - now_ns
    size = len(traceparents)
    known = 1 if described is None else described.count + 1
    limited = buffer.span_value_length is not None or known > buffer.span_attributes_max
    spans: list[Span] = []
    for index in range(size):
        span = new_span(buffer, scope, name, kind)
        continue_remote(span, traceparents[index], ids)
        own = None if attributes is None else attributes[index]
        item = None if described is None else items[index]  # type: ignore[index]
        # A sampler that is to decide wants to see them.
        if described is not None and (limited or not buffer.parent_based or not span.parent_id):
            own = described.attributes(item)
        if decide(span, own):
            span.clock_offset_ns = offset_ns
            span.start_ns = now_ns + offset_ns if start_ns is None else clean_time(start_ns)
            if described is not None and not limited:
                span.described = described
                span.item = item
            elif own is not None:
                span.attribute_map, span.dropped_attributes = clean_attributes(
                    own, buffer.span_attributes_max, buffer.span_value_length
                )
            if not limited:
                span.batch_size = size
            elif size > 1:
                span.set_attribute(BATCH_SIZE, size)
            if links is not None and links[index] and ids.read(links[index]):  # type: ignore[arg-type]
                span.append_link(RemoteLink(ids.trace_high, ids.trace_low, ids.span_id, ids.flags))
            if buffer.sampler.tells:
                tell(span, own)
        spans.append(span)
    return spans


def continue_remote(span: Span, traceparent: str, ids: ParentIds) -> None:
    """Give a new span the parent that a W3C header names; none if the header is empty or malformed."""
    if ids.read(traceparent):
        span.trace_high = ids.trace_high
        span.trace_low = ids.trace_low
        span.parent_id = ids.span_id
        span.flags = ids.flags
        span.parent_remote = True


def decide(span: Span, attributes: Mapping[str, Any] | None) -> bool:
    """Give the span its ids and ask the sampler; whether it is recorded."""
    buffer = span.buffer
    span.span_id = next_id()
    if not span.parent_id:
        span.trace_high = next_id()
        span.trace_low = next_id()
        span.flags = RANDOM_TRACE_ID
    if span.parent_id and buffer.parent_based:
        kept = span.flags & SAMPLED
    elif buffer.sampler.sees_spans:
        kept = buffer.sampler.keep_span(span, attributes)
    else:
        kept = buffer.sampler.keep(span.trace_low, span.span_name, span.span_kind, attributes)
    if kept:
        span.flags |= SAMPLED
    else:
        span.flags &= ~SAMPLED
        buffer.sampled_out += 1
        if not buffer.records_unsampled:
            return False
    span.recording = True
    return True


def begin(span: Span, parent: Span | None, attributes: Mapping[str, Any] | None, start_ns: int | None) -> None:
    """Give the span its ids, ask the sampler, and if it is recorded note the start and the attributes."""
    if not decide(span, attributes):
        return
    buffer = span.buffer
    now_ns = monotonic_ns()
    # Local children share their parent's clock, so a step of the wall clock cannot tear a trace apart.
    if parent is not None and parent.start_ns and now_ns + parent.clock_offset_ns < parent.start_ns + CLOCK_REUSE_NS:
        span.clock_offset_ns = parent.clock_offset_ns
    else:
        span.clock_offset_ns = wall_ns() - now_ns
    span.start_ns = now_ns + span.clock_offset_ns if start_ns is None else clean_time(start_ns)
    if attributes:
        span.attribute_map, span.dropped_attributes = clean_attributes(
            attributes, buffer.span_attributes_max, buffer.span_value_length
        )
    if buffer.sampler.tells:
        tell(span, attributes)


def tell(span: Span, attributes: Mapping[str, Any] | None) -> None:
    """Have the sampler say on a span that it kept why it did."""
    if span.flags & SAMPLED and not (span.parent_id and span.buffer.parent_based):
        span.set_attributes(span.buffer.sampler.told(span, attributes))
