# cython: language_level=3, annotation_typing=False
"""Spans for batched work: one call, one statement or one event batch that serves many traces at once.

Each item keeps its own whole trace: `item_spans` opens one span per item under the item's own parent, and
`statement_spans` records one shared operation inside each of them, with the same times.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import time_ns

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, NoOpTracer, SpanKind
from opentelemetry.util.types import AttributeValue

from shared.tracing.attributes import clean_attributes
from shared.tracing.context import context_from, record_error, span_context_from
from shared.tracing.recorder import Tracer, start_child, start_remote_child
from shared.tracing.span import Span

SCOPE = "shared.tracing"

AttributeMap = Mapping[str, AttributeValue]


@contextmanager
def item_spans(
    name: str,
    traceparents: Sequence[str],
    *,
    kind: SpanKind = SpanKind.SERVER,
    attributes: Sequence[AttributeMap] | None = None,
    links: Sequence[str | None] | None = None,
    start_ns: int | None = None,
) -> Iterator[list[trace.Span]]:
    """One span per item of a batch, each a child of its own `traceparent`; all end with the block.

    `attributes` and `links` (a `traceparent` to point at, or None) go item by item and must be as long as
    `traceparents`. With more than one item each span gets `batch.size`. An exception is recorded on every span that
    is still open and raised again. Spans ended inside the block keep their end.
    """
    if attributes is not None and len(attributes) != len(traceparents):
        raise ValueError("item_spans needs as many attribute mappings as traceparents.")
    if links is not None and len(links) != len(traceparents):
        raise ValueError("item_spans needs as many links as traceparents.")
    tracer = trace.get_tracer(SCOPE)
    if isinstance(tracer, NoOpTracer):
        yield [INVALID_SPAN] * len(traceparents)
        return
    count = len(traceparents)
    spans: list[trace.Span] = []
    for index, traceparent in enumerate(traceparents):
        span = _start_item(tracer, name, traceparent, kind, attributes[index] if attributes else None, start_ns)
        link = links[index] if links else None
        if link:
            span.add_link(span_context_from(link))
        if count > 1:
            span.set_attribute("batch.size", count)
        spans.append(span)
    try:
        yield spans
    except BaseException as error:
        for span in spans:
            record_error(span, error)
        raise
    finally:
        for span in spans:
            if span.is_recording():
                span.end()


@contextmanager
def statement_spans(
    spans: Sequence[trace.Span],
    name: str,
    attributes: AttributeMap | None = None,
    *,
    kind: SpanKind = SpanKind.CLIENT,
) -> Iterator[None]:
    """Time the block once and record it as one child of each of `spans`, with the same times and attributes.

    With several spans the size of the batch is noted: `messaging.batch.message_count` if the attributes name a
    messaging system, `db.operation.batch.size` otherwise. An exception marks every child and is raised again.
    """
    recording = [span for span in spans if span.is_recording()]
    if not recording:
        yield
        return
    shared = dict(attributes or {})
    if len(spans) > 1:
        messaging = "messaging.system" in shared
        shared["messaging.batch.message_count" if messaging else "db.operation.batch.size"] = len(spans)
    start_ns = _now_ns(recording[0])
    error: BaseException | None = None
    try:
        yield
    except BaseException as raised:
        error = raised
        raise
    finally:
        end_ns = _now_ns(recording[0])
        _record_children(recording, name, kind, shared, start_ns, end_ns, error)


def _record_children(
    parents: Sequence[trace.Span],
    name: str,
    kind: SpanKind,
    attributes: AttributeMap,
    start_ns: int,
    end_ns: int,
    error: BaseException | None,
) -> None:
    """One finished child in each parent. Ours share one mapping of attributes: nobody changes it any more."""
    first = parents[0]
    limits = first.buffer.limits if isinstance(first, Span) else None
    cleaned, dropped = (
        clean_attributes(attributes, limits.span_attributes, limits.span_value_length) if limits else (None, 0)
    )
    for parent in parents:
        if isinstance(parent, Span):
            child = start_child(parent, parent.scope, name, kind, None, start_ns)
            child.attribute_map = cleaned if error is None else dict(cleaned or {})
            child.dropped_attributes = dropped
        else:
            context = trace.set_span_in_context(parent)
            child = trace.get_tracer(SCOPE).start_span(name, context, kind, attributes, None, start_ns)
        if error is not None:
            record_error(child, error)
        child.end(end_ns)


def _now_ns(span: trace.Span) -> int:
    return span.now_ns() if isinstance(span, Span) else time_ns()


def _start_item(
    tracer: trace.Tracer,
    name: str,
    traceparent: str,
    kind: SpanKind,
    attributes: AttributeMap | None,
    start_ns: int | None,
) -> trace.Span:
    if isinstance(tracer, Tracer):
        return start_remote_child(traceparent, tracer.buffer, tracer.scope, name, kind, attributes, start_ns)
    return tracer.start_span(name, context_from(traceparent), kind, attributes, None, start_ns)
