"""What all nine services have in common: one ``Service`` carries its connections, operations, streams and health.

A service's ``app.py`` makes one, registers what it serves, follows and publishes, and gives back ``service.app``.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog
from fastapi import FastAPI, Request, Response
from opentelemetry.trace import Span
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.auth import ServiceCredentials
from shared.batching import Clients
from shared.consumer import Consumer, Handler
from shared.contracts.events import Stream
from shared.contracts.operations import A, I, Operation, Refused
from shared.errors import Problem, Unavailable
from shared.logs import setup_logs
from shared.openapi import describe
from shared.outbox import Outbox
from shared.postgres import Database, migrate
from shared.settings import DEFAULT_PORTS, ServiceSettings
from shared.tracing import instrument_fastapi, item_spans, setup_tracing, shutdown_tracing
from shared.web import install_problems, json_response

log = structlog.get_logger()

Serve = Callable[[Sequence[I], Sequence[Span]], Awaitable[Sequence[A | Refused]]]
Attributes = Callable[[I], Mapping[str, Any]]

CALLS = Counter("outcry_calls_total", "Items of internal calls by outcome", ["operation", "outcome"])
CALL_SECONDS = Histogram("outcry_call_seconds", "Time to serve one batch", ["operation"])
BATCH_ITEMS = Histogram(
    "outcry_batch_items", "Items in a batch", ["operation"], buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256)
)
POSITION = Gauge("outcry_stream_position", "Last event that has taken effect here", ["stream"])


class Service:
    """One service: its FastAPI app and everything that lives and dies with it."""

    def __init__(self, name: str, settings: ServiceSettings, migrations: Path | None = None) -> None:
        setup_logs(name)
        setup_tracing(name)
        self.name = name
        self.settings = settings
        self.schema = name.replace("-", "_")
        self.database = Database(settings.database_url.get_secret_value(), self.schema, settings.database_pool_max)
        self.redis: Redis = Redis.from_url(
            settings.redis_url.get_secret_value(), socket_connect_timeout=2, health_check_interval=0
        )
        self.clients = Clients(settings.service_secret.get_secret_value(), settings.url_of)
        self.consumers: list[Consumer] = []
        self._credentials = ServiceCredentials(settings.service_keys)
        self._migrations = migrations
        self._outboxes: list[Outbox] = []
        self._starts: list[Callable[[], Awaitable[None]]] = []
        self._loops: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._checks: dict[str, Callable[[], Awaitable[Any]]] = {}
        self.app = FastAPI(title=f"Outcry {name}", lifespan=self._lifespan)
        install_problems(self.app)
        instrument_fastapi(self.app)
        self._add_health()

    # What a service says of itself, in its app.py

    def serve(
        self,
        operation: Operation[I, A],
        handle: Serve[I, A],
        attributes: Attributes[I] | None = None,
        fresh: Consumer | None = None,
    ) -> None:
        """Serves an operation. ``handle`` gets the whole batch and one open span per item.

        ``fresh``: items name an event in ``position``; the answer waits until this consumer has it.
        """
        assert operation.service == self.name, f"{operation.name} belongs to {operation.service}"
        endpoint = _Endpoint(self._credentials, operation, handle, attributes, fresh)
        self.app.add_api_route(operation.path, endpoint, methods=["POST"], name=operation.name, tags=["internal"])
        describe(self.app, operation.path, list[operation.item], list[operation.answer | Refused])  # type: ignore[name-defined]

    def follow(self, stream: Stream, handle: Handler) -> Consumer:
        """Follows a stream for as long as the service runs."""
        assert self.name in stream.consumers, f"{self.name} is no consumer of {stream.name}"
        consumer = Consumer(self.database, self.redis, stream, self.name, handle)
        self.consumers.append(consumer)
        return consumer

    def publish(self, stream: Stream) -> Outbox:
        """The outbox of a stream that this service publishes; its relay runs as long as the service."""
        assert self.name == stream.publisher, f"{self.name} does not publish {stream.name}"
        outbox = Outbox(self.database, self.redis, stream)
        self._outboxes.append(outbox)
        return outbox

    def at_start(self, start: Callable[[], Awaitable[None]]) -> None:
        """Runs once connections are open, before streams are followed and requests are taken."""
        self._starts.append(start)

    def keep_running(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Runs beside the service until it stops."""
        self._loops.append(loop)

    def check(self, name: str, probe: Callable[[], Awaitable[Any]]) -> None:
        """Adds to what ``/ready`` asks. A probe that raises makes the service not ready."""
        self._checks[name] = probe

    # Its life

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(shutdown_tracing)
            stack.push_async_callback(self.redis.aclose)
            if self._migrations is not None:
                await _patiently(self.database.connect)
                stack.push_async_callback(self.database.close)
                await migrate(self.database, self._migrations)
                self._checks.setdefault("database", self.database.ping)
            self._checks.setdefault("redis", self.redis.ping)
            await self.clients.open()
            stack.push_async_callback(self.clients.close)
            for start in self._starts:
                await _patiently(start)
            for consumer in self.consumers:
                await consumer.start()
            loops = [outbox.run for outbox in self._outboxes] + [consumer.run for consumer in self.consumers]
            loops += self._loops
            tasks = [asyncio.create_task(loop()) for loop in loops]
            for task in tasks:
                task.add_done_callback(_shout)
            stack.push_async_callback(_stop, tasks)
            log.info("ready")
            yield

    def _add_health(self) -> None:
        @self.app.get("/health", tags=["health"])
        async def health() -> dict[str, str]:
            """The process is alive."""
            return {"status": "ok", "service": self.name}

        @self.app.get("/ready", tags=["health"])
        async def ready() -> Response:
            """The service can do its work: what it depends on answers, and its streams get on."""
            found = {name: await _probe(probe) for name, probe in self._checks.items()}
            found |= {f"stream {c.stream.name}": c.error or "ok" for c in self.consumers}
            fine = all(state == "ok" for state in found.values())
            return json_response({"ready": fine, "checks": found}, 200 if fine else 503)

        @self.app.get("/metrics", tags=["health"])
        async def metrics() -> Response:
            """Figures for Prometheus."""
            for consumer in self.consumers:
                POSITION.labels(consumer.stream.name).set(consumer.position)
            return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


class _Endpoint:
    """The HTTP face of one operation: who calls, what they say, one span per item, the answers."""

    def __init__(
        self,
        credentials: ServiceCredentials,
        operation: Operation[Any, Any],
        handle: Serve[Any, Any],
        attributes: Attributes[Any] | None,
        fresh: Consumer | None,
    ) -> None:
        self._credentials = credentials
        self._operation = operation
        self._handle = handle
        self._attributes = attributes
        self._fresh = fresh
        self._decode = msgspec.json.Decoder(list[operation.item]).decode  # type: ignore[name-defined]
        self._seconds = CALL_SECONDS.labels(operation.name)
        self._items = BATCH_ITEMS.labels(operation.name)
        self._ok = CALLS.labels(operation.name, "ok")
        self._refused = CALLS.labels(operation.name, "refused")

    async def __call__(self, request: Request) -> Response:
        operation = self._operation
        caller = self._credentials.caller(request.headers.get("authorization", ""))
        if caller is None:
            raise Problem(401, "service_credential_required", "Only the exchange's own services are served here.")
        if caller not in operation.callers:
            raise Problem(403, "caller_not_allowed", f"{caller} may not call {operation.name}.")
        try:
            items = self._decode(await request.body())
        except msgspec.DecodeError as error:
            raise Problem(400, "invalid_items", f"Send a JSON list of {operation.item.__name__}: {error}") from error
        started = time.perf_counter()
        answers = await self._answer(items) if items else []
        self._seconds.observe(time.perf_counter() - started)
        self._items.observe(len(items))
        refused = sum(1 for answer in answers if type(answer) is Refused)
        self._refused.inc(refused)
        self._ok.inc(len(answers) - refused)
        return json_response(answers)

    async def _answer(self, items: Sequence[Any]) -> Sequence[Any]:
        """All at once; where that fails, but for an outage, one by one, so that a bad item fails alone."""
        try:
            return await self._once(items)
        except Unavailable:
            raise
        except Exception:
            if len(items) == 1:
                raise
            log.exception("batch failed, trying its items one by one", operation=self._operation.name)
        answers: list[Any] = []
        for item in items:
            try:
                answers += await self._once([item])
            except Unavailable:
                raise
            except Exception:
                log.exception("item failed", operation=self._operation.name)
                answers.append(Refused(code="internal_error", detail="Something went wrong on our side."))
        return answers

    async def _once(self, items: Sequence[Any]) -> Sequence[Any]:
        if self._fresh is not None:
            await self._fresh.reached(max(item.position for item in items))
        if not self._operation.traced:
            answers: Sequence[Any] = await self._handle(items, ())
            return answers
        described = [self._attributes(item) for item in items] if self._attributes else None
        traceparents = [item.traceparent for item in items]
        with item_spans(self._operation.name, traceparents, attributes=described) as spans:
            answers = await self._handle(items, spans)
            for span, answer in zip(spans, answers, strict=True):
                if type(answer) is Refused:
                    span.set_attribute("refusal.code", answer.code)
        return answers


async def _patiently(step: Callable[[], Awaitable[Any]], limit_s: float = 30.0) -> None:
    """Runs a step of the start, again while what it needs starts itself. Raises its error after ``limit_s``."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            await step()
            return
        except (OSError, Unavailable, RedisError) as error:
            if time.monotonic() > deadline:
                raise
            log.info("waiting to start", error=str(error))
            await asyncio.sleep(0.1)


async def _probe(probe: Callable[[], Awaitable[Any]]) -> str:
    try:
        await asyncio.wait_for(probe(), 2)
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return "ok"


async def _stop(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Ends the loops. Asks more than once: ``wait_for`` can swallow a cancellation in Python 3.11."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.5)


def _shout(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a loop of the service ended", exc_info=error)


def run(name: str, create_app: Callable[[], FastAPI], settings: ServiceSettings) -> None:
    """Serves until SIGTERM or SIGINT, then lets requests that are under way end. Does not return before that."""
    import uvicorn

    uvicorn.run(
        create_app(),
        host=settings.host,
        port=settings.port or DEFAULT_PORTS[name],
        loop="uvloop",
        http="httptools",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
