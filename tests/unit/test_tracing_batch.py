"""Spans for batched work, on our own recorder and on the reference SDK."""

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from shared.tracing import item_spans, statement_spans, traceparent_of
from tests.tracing_kit import ended_spans, make_provider

ONE = "00-" + "1" * 32 + "-" + "a" * 16 + "-01"
TWO = "00-" + "2" * 32 + "-" + "b" * 16 + "-01"


class Backend:
    """Ended spans of whichever provider is global in a test."""

    def __init__(self, provider: Any, exporter: InMemorySpanExporter | None) -> None:
        self.provider = provider
        self.exporter = exporter

    def ended(self) -> list[Any]:
        """The spans that have ended, in that order."""
        return list(self.exporter.get_finished_spans()) if self.exporter else ended_spans(self.provider)


@pytest.fixture(params=["ours", "reference SDK"])
def backend(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Backend:
    """A fresh global provider: ours, then the reference SDK's."""
    if request.param == "ours":
        made = Backend(make_provider(), None)
    else:
        exporter = InMemorySpanExporter()
        provider = SdkProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        made = Backend(provider, exporter)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.provider)
    return made


def test_each_item_is_a_child_of_its_own_trace(backend: Backend) -> None:
    """A batch of calls from two traces leaves one server span in each, under its caller, with the batch's size."""
    with item_spans("create_order", [ONE, TWO], attributes=[{"order.id": "1"}, {"order.id": "2"}], links=[None, ONE]):
        pass
    first, second = backend.ended()
    assert traceparent_of(first)[3:35] == "1" * 32
    assert second.parent.span_id == int("b" * 16, 16)
    assert [dict(span.attributes) for span in (first, second)] == [
        {"order.id": "1", "batch.size": 2},
        {"order.id": "2", "batch.size": 2},
    ]
    assert first.kind is SpanKind.SERVER
    assert [len(span.links) for span in (first, second)] == [0, 1]
    assert second.links[0].context.trace_id == int("1" * 32, 16)


def test_a_lone_item_has_no_batch_size(backend: Backend) -> None:
    """A batch of one looks like a plain call."""
    with item_spans("create_order", [ONE]):
        pass
    assert "batch.size" not in backend.ended()[0].attributes


def test_an_item_without_a_trace_starts_one(backend: Backend) -> None:
    """An empty traceparent makes a root span."""
    with item_spans("create_order", [""]):
        pass
    assert backend.ended()[0].parent is None


def test_an_exception_marks_every_item(backend: Backend) -> None:
    """A failed batch is an error in each of its traces, and the caller gets the exception."""
    with pytest.raises(LookupError), item_spans("create_order", [ONE, TWO]):
        raise LookupError("gone")
    assert [span.attributes["error.type"] for span in backend.ended()] == ["LookupError", "LookupError"]
    assert all(span.status.status_code is trace.StatusCode.ERROR for span in backend.ended())


def test_an_item_can_end_early(backend: Backend) -> None:
    """A span that was ended inside the block keeps that end and is recorded once."""
    with item_spans("create_order", [ONE, TWO]) as spans:
        spans[0].end()
    assert len(backend.ended()) == 2


def test_lengths_must_agree(backend: Backend) -> None:
    """Attributes or links of another length than the batch are refused at once."""
    with pytest.raises(ValueError, match="attribute"), item_spans("a", [ONE], attributes=[]):
        pass
    with pytest.raises(ValueError, match="links"), item_spans("a", [ONE], links=[None, None]):
        pass


def test_one_statement_is_recorded_in_every_trace_it_served(backend: Backend) -> None:
    """A statement for two items is a child of both, with the same times and the size of the batch."""
    with (
        item_spans("create_order", [ONE, TWO]) as items,
        statement_spans(items, "INSERT order", {"db.system.name": "postgresql"}),
    ):
        pass
    first, second = backend.ended()[:2]
    assert [span.parent.span_id for span in (first, second)] == [span.get_span_context().span_id for span in items]
    assert (first.start_time, first.end_time) == (second.start_time, second.end_time)
    assert dict(first.attributes) == {"db.system.name": "postgresql", "db.operation.batch.size": 2}
    assert first.kind is SpanKind.CLIENT


def test_messages_are_counted_as_messages(backend: Backend) -> None:
    """For a messaging system the size is `messaging.batch.message_count`; a lone item has neither."""
    with (
        item_spans("create_order", [ONE, TWO]) as items,
        statement_spans(items, "publish_event", {"messaging.system": "redis"}, kind=SpanKind.PRODUCER),
        statement_spans(items[:1], "publish_event", {"messaging.system": "redis"}),
    ):
        pass
    alone, first, _ = backend.ended()[:3]
    assert dict(alone.attributes) == {"messaging.system": "redis"}
    assert first.attributes["messaging.batch.message_count"] == 2


def test_a_failed_statement_is_an_error_in_every_trace(backend: Backend) -> None:
    """The exception marks the statement's span in each trace and goes on."""
    with (
        item_spans("create_order", [ONE, TWO]) as items,
        pytest.raises(OSError, match="down"),
        statement_spans(items, "INSERT order"),
    ):
        raise OSError("down")
    statements = [span for span in backend.ended() if span.name == "INSERT order"]
    assert [span.attributes["error.type"] for span in statements] == ["OSError", "OSError"]
