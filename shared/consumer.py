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
from redis.exceptions import RedisError

from shared.connections import Connection
from shared.contracts.events import Stream
from shared.errors import Unavailable
from shared.metrics import Histogram
from shared.postgres import Database
from shared.streams import entries_read
from shared.valkey import Valkey

log = structlog.get_logger()

CHUNK = 500
"""Events in one transaction."""

ENTRIES = 32
"""Entries that are read at once."""

BLOCK_MS = 1000
GATHER_S = 0.05
"""How long events gather after a batch, unless somebody waits for one. Each batch costs half a dozen round trips:
without the pause six consumers would spend the machine on batches of two, and the orders would wait for it."""

PAUSE_PER_WORK = 7.0
GATHER_TIMES_MAX = 4
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
    """Follows one stream for one service. ``run`` is to be kept running next to the service.

    ``valkey`` is this consumer's own: its reads block.
    """

    def __init__(
        self,
        database: Database,
        valkey: Valkey,
        stream: Stream,
        service: str,
        handle: Handler,
        gather_s: float = GATHER_S,
    ) -> None:
        self._gather_s = gather_s
        self._seconds = EVENT_SECONDS.labels(stream.name)
        self._events = EVENTS.labels(stream.name)
        self._database = database
        self._valkey = valkey
        self._stream = stream
        self._service = service
        self._handle = handle
        self._decode = msgspec.json.Decoder(list[stream.event]).decode  # type: ignore[name-defined]
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
        name = self._stream.name
        answer = await self._valkey.call("XREAD", "COUNT", ENTRIES, "BLOCK", BLOCK_MS, "STREAMS", name, after)
        started_s = time.monotonic()
        await self._report()
        entries = entries_read(answer)
        if not entries:
            return
        events = self._following(entries)
        if not events:
            log.info("events are missing", stream=self._stream.name, after=self.position, found=entries[0][0])
            await self._valkey.call("HSET", self._stream.rewind_key, self._service, self.position)
            await asyncio.sleep(RETRY_S)
            return
        for begin in range(0, len(events), CHUNK):
            await self._apply(events[begin : begin + CHUNK])
        if len(entries) < ENTRIES:
            await self._gather(time.monotonic() - started_s)

    def _following(self, entries: Sequence[tuple[int, bytes]]) -> list[Any]:
        """The events after the position, up to a gap. What has taken effect is passed over: entries may overlap."""
        events: list[Any] = []
        position = self.position
        for last, payload in entries:
            told = self._decode(payload)
            known = position - (last - len(told))
            if known < 0 or not told:
                break
            events += told[known:] if known else told
            position = last
        return events

    async def _apply(self, events: Sequence[Any]) -> None:
        name, last = self._stream.name, self.position + len(events)
        started = time.perf_counter()
        # Moved first, and in one trip with the BEGIN: whoever else follows for this service waits here, then gives up.
        move = f"UPDATE positions SET seq = {last} WHERE stream = '{name}' AND seq = {self.position}"  # noqa: S608
        async with self._database.transaction(durable=False, guard=move) as connection:
            publish = await self._handle(connection, events)
        self._seconds.observe(time.perf_counter() - started, getattr(events[0], "traceparent", ""))
        self._events.inc(len(events))
        self.position = last
        self._unsafe.append((time.monotonic(), last))
        self._tell()
        if publish is not None:
            await publish()

    async def _gather(self, took_s: float) -> None:
        """Pauses, so that the next batch is worth its cost. A first event after a while is never kept waiting.

        The busier the machine, the longer a batch takes and the longer the pause, within bounds: so the followers stay
        out of the way of the orders.
        """
        self._gathered.clear()
        if self._waiting:
            return
        pause_s = min(max(PAUSE_PER_WORK * took_s, self._gather_s), GATHER_TIMES_MAX * self._gather_s)
        ring = asyncio.get_running_loop().call_later(pause_s, self._gathered.set)
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
            await self._valkey.call("HSET", self._stream.positions_key, self._service, self._safe)
