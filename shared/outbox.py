"""Events out: written with the state they tell of, then relayed to Valkey in order, as often as it takes.

The outbox table is the truth. An event's sequence number is gapless per stream and tells its place in Valkey, so
publishing it twice is harmless and losing Valkey costs nothing: the relay sees that the stream ends early, or a
consumer says from where it needs it again, and the relay goes back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from redis.exceptions import RedisError, ResponseError

from shared.connections import Connection
from shared.contracts.events import Stream
from shared.errors import Unavailable
from shared.postgres import Database, Statement
from shared.streams import FIELD, entries_of
from shared.tracing import ItemAttributes, item_spans
from shared.valkey import Command, Valkey, pairs

log = structlog.get_logger()

CHUNK = 500
STREAM_MAX = 200_000
"""Events that Valkey keeps at most. A consumer further behind asks for them again."""

KEPT_IN_MEMORY_MAX = 20_000
HOUSEKEEPING_S = 1.0
RETRY_S = 0.2

APPEND = Statement(
    "INSERT outbox",
    """WITH head AS (UPDATE outbox_head SET seq = seq + cardinality($1::bytea[]) RETURNING seq)
       INSERT INTO outbox (seq, payload)
       SELECT head.seq - cardinality($1::bytea[]) + event.number, event.payload
       FROM head, unnest($1::bytea[]) WITH ORDINALITY AS event (payload, number)
       RETURNING seq""",
)


class Outbox:
    """Writes the events of one stream and relays them. ``run`` is to be kept running next to the service."""

    def __init__(self, database: Database, valkey: Valkey, stream: Stream) -> None:
        self._database = database
        self._valkey = valkey
        self._stream = stream
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(stream.event).decode
        self._pending: deque[tuple[int, bytes, str]] = deque()
        self._published = 0
        self._unsure = True
        """There may be events in the table that are not in memory."""
        self._house_due_s = 0.0
        self._wake = asyncio.Event()
        self._tracer = trace.get_tracer("shared.outbox")
        self.attributes = ItemAttributes(
            {"messaging.message.id": ("0", "{}-0")},
            {
                "messaging.system": "redis",
                "messaging.operation.name": "publish_event",
                "messaging.operation.type": "send",
                "messaging.destination.name": stream.name,
                "peer.service": "redis",
            },
        )

    async def append(
        self, connection: Connection, spans: Sequence[Span], events: Sequence[msgspec.Struct]
    ) -> list[tuple[int, bytes, str]]:
        """Writes events in the caller's transaction. Hand the result to ``committed`` once that has committed.

        Other transactions that append to the stream wait until then: this is what keeps numbers gapless and in order.
        """
        entries = self.entries(0, events)
        rows = await APPEND.fetch(connection, spans, [payload for _, payload, _ in entries])
        first_seq = min(row["seq"] for row in rows)
        return [(first_seq + number, payload, traceparent) for number, payload, traceparent in entries]

    def entries(self, first_seq: int, events: Sequence[msgspec.Struct]) -> list[tuple[int, bytes, str]]:
        """Events as ``committed`` takes them, for a publisher that numbers and writes them itself."""
        return [
            (seq, self._encode(event), event.traceparent)  # type: ignore[attr-defined]
            for seq, event in enumerate(events, first_seq)
        ]

    def committed(self, entries: Sequence[tuple[int, bytes, str]]) -> None:
        """Relay these now. They are on disk already, so to forget them here would only cost a read."""
        if len(self._pending) < KEPT_IN_MEMORY_MAX:
            self._pending.extend(entries)
        else:
            self._unsure = True
        self._wake.set()

    def look(self) -> None:
        """Relay what is in the table: there is something that nobody handed to ``committed``."""
        self._unsure = True
        self._wake.set()

    async def run(self) -> None:
        """Relays for ever. Outages of PostgreSQL and Valkey are waited out."""
        known = False
        while True:
            try:
                if not known:
                    self._published = await self._last_in_stream()
                    self._unsure = known = True
                while entries := await self._next():
                    await self._publish(entries)
                if time.monotonic() >= self._house_due_s:
                    await self._keep_house()
                    self._house_due_s = time.monotonic() + HOUSEKEEPING_S
                    self._unsure = True
                await self._wait()
            except (RedisError, OSError, Unavailable) as error:
                log.warning("relay waits", stream=self._stream.name, error=str(error))
                known = False
                await asyncio.sleep(RETRY_S)

    async def _wait(self) -> None:
        """Until there is something to relay, or to tidy up."""
        ring = asyncio.get_running_loop().call_later(HOUSEKEEPING_S, self._wake.set)
        await self._wake.wait()
        ring.cancel()
        self._wake.clear()

    async def _next(self) -> list[tuple[int, bytes, str]]:
        """The events to publish next: from memory where they follow on, else from the table."""
        while self._pending and self._pending[0][0] <= self._published:
            self._pending.popleft()
        if self._pending and self._pending[0][0] == self._published + 1:
            entries: list[tuple[int, bytes, str]] = []
            while self._pending and len(entries) < CHUNK and self._pending[0][0] == self._published + 1 + len(entries):
                entries.append(self._pending.popleft())
            return entries
        if not self._pending and not self._unsure:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT seq, payload FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2", self._published, CHUNK
            )
        self._unsure = len(rows) == CHUNK
        return [(row["seq"], row["payload"], self._decode(row["payload"]).traceparent) for row in rows]  # type: ignore[attr-defined]

    async def _publish(self, entries: list[tuple[int, bytes, str]]) -> None:
        with item_spans(
            "publish_event",
            [traceparent for _, _, traceparent in entries],
            kind=SpanKind.PRODUCER,
            attributes=self.attributes,
            items=entries,
        ):
            assert entries[-1][0] - entries[0][0] == len(entries) - 1, "numbers have no gaps"
            name, oldest = self._stream.name, max(0, entries[-1][0] - STREAM_MAX)
            commands: list[Command] = [
                ("XADD", name, "MINID", "~", oldest, f"{last}-0", FIELD, events)
                for last, events in entries_of(entries[0][0], [payload for _, payload, _ in entries])
            ]
            for answer in await self._valkey.pipeline(commands):
                # "equal or smaller" says that these events were published before: by us, before a crash.
                if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
                    continue
                if isinstance(answer, Exception):
                    raise answer
        self._published = entries[-1][0]

    async def _last_in_stream(self) -> int:
        try:
            info = await self._valkey.call("XINFO", "STREAM", self._stream.name)
        except ResponseError:
            return await self._before_oldest()
        return int(pairs(info)[b"last-generated-id"].split(b"-")[0])

    async def _before_oldest(self) -> int:
        async with self._database.connection() as connection:
            oldest = await connection.fetchval("SELECT min(seq) FROM outbox")
            if oldest is None:
                return int(await connection.fetchval("SELECT seq FROM outbox_head"))
        return int(oldest) - 1

    async def _keep_house(self) -> None:
        """Goes back where a consumer missed something or the stream was lost; drops what everybody has stored."""
        rewinds = pairs(await self._valkey.call("HGETALL", self._stream.rewind_key))
        if rewinds:
            self._published = min(min(int(seq) for seq in rewinds.values()), self._published)
            log.info("stream is published again", stream=self._stream.name, after=self._published)
            await self._valkey.call("DEL", self._stream.name, self._stream.rewind_key)
            self._wake.set()
            return
        self._published = min(self._published, await self._last_in_stream())
        stored = pairs(await self._valkey.call("HGETALL", self._stream.positions_key))
        consumers = {name.encode() for name in self._stream.consumers}
        if consumers <= stored.keys():
            safe = min(int(stored[name]) for name in consumers)
            async with self._database.connection(durable=False) as connection:
                await connection.execute("DELETE FROM outbox WHERE seq <= $1", safe)
            await self._valkey.call("XTRIM", self._stream.name, "MINID", "~", f"{safe + 1}-0")
