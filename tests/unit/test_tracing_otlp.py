"""Our OTLP bytes against what the reference encoder makes of the same spans."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from shared.tracing.otlp import encode_request
from shared.tracing.span import Span
from tests.tracing_kit import RESOURCE, attributes_of, make_provider

INT64 = st.integers(min_value=-(2**63), max_value=2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
SCALARS = st.one_of(TEXTS, st.booleans(), INT64, st.floats(allow_nan=False), st.binary(max_size=40))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS.filter(bool), inner, max_size=4)
)
ATTRIBUTES = st.dictionaries(TEXTS.filter(bool), VALUES, max_size=8)
TIMES = st.integers(min_value=0, max_value=2**63 - 1)
SPAN_IDS = st.integers(min_value=1, max_value=2**64 - 1)
TRACE_IDS = st.integers(min_value=1, max_value=2**128 - 1)


def reference_bytes(span: Span) -> bytes:
    """What the reference exporter sends for the same facts."""
    scope = InstrumentationScope("library", "1.2", "https://example.org/schema", {"kind": "test"})
    readable = ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=SdkResource(RESOURCE),
        attributes=span.attributes,
        events=[Event(event.name, event.attributes, event.timestamp) for event in span.events],
        links=[Link(link.context, link.attributes) for link in span.links],
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )
    encoded: bytes = encode_spans([readable]).SerializeToString()
    return encoded


@given(
    name=TEXTS,
    kind=st.sampled_from(SpanKind),
    attributes=ATTRIBUTES,
    event=st.tuples(TEXTS, ATTRIBUTES, TIMES),
    link=st.tuples(TRACE_IDS, SPAN_IDS, st.booleans(), ATTRIBUTES),
    status=st.tuples(st.sampled_from(StatusCode), TEXTS),
    times=st.tuples(TIMES, TIMES),
)
def test_bytes_say_what_the_reference_encoder_says(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any],
    event: tuple[str, Mapping[str, Any], int],
    link: tuple[int, int, bool, Mapping[str, Any]],
    status: tuple[StatusCode, str],
    times: tuple[int, int],
) -> None:
    """Every field of any span reads the same whether we or the reference exporter encoded it."""
    provider = make_provider()
    tracer = provider.get_tracer("library", "1.2", "https://example.org/schema", {"kind": "test"})
    with tracer.start_as_current_span("parent"):
        span = tracer.start_span(name, None, kind, attributes, None, times[0])
    span.add_event(*event)
    span.add_link(SpanContext(link[0], link[1], link[2], TraceFlags(1)), link[3])
    description = status[1] if status[0] is StatusCode.ERROR else None
    span.set_status(Status(status[0], description))
    span.end(times[1])
    ours = ExportTraceServiceRequest.FromString(encode_request(provider.resource, [span]))
    assert ours == ExportTraceServiceRequest.FromString(reference_bytes(span))


def test_bytes_are_the_reference_encoders_bytes() -> None:
    """A span without nested attributes is encoded to exactly the reference's bytes, field order included."""
    provider = make_provider()
    tracer = provider.get_tracer("library", "1.2", "https://example.org/schema", {"kind": "test"})
    span = tracer.start_span("GET /order", None, SpanKind.SERVER, {"a": "text", "b": -1, "c": True, "d": 1.5}, None, 1)
    span.end(2)
    assert encode_request(provider.resource, [span]) == reference_bytes(span)


def test_trace_state_of_span_and_link_is_sent() -> None:
    """A tracestate that came with the parent leaves with the span and with a link to such a span."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    remote = SpanContext(5, 6, True, TraceFlags(1), TraceState([("vendor", "value")]))
    span = tracer.start_span("linked", links=[Link(remote)])
    span.end()
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, [span]))
    assert request.resource_spans[0].scope_spans[0].spans[0].links[0].trace_state == "vendor=value"


def test_integers_beyond_64_bits_are_sent_as_text() -> None:
    """An integer that OTLP cannot hold arrives as its decimal digits instead of being lost."""
    provider = make_provider()
    span = provider.get_tracer("library").start_span("big", attributes={"over": 2**63, "under": -(2**63) - 1})
    span.end()
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, [span]))
    sent = attributes_of(request.resource_spans[0].scope_spans[0].spans[0])
    assert sent == {"over": str(2**63), "under": str(-(2**63) - 1)}


def test_text_that_is_not_unicode_does_not_lose_the_span() -> None:
    """Half a surrogate pair, as broken JSON can carry it, becomes a question mark."""
    provider = make_provider()
    span = provider.get_tracer("library").start_span("odd", attributes={"text": "a\ud800b"})
    span.end()
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, [span]))
    assert attributes_of(request.resource_spans[0].scope_spans[0].spans[0]) == {"text": "a?b"}


def test_a_message_larger_than_the_first_buffer_is_whole() -> None:
    """Spans far larger than the writer's first buffer come out complete."""
    provider = make_provider()
    text = "x" * 1_000_000
    span = provider.get_tracer("library").start_span("large", attributes={"first": text, "second": text, "n": 7})
    span.end()
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, [span, span]))
    for message in request.resource_spans[0].scope_spans[0].spans:
        assert attributes_of(message) == {"first": text, "second": text, "n": 7}


def test_spans_are_grouped_by_instrumentation_scope() -> None:
    """Spans of two libraries travel in two scope blocks of one resource, each block in order."""
    provider = make_provider()
    one, two = provider.get_tracer("one"), provider.get_tracer("two")
    for tracer, name in ((one, "a"), (two, "b"), (one, "c")):
        tracer.start_span(name).end()
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, list(provider.buffer.ended)))
    blocks = request.resource_spans[0].scope_spans
    assert [(block.scope.name, [span.name for span in block.spans]) for block in blocks] == [
        ("one", ["a", "c"]),
        ("two", ["b"]),
    ]
