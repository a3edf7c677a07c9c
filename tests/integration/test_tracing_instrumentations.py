"""OpenTelemetry's own instrumentations, unchanged, on our recorder and against real servers.

They pin an older release of the SDK than the one tested beside ours, so they are no fixed test dependency: where one is
not installed, its test is left out.
"""

import logging
from collections.abc import Callable, Iterator

import asyncpg
import pytest
import redis
from opentelemetry import trace

from shared.tracing.recorder import TracerProvider
from tests.tracing_kit import OtlpReceiver, attributes_of, ended_messages, make_provider


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """A fresh provider, global for the test."""
    made = make_provider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Something that answers HTTP."""
    running = OtlpReceiver()
    yield running
    running.stop()


async def test_asyncpg(provider: TracerProvider, database_url: Callable[[str], str]) -> None:
    """A query made inside a span is its child, with the statement's attributes."""
    module = pytest.importorskip("opentelemetry.instrumentation.asyncpg")
    instrumentor = module.AsyncPGInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        connection = await asyncpg.connect(database_url("wallet-service"))
        with provider.get_tracer("test").start_as_current_span("outer"):
            assert await connection.fetchval("SELECT 1 + 1") == 2
        await connection.close()
    finally:
        instrumentor.uninstrument()
    outer = next(span for span in ended_messages(provider) if span.name == "outer")
    children = [span for span in ended_messages(provider) if span.parent_span_id == outer.span_id]
    assert [span.trace_id for span in children] == [outer.trace_id]
    assert "SELECT 1 + 1" in attributes_of(children[0]).values()


def test_redis(provider: TracerProvider, redis_url: str) -> None:
    """A command is a client span that names the database, and a refused one carries its error."""
    module = pytest.importorskip("opentelemetry.instrumentation.redis")
    instrumentor = module.RedisInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        with redis.Redis.from_url(redis_url) as client:
            client.ping()
            with pytest.raises(redis.ResponseError):
                client.execute_command("NO SUCH COMMAND")
    finally:
        instrumentor.uninstrument()
    spans = {span.name.split()[0]: span for span in ended_messages(provider)}
    assert spans["PING"].status.code == 0
    assert spans["NO"].status.code == 2
    assert [event.name for event in spans["NO"].events] == ["exception"]


def test_requests(provider: TracerProvider, receiver: OtlpReceiver) -> None:
    """An outgoing request is a client span, and the server is sent its traceparent."""
    module = pytest.importorskip("opentelemetry.instrumentation.requests")
    requests = pytest.importorskip("requests")
    instrumentor = module.RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        assert requests.post(receiver.endpoint, data=b"", timeout=5).status_code == 200
    finally:
        instrumentor.uninstrument()
    (span,) = ended_messages(provider)
    assert receiver.headers[0]["traceparent"][3:52] == f"{span.trace_id.hex()}-{span.span_id.hex()}"


def test_logging(provider: TracerProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Log records made inside a span carry its ids."""
    module = pytest.importorskip("opentelemetry.instrumentation.logging")
    instrumentor = module.LoggingInstrumentor()
    instrumentor.instrument(tracer_provider=provider, inject_trace_context=True)
    try:
        with provider.get_tracer("test").start_as_current_span("outer") as span:
            logging.getLogger("tested").warning("something happened")
    finally:
        instrumentor.uninstrument()
    record = vars(next(one for one in caplog.records if one.name == "tested"))
    assert record["otelSpanID"] == f"{span.get_span_context().span_id:016x}"
    assert record["otelTraceSampled"] is True
    assert record["otelServiceName"] == "tested"
