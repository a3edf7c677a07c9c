"""Spans that become bytes as they end: the same spans as by the way through the buffer, none twice, none lost."""

import sys
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.trace import SpanKind, StatusCode

from shared.tracing import FixedAttributes, ItemAttributes, item_spans, statement_spans
from shared.tracing.early import COMPILED, OtlpEncoder
from shared.tracing.provider import TracerProvider
from shared.tracing.redact import redact_spans
from tests.tracing_kit import attributes_of, ended_messages, make_provider

ONE = "00-" + "1" * 32 + "-" + "a" * 16 + "-01"
TWO = "00-" + "2" * 32 + "-" + "b" * 16 + "-01"


def encoded(provider: TracerProvider, spans_max: int = 1000) -> tuple[TracerProvider, OtlpEncoder]:
    """A provider whose spans are encoded as they end."""
    encoder = OtlpEncoder(provider.buffer, spans_max)
    provider.buffer.encoder = encoder
    return provider, encoder


def requests_of(encoder: OtlpEncoder) -> Iterator[tuple[int, ExportTraceServiceRequest]]:
    """All that was encoded, read by the official classes, with the numbers of spans."""
    assert encoder.close_open()
    for spans, payload in encoder.take_full():
        yield spans, ExportTraceServiceRequest.FromString(payload)


def messages_of(encoder: OtlpEncoder) -> list[SpanMessage]:
    """The spans of all that was encoded."""
    found = []
    for spans, request in requests_of(encoder):
        messages = [span for block in request.resource_spans for scope in block.scope_spans for span in scope.spans]
        assert len(messages) == spans
        found += messages
    return found


def make_some(provider: TracerProvider) -> None:
    """Spans of every kind: with secrets, events, links, errors, by hand, of items and of statements."""
    items = ItemAttributes({"order.id": ("id", str), "note": "note"})

    class Item:
        id, note = 17, "write to me@example.org"

    tracer = provider.get_tracer("library", "1", "https://example.org/schema")
    with tracer.start_as_current_span(
        "a", kind=SpanKind.SERVER, attributes={"password": "1234", "b": (1, "c")}
    ) as span:
        span.add_event("said", {"token": "abcd"})
        span.add_link(span.get_span_context(), {"d": 1})
        span.set_status(StatusCode.ERROR, "me@example.org")
    with item_spans("create_order", [ONE, TWO], attributes=items, items=[Item(), Item()], links=[TWO, None]) as spans:
        spans[0].set_attribute("more", 1.5)
        with statement_spans(spans, "INSERT order", FixedAttributes({"db.query.text": "INSERT"})):
            pass


def comparable(messages: list[SpanMessage]) -> list[str]:
    """Spans without what differs between two runs."""
    for message in messages:
        message.span_id = message.parent_span_id = b""
        message.trace_id = message.trace_id if message.trace_id[:1] in (b"\x11", b"\x22") else b""
        message.start_time_unix_nano = message.end_time_unix_nano = 0
        for part in (*message.events, *message.links):
            part.Clear() if isinstance(part, SpanMessage.Link) else setattr(part, "time_unix_nano", 0)
    return sorted(map(str, messages))


def test_what_is_encoded_early_is_what_the_export_thread_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans, groups, scopes and all that was redacted are the same by both ways out."""
    late = make_provider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", late)
    make_some(late)
    redact_spans(late.buffer.ended)
    early, encoder = encoded(make_provider())
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", early)
    make_some(early)
    assert (early.buffer.recorded, early.buffer.waiting(), len(early.buffer.ended)) == (5, 5, 0)
    [(spans, request)] = list(requests_of(encoder))
    assert spans == 5
    resources = [attributes_of(block.resource) for block in request.resource_spans]
    assert all(resource == {"service.name": "tested"} for resource in resources)
    scopes = {
        (scope.scope.name, scope.scope.version, scope.schema_url)
        for b in request.resource_spans
        for scope in b.scope_spans
    }
    assert scopes == {("library", "1", "https://example.org/schema"), ("shared.tracing", "", "")}
    found = [span for block in request.resource_spans for scope in block.scope_spans for span in scope.spans]
    assert comparable(found) == comparable(ended_messages(late))


def test_requests_are_bounded_in_spans_and_in_bytes() -> None:
    """A request is full with so many spans, or half a megabyte, and the export is woken then."""
    provider, encoder = encoded(make_provider(), spans_max=10)
    woken: list[int] = []
    provider.buffer.wake = lambda: woken.append(1)
    tracer = provider.get_tracer("library")
    for _ in range(25):
        tracer.start_span("a").end()
    assert (len(woken), encoder.full_spans, encoder.waiting()) == (2, 20, 25)
    for _ in range(2):
        tracer.start_span("a", attributes={"text": "x" * 600_000}).end()
    assert [spans for spans, _ in requests_of(encoder)] == [10, 10, 6, 1]


def test_what_nobody_sends_is_dropped_and_counted() -> None:
    """Beyond the bound of the buffer the oldest spans go, whole requests of them, and are counted."""
    provider, encoder = encoded(make_provider(max_queue_size=100), spans_max=10)
    tracer = provider.get_tracer("library")
    for number in range(1000):
        tracer.start_span(str(number)).end()
    kept = messages_of(encoder)
    assert len(kept) <= 110
    assert len(kept) + provider.buffer.dropped == provider.buffer.recorded == 1000
    assert "999" in {message.name for message in kept}


def test_a_span_that_ends_while_another_is_encoded_takes_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is encoded may run code that ends a span itself: both spans are whole."""
    provider, encoder = encoded(make_provider())
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)

    def read(item: Any) -> str:
        provider.get_tracer("library").start_span("inner").end()
        assert not encoder.close_open()
        return "value"

    with item_spans("outer", [ONE], attributes=ItemAttributes({"key": read}), items=[object()]):
        pass
    assert [message.name for message in ended_messages(provider)] == ["inner"]
    (outer,) = messages_of(encoder)
    assert (outer.name, attributes_of(outer)) == ("outer", {"key": "value"})


def test_a_span_that_cannot_be_encoded_is_left_to_the_export_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bad span takes no other with it, and comes to where it is counted and logged."""
    provider, encoder = encoded(make_provider())
    tracer = provider.get_tracer("library")
    tracer.start_span("before").end()
    bad = tracer.start_span("bad", attributes={"a": "b"})
    bad.attribute_map["b"] = type("Odd", (int,), {"__iter__": None})()
    bad.status_code, bad.status_message = 2, 17
    bad.end()
    tracer.start_span("after").end()
    assert {message.name for message in messages_of(encoder)} == {"before", "after"}
    assert list(provider.buffer.ended) == [bad]


@pytest.mark.skipif(not COMPILED, reason="in plain Python spans are encoded by the export thread")
def test_threads_lose_no_span_and_send_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight threads that end spans while another takes them out: each span arrives once, whole."""
    provider, encoder = encoded(make_provider(), spans_max=7)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    # Python code in the midst of a span's encoding is where the interpreter may switch threads.
    items = ItemAttributes({"number": lambda item: str(item * 2)})
    threads, each = 8, 400

    def work(first: int) -> None:
        for number in range(first, first + each):
            with item_spans(str(number), [ONE], attributes=items, items=[number]):
                pass

    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=(index * each,)) for index in range(threads)]
        for worker in workers:
            worker.start()
        found: list[SpanMessage] = []
        while any(worker.is_alive() for worker in workers):
            encoder.close_open()
            found += [span for _, payload in encoder.take_full() for span in spans_in(payload)]
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(interval_s)
    found += messages_of(encoder) + ended_messages(provider)
    assert Counter(message.name for message in found) == Counter(str(number) for number in range(threads * each))
    assert all(attributes_of(message)["number"] == str(int(message.name) * 2) for message in found)


def spans_in(payload: bytes) -> list[SpanMessage]:
    """The spans of one request."""
    blocks = ExportTraceServiceRequest.FromString(payload).resource_spans
    return [span for block in blocks for scope in block.scope_spans for span in scope.spans]
