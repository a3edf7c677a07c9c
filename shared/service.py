"""What all nine services have in common: one ``Service`` carries its connections, operations, streams and health.

A service's ``app.py`` makes one, registers what it serves, follows and publishes, and gives back ``service.app``.
"""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import structlog
from fastapi import FastAPI, Request, Response
from prometheus_client import Gauge
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from shared.auth import ServiceCredentials
from shared.batching import Clients
from shared.consumer import GATHER_S, Consumer, Handler
from shared.contracts.events import Stream
from shared.contracts.operations import A, I, Operation
from shared.errors import Unavailable
from shared.internal import Endpoint, Serve, internal_route
from shared.logs import setup_logs
from shared.metrics import PROCESS, exposition
from shared.openapi import ASSETS, describe_operation, install_docs
from shared.outbox import Outbox
from shared.postgres import Database, migrate
from shared.server import direct_table, http_protocol
from shared.settings import DEFAULT_PORTS, ServiceSettings
from shared.trace_triggers import ValkeyTriggers
from shared.tracing import ItemAttributes, instrument_fastapi, setup_tracing, shutdown_tracing
from shared.tracing.asgi import EXCLUDED
from shared.valkey import Valkey
from shared.web import install_problems, json_response

log = structlog.get_logger()

GC_THRESHOLD = (20_000, 20, 50)
"""Requests leave no cycles behind, so the collector finds next to nothing; at Python's default of 700 it costs 6 %."""

SOCKET_MESSAGE_BYTES_MAX = 1024 * 1024
"""A larger message ends its connection; what is only larger than allowed is answered by the application."""

POSITION = Gauge("outcry_stream_position", "Last event that has taken effect here", ["stream"])
BACKLOG = Gauge("outcry_stream_backlog", "Published events that have not taken effect here yet", ["stream"])


class Service:
    """One service: its FastAPI app and everything that lives and dies with it."""

    def __init__(
        self, name: str, settings: ServiceSettings, migrations: Path | None = None, untraced: Sequence[str] = ()
    ) -> None:
        """``untraced``: paths beside those of health whose requests make no spans; "/x/" means all below it."""
        setup_logs(name)
        PROCESS.service = name
        # The paths to PostgreSQL and Valkey make their spans themselves.
        setup_tracing(name, ValkeyTriggers(settings.redis_url.get_secret_value()), instrument=False)
        self.name = name
        self.settings = settings
        self.schema = name.replace("-", "_")
        self.database = Database(settings.database_url.get_secret_value(), self.schema, settings.database_pool_max)
        self.redis: Redis = Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=2,
            health_check_interval=0,
            # A connection that broke meanwhile is found out by the next command, which need not fail for it.
            retry=Retry(NoBackoff(), 1),
        )
        self._valkeys: list[Valkey] = []
        self.valkey = self._own_valkey()
        """The same server for the hot paths."""
        self.clients = Clients(settings.service_secret.get_secret_value(), settings.url_of, settings.shards)
        self.consumers: list[Consumer] = []
        self.leads = True
        """Whether this process serves operations, or waits to take over from another one that does."""
        self._migrations = migrations
        self._outboxes: list[Outbox] = []
        self._starts: list[Callable[[], Awaitable[None]]] = []
        self._loops: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._checks: dict[str, Callable[[], Awaitable[Any]]] = {}
        self._measures: list[Callable[[], None]] = []
        self.app = FastAPI(title=f"Outcry {name}", docs_url=None, redoc_url=None, lifespan=self._lifespan)
        install_docs(self.app)
        install_problems(self.app)
        instrument_fastapi(self.app, (*EXCLUDED, f"{ASSETS}/", *untraced))
        self._credentials = ServiceCredentials(settings.service_keys)
        self._add_health()
        if settings.faults_file is not None:
            from shared.fault_provider import FaultFollower  # what breaks things is not even there unless asked for

            self.keep_running(FaultFollower(settings.faults_file).run)

    # What a service says of itself, in its app.py

    def serve(
        self,
        operation: Operation[I, A],
        handle: Serve[I, A],
        attributes: ItemAttributes | None = None,
        fresh: Consumer | None = None,
    ) -> None:
        """Serves an operation. ``handle`` gets the whole batch and one open span per item.

        ``fresh``: items name an event in ``position``; the answer waits until this consumer has it.
        """
        assert operation.service == self.name, f"{operation.name} belongs to {operation.service}"
        self._serve(operation, handle, attributes, fresh)

    def stand_in(self, operation: Operation[I, A], handle: Serve[I, A]) -> None:
        """Serves an operation of a service that is not there."""
        assert operation.service != self.name, f"{operation.name} is its own"
        self._serve(operation, handle, None, None)

    def _serve(
        self,
        operation: Operation[I, A],
        handle: Serve[I, A],
        attributes: ItemAttributes | None,
        fresh: Consumer | None,
    ) -> None:
        endpoint = Endpoint(operation, handle, attributes, fresh)
        direct_table(self.app).add(internal_route(endpoint, self._credentials, lambda: self.leads))
        describe_operation(self.app, operation)

    def follow(self, stream: Stream, handle: Handler, gather_s: float = GATHER_S) -> Consumer:
        """Follows a stream for as long as the service runs. ``gather_s``: how long events gather between batches."""
        assert self.name in stream.consumers, f"{self.name} is no consumer of {stream.name}"
        consumer = Consumer(self.database, self._own_valkey(), stream, self.name, handle, gather_s)
        self.consumers.append(consumer)
        return consumer

    def publish(self, stream: Stream, *, relay: bool = True) -> Outbox:
        """The outbox of a stream that this service publishes; its relay runs as long as the service.

        With ``relay=False`` the caller runs it: of a stream there may be one relay at a time.
        """
        assert self.name == stream.publisher, f"{self.name} does not publish {stream.name}"
        outbox = Outbox(self.database, self.valkey, stream)
        if relay:
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

    def measure(self, measure: Callable[[], None]) -> None:
        """Runs before figures are given out: for gauges that are cheaper to read now than to keep up to date."""
        self._measures.append(measure)

    def _own_valkey(self) -> Valkey:
        self._valkeys.append(Valkey(self.settings.redis_url.get_secret_value()))
        return self._valkeys[-1]

    # Its life

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(shutdown_tracing)
            stack.push_async_callback(self.redis.aclose)
            for valkey in self._valkeys:
                stack.callback(valkey.close)
            if self._migrations is not None:
                await _patiently(self.database.connect)
                stack.push_async_callback(self.database.close)
                await migrate(self.database, self._migrations)
                self._checks.setdefault("database", self.database.ping)
            self._checks.setdefault("redis", self.redis.ping)
            stack.callback(self.clients.close)
            for start in self._starts:
                await _patiently(start)
            for consumer in self.consumers:
                await consumer.start()
            loops = [outbox.run for outbox in self._outboxes] + [consumer.run for consumer in self.consumers]
            loops += self._loops
            tasks = [asyncio.create_task(loop()) for loop in loops]
            for task in tasks:
                task.add_done_callback(_shout)
            stack.push_async_callback(stop_tasks, tasks)
            # What was imported and set up lives as long as the process: no collection need look at it again.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLD)
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
        async def metrics(request: Request) -> Response:
            """Figures for Prometheus; as OpenMetrics, with traces as exemplars, for who accepts that."""
            for consumer in self.consumers:
                POSITION.labels(consumer.stream.name).set(consumer.position)
                newest = await _newest(self.redis, consumer.stream)
                if newest is not None:
                    BACKLOG.labels(consumer.stream.name).set(max(0, newest - consumer.position))
            for measure in self._measures:
                measure()
            body, content_type = exposition(request.headers.get("accept", ""))
            return Response(body, media_type=content_type)


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


async def _newest(redis: Redis, stream: Stream) -> int | None:
    """The last event that was published; None while nobody can tell."""
    try:
        info = await asyncio.wait_for(redis.xinfo_stream(stream.name), 1)
    except ResponseError:  # there is no such stream yet
        return 0
    except (RedisError, OSError, TimeoutError):
        return None
    return int(info["last-generated-id"].split(b"-")[0])


async def _probe(probe: Callable[[], Awaitable[Any]]) -> str:
    try:
        await asyncio.wait_for(probe(), 2)
    except Exception as error:  # whatever it is, it is the answer
        return f"{type(error).__name__}: {error}"
    return "ok"


async def stop_tasks(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    """Ends the loops. Asks more than once: ``wait_for`` can swallow a cancellation in Python 3.11."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.5)


def _shout(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("a loop of the service ended", exc_info=error)


def run(
    name: str,
    create_app: Callable[[], FastAPI],
    settings: ServiceSettings,
    sockets: type[asyncio.Protocol] | Literal["none"] = "none",
) -> None:
    """Serves until SIGTERM or SIGINT, then lets requests that are under way end. Does not return before that.

    ``sockets``: uvicorn's protocol for WebSockets, where there are any.
    """
    import uvicorn

    app = create_app()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port or DEFAULT_PORTS[name],
        loop="uvloop",
        http=http_protocol(app),
        ws=sockets,
        ws_max_size=SOCKET_MESSAGE_BYTES_MAX,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers="FORWARDED_ALLOW_IPS" in os.environ,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=3,
    )
