"""OpenTelemetry's own instrumentations, unchanged, on our recorder and against real servers."""

import logging
from collections.abc import Callable, Iterator

import asyncpg
import httpx
import pytest
import redis
import requests
import sqlalchemy
from opentelemetry import trace
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.logging import LoggingInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

from shared.tracing.provider import TracerProvider
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
    instrumentor = AsyncPGInstrumentor()  # type: ignore[no-untyped-call]
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
    instrumentor = RedisInstrumentor()
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
    instrumentor = RequestsInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        assert requests.post(receiver.endpoint, data=b"", timeout=5).status_code == 200
    finally:
        instrumentor.uninstrument()
    (span,) = ended_messages(provider)
    assert receiver.headers[0]["traceparent"][3:52] == f"{span.trace_id.hex()}-{span.span_id.hex()}"


async def test_httpx(provider: TracerProvider, receiver: OtlpReceiver) -> None:
    """A request of an asynchronous client is a client span inside the current one, and the server is sent its ids."""
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        async with httpx.AsyncClient() as client:
            with provider.get_tracer("test").start_as_current_span("outer") as outer:
                assert (await client.post(receiver.endpoint, content=b"")).status_code == 200
    finally:
        instrumentor.uninstrument()
    span = next(one for one in ended_messages(provider) if one.name != "outer")
    assert span.parent_span_id.hex() == f"{outer.get_span_context().span_id:016x}"
    assert receiver.headers[0]["traceparent"][3:52] == f"{span.trace_id.hex()}-{span.span_id.hex()}"


def test_sqlalchemy(provider: TracerProvider) -> None:
    """A statement is a client span with its text, and one that fails carries the error."""
    engine = sqlalchemy.create_engine("sqlite://")
    instrumentor = SQLAlchemyInstrumentor()
    instrumentor.instrument(engine=engine, tracer_provider=provider)
    try:
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text("SELECT 40 + 2")).scalar() == 42
            with pytest.raises(sqlalchemy.exc.OperationalError):
                connection.execute(sqlalchemy.text("SELECT * FROM nothing"))
    finally:
        instrumentor.uninstrument()
        engine.dispose()
    good, bad = [span for span in ended_messages(provider) if span.name.startswith("SELECT")]
    assert "SELECT 40 + 2" in attributes_of(good).values()
    assert (good.status.code, bad.status.code) == (0, 2)


def test_logging(provider: TracerProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Log records made inside a span carry its ids."""
    instrumentor = LoggingInstrumentor()
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
