"""Events in: a stream followed from a position that is stored in the same transaction as what the events brought.

So each event takes effect once, however often it arrives. Readers who were told about an event can wait for it here.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec
import structlog
from prometheus_client import Counter
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.contracts.events import Stream
from shared.errors import Unavailable
from shared.metrics import Histogram
from shared.outbox import FIELD, positions_key, rewind_key
from shared.postgres import Connection, Database

log = structlog.get_logger()

CHUNK = 500
BLOCK_MS = 1000
GATHER_S = 0.05
"""How long events gather after a batch, unless somebody waits for one. Each batch costs half a dozen round trips:
without the pause six consumers would spend the machine on batches of two, and the orders would wait for it."""

RETRY_S = 0.3
REPORT_S = 1.0
SAFE_AFTER_S = 3.0
"""A relaxed commit is on disk well before this (three times PostgreSQL's wal_writer_delay of 200 ms)."""

EVENTS = Counter("outcry_events_total", "Events that took effect", ["stream"])
EVENT_SECONDS = Histogram("outcry_event_batch_seconds", "Time in which a batch of events took effect", ["stream"])

AfterCommit = Callable[[], Awaitable[None]]


class Handler(Protocol):
    """Applies events, in order, in the transaction of ``connection``. What it returns runs once that has committed."""

    async def __call__(self, connection: Connection, events: Sequence[Any], /) -> AfterCommit | None: ...


class Consumer:
    """Follows one stream for one service. ``run`` is to be kept running next to the service."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        stream: Stream,
        service: str,
        handle: Handler,
        gather_s: float = GATHER_S,
    ) -> None:
        self._gather_s = gather_s
        self._seconds = EVENT_SECONDS.labels(stream.name)
        self._events = EVENTS.labels(stream.name)
        self._database = database
        self._redis = redis
        self._stream = stream
        self._service = service
        self._handle = handle
        self._decode = msgspec.json.Decoder(stream.event).decode
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._gathered = asyncio.Event()
        self._unsafe: deque[tuple[float, int]] = deque()
        self._safe = -1
        self._report_due_s = 0.0
        self._position_known = False
        self.position = 0
        """The last event that has taken effect here."""
        self.error = ""
        """Why it does not get on, empty while it does."""

    @property
    def stream(self) -> Stream:
        return self._stream

    async def start(self) -> None:
        """Reads the stored position. Call before ``run`` and before anything is asked about it."""
        async with self._database.connection() as connection:
            await connection.execute("INSERT INTO positions VALUES ($1, 0) ON CONFLICT DO NOTHING", self._stream.name)
            stored = await connection.fetchval("SELECT seq FROM positions WHERE stream = $1", self._stream.name)
        self.position = int(stored)
        self._position_known = True
        self._unsafe = deque([(time.monotonic(), self.position)])

    async def reached(self, position: int, timeout_s: float = 2.0) -> None:
        """Returns once the event ``position`` has taken effect. Raises Unavailable if that takes too long."""
        if position <= self.position:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((position, future))
        self._gathered.set()
        try:
            await asyncio.wait_for(future, timeout_s)
        except TimeoutError as error:
            raise Unavailable(self._service, "it has not caught up with your last change") from error

    async def run(self) -> None:
        """Follows for ever. Outages are waited out; an event that can't be applied holds everything up, and says so.

        To skip it would leave money wrong in silence.
        """
        while True:
            try:
                if not self._position_known:
                    await self.start()
                await self._step()
                self.error = ""
            except (RedisError, OSError, Unavailable) as error:
                # A commit may have happened although its answer was lost, or be lost although it was answered.
                self._position_known = False
                self.error = str(error)
                log.warning("consumer waits", stream=self._stream.name, error=self.error)
                await asyncio.sleep(RETRY_S)
            except Exception as error:
                self.error = f"{type(error).__name__}: {error}"
                log.exception("event can't be applied", stream=self._stream.name, after=self.position)
                await asyncio.sleep(RETRY_S * 5)

    async def _step(self) -> None:
        after = f"{self.position}-0"
        # As a raw command: the library's own method costs more than the rest of the reading.
        answer = await self._redis.execute_command(  # type: ignore[no-untyped-call]
            "XREAD", "COUNT", CHUNK, "BLOCK", BLOCK_MS, "STREAMS", self._stream.name, after
        )
        await self._report()
        entries = _entries(answer)
        if not entries:
            return
        if entries[0][0] != self.position + 1:
            log.info("events are missing", stream=self._stream.name, after=self.position, found=entries[0][0])
            await self._redis.hset(rewind_key(self._stream), self._service, str(self.position))
            await asyncio.sleep(RETRY_S)
            return
        events = [self._decode(payload) for _, payload in entries]
        last = entries[-1][0]
        started = time.perf_counter()
        async with self._database.transaction(durable=False) as connection:
            publish = await self._handle(connection, events)
            moved = await connection.execute(
                "UPDATE positions SET seq = $2 WHERE stream = $1 AND seq = $3", self._stream.name, last, self.position
            )
            if moved != "UPDATE 1":
                raise Unavailable(self._service, "its position is another than it thought")
        self._seconds.observe(time.perf_counter() - started, getattr(events[0], "traceparent", ""))
        self._events.inc(len(events))
        self.position = last
        self._unsafe.append((time.monotonic(), last))
        self._tell()
        if publish is not None:
            await publish()
        if len(events) < CHUNK:
            await self._gather()

    async def _gather(self) -> None:
        """Pauses, so that the next batch is worth its cost. A first event after a while is never kept waiting."""
        self._gathered.clear()
        if self._waiting:
            return
        ring = asyncio.get_running_loop().call_later(self._gather_s, self._gathered.set)
        try:
            await self._gathered.wait()
        finally:
            ring.cancel()

    def _tell(self) -> None:
        still = []
        for position, future in self._waiting:
            if position > self.position:
                still.append((position, future))
            elif not future.done():
                future.set_result(None)
        self._waiting = [(position, future) for position, future in still if not future.done()]

    async def _report(self) -> None:
        """Tells the publisher, once a second, what is surely on disk here, so that it may forget it.

        A database that crashed may have lost relaxed commits, so it is asked whether it still has what it had.
        """
        now = time.monotonic()
        if now < self._report_due_s:
            return
        self._report_due_s = now + REPORT_S
        async with self._database.connection() as connection:
            stored = await connection.fetchval("SELECT seq FROM positions WHERE stream = $1", self._stream.name)
        if stored < self.position:
            raise Unavailable(self._service, "its database lost the last events; they are applied again")
        while self._unsafe and self._unsafe[0][0] < now - SAFE_AFTER_S:
            self._safe = self._unsafe.popleft()[1]
        if self._safe >= 0:
            await self._redis.hset(positions_key(self._stream), self._service, str(self._safe))


def _entries(answer: Any) -> list[tuple[int, bytes]]:
    """What XREAD gave for its one stream, as (sequence number, payload). Both shapes of the protocol, RESP2 and 3."""
    if not answer:
        return []
    if isinstance(answer, dict):
        chunks = next(iter(answer.values()))
        rows = chunks[0] if chunks and isinstance(chunks[0], list) else chunks
    else:
        rows = answer[0][1]
    return [(int(entry_id.split(b"-")[0]), fields[FIELD]) for entry_id, fields in rows]
