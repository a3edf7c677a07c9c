"""Runs one service inside a test: the real app behind a real port, called as its peers call it, its spans kept.

    async with running(create_app, service_settings(Settings, database_url(USERS), redis_url)) as service:
        answer = await service.call(REGISTER, Registration(...))

Events come in as their publisher would send them (`service.send`); `service.reached` waits until they have effect.
"""

import asyncio
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar

import aiohttp
import msgspec
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from redis.asyncio import Redis

from shared.batching import Clients
from shared.contracts.events import Stream
from shared.contracts.operations import GATEWAY, SERVICES, A, I, Operation, Refused
from shared.server import http_protocol
from shared.settings import ServiceSettings
from shared.streams import FIELD, entries_of

WAIT_S = 10.0
"""How long a test waits for what must happen, on a busy machine."""

SECRETS = {name: secrets.token_urlsafe(16) for name in SERVICES}

S = TypeVar("S", bound=ServiceSettings)
C = TypeVar("C", bound=ServiceSettings)


def service_settings(kind: type[S], database_url: str, redis_url: str, **more: Any) -> S:
    """A service's settings as the launcher would give them, with credentials for all nine services."""
    keys = {name: hashlib.sha256(secret.encode()).hexdigest() for name, secret in SECRETS.items()}
    return kind(database_url=database_url, redis_url=redis_url, service_keys=keys, **more)


def new_traceparent() -> str:
    """The W3C context of a fresh, sampled request."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


class Spans:
    """The spans that ended so far."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def of_trace(self, traceparent: str) -> list[ReadableSpan]:
        """All spans of the trace, in order of their end."""
        trace_id = int(traceparent.split("-")[1], 16)
        return [span for span in self._exporter.get_finished_spans() if span.context.trace_id == trace_id]

    def tree(self, traceparent: str) -> dict[str, Any]:
        """The names below the span that ``traceparent`` names: name -> names below it. Equal siblings count once."""
        spans = self.of_trace(traceparent)

        def below(span_id: int) -> dict[str, Any]:
            children = [span for span in spans if span.parent is not None and span.parent.span_id == span_id]
            return {span.name: below(span.context.span_id) for span in children}

        return below(int(traceparent.split("-")[2], 16))

    def everything(self) -> str:
        """All that any span holds, as one text to search for what must not be there."""
        return "\n".join(span.to_json() for span in self._exporter.get_finished_spans())


@contextmanager
def recorded_spans() -> Iterator[Spans]:
    """Puts the reference SDK behind the OpenTelemetry API for a while, as an application that brings its own may."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    try:
        yield Spans(exporter)
    finally:
        trace._TRACER_PROVIDER = before


class RunningService:
    """A started service: how to call it, send it events and see what it recorded."""

    def __init__(self, url: str, spans: Spans, redis: Redis) -> None:
        self.url = url
        self.spans = spans
        self.redis = redis
        self._clients: dict[str, Clients] = {}

    async def call(self, operation: Operation[I, A], item: I, caller: str = GATEWAY) -> A | Refused:
        """One item of an internal call, with the credential of ``caller``."""
        if caller not in self._clients:
            self._clients[caller] = Clients(SECRETS[caller], lambda _service: self.url)
        return await self._clients[caller].call(operation, item)

    async def calls(self, operation: Operation[I, A], items: Sequence[I]) -> list[A | Refused]:
        """Several items at once, answered in their order. They travel in one batch or two."""

        async def one(item: I) -> A | Refused:
            answer: A | Refused = await self.call(operation, item)
            return answer

        return list(await asyncio.gather(*map(one, items)))

    async def answer(self, operation: Operation[I, A], item: I) -> A:
        """Like ``call`` where the test means to be served: a refusal fails it."""
        answer = await self.call(operation, item)
        assert not isinstance(answer, Refused), answer
        return answer

    async def send(self, stream: Stream, events: Sequence[msgspec.Struct], after: int = 0) -> None:
        """Publishes events with the numbers that follow ``after``, as the outbox of the stream's publisher does."""
        for last, payload in entries_of(after + 1, [msgspec.json.encode(event) for event in events]):
            await self.redis.xadd(stream.name, {FIELD: payload}, id=f"{last}-0")

    async def reached(self, stream: Stream, seq: int) -> None:
        """Returns once the service says in its metrics that event ``seq`` has taken effect."""
        line = f'outcry_stream_position{{stream="{stream.name}"}} '
        async with asyncio.timeout(WAIT_S):
            while True:
                found = [text for text in (await self.get("/metrics")).splitlines() if text.startswith(line)]
                if found and float(found[0].removeprefix(line)) >= seq:
                    return
                await asyncio.sleep(0.01)

    async def get(self, path: str) -> str:
        """The body of a plain GET."""
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as response:
            return await response.text()

    async def close(self) -> None:
        for clients in self._clients.values():
            clients.close()


@asynccontextmanager
async def running(create_app: Callable[[C], FastAPI], settings: C) -> AsyncIterator[RunningService]:
    """Starts a service on a free port, and stops it as SIGTERM would."""
    with recorded_spans() as spans, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = create_app(settings)
        protocol = http_protocol(app)
        config = uvicorn.Config(app, http=protocol, log_config=None, access_log=False, timeout_graceful_shutdown=3)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([listener]))
        redis: Redis = Redis.from_url(settings.redis_url.get_secret_value())
        service = RunningService(url, spans, redis)
        try:
            async with asyncio.timeout(WAIT_S):
                while not server.started:
                    assert not serving.done(), f"the service did not start: {serving.exception()}"
                    await asyncio.sleep(0.01)
            yield service
        finally:
            await service.close()
            await redis.aclose()
            server.should_exit = True
            await serving
