"""Events out: written with the state they tell of, then relayed to Valkey in order, as often as it takes.

The outbox table is the truth. An event's sequence number is gapless per stream and is its id in Valkey, so publishing
it twice is harmless and losing Valkey costs nothing: the relay sees that the stream ends early, or a consumer says from
where it needs it again, and the relay goes back.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import msgspec
import structlog
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from shared.contracts.events import Stream
from shared.errors import Unavailable
from shared.postgres import Connection, Database, Statement
from shared.tracing import ItemAttributes, item_spans

log = structlog.get_logger()

FIELD = b"e"
"""The one field of a stream entry: the event as JSON."""

CHUNK = 500
STREAM_MAX = 200_000
"""Entries that Valkey keeps at most. A consumer further behind asks for them again."""

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


def positions_key(stream: Stream) -> str:
    """Valkey hash: consumer -> the last event that it has safely stored."""
    return f"positions:{stream.name}"


def rewind_key(stream: Stream) -> str:
    """Valkey hash: consumer -> the event after which it needs everything again."""
    return f"rewind:{stream.name}"


class Outbox:
    """Writes the events of one stream and relays them. ``run`` is to be kept running next to the service."""

    def __init__(self, database: Database, redis: Redis, stream: Stream) -> None:
        self._database = database
        self._redis = redis
        self._stream = stream
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(stream.event).decode
        self._pending: deque[tuple[int, bytes, str]] = deque()
        self._published = 0
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
        self._wake.set()

    async def run(self) -> None:
        """Relays for ever. Outages of PostgreSQL and Valkey are waited out."""
        known = False
        while True:
            try:
                if not known:
                    self._published = await self._last_in_stream()
                    known = True
                if not self._wake.is_set():
                    await self._wait()
                self._wake.clear()
                while entries := await self._next():
                    await self._publish(entries)
            except (RedisError, OSError, Unavailable) as error:
                log.warning("relay waits", stream=self._stream.name, error=str(error))
                known = False
                await asyncio.sleep(RETRY_S)
                self._wake.set()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._wake.wait(), HOUSEKEEPING_S)
        except TimeoutError:
            await self._keep_house()
            self._wake.set()

    async def _next(self) -> list[tuple[int, bytes, str]]:
        """The events to publish next: from memory where they follow on, else from the table."""
        while self._pending and self._pending[0][0] <= self._published:
            self._pending.popleft()
        if self._pending and self._pending[0][0] == self._published + 1:
            entries: list[tuple[int, bytes, str]] = []
            while self._pending and len(entries) < CHUNK and self._pending[0][0] == self._published + 1 + len(entries):
                entries.append(self._pending.popleft())
            return entries
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT seq, payload FROM outbox WHERE seq > $1 ORDER BY seq LIMIT $2", self._published, CHUNK
            )
        return [(row["seq"], row["payload"], self._decode(row["payload"]).traceparent) for row in rows]  # type: ignore[attr-defined]

    async def _publish(self, entries: list[tuple[int, bytes, str]]) -> None:
        with item_spans(
            "publish_event",
            [traceparent for _, _, traceparent in entries],
            kind=SpanKind.PRODUCER,
            attributes=self.attributes,
            items=entries,
        ):
            pipeline = self._redis.pipeline(transaction=False)
            for seq, payload, _ in entries:
                pipeline.xadd(self._stream.name, {FIELD: payload}, id=f"{seq}-0", maxlen=STREAM_MAX, approximate=True)
            for answer in await pipeline.execute(raise_on_error=False):
                # "equal or smaller" says that this event was published before: by us, before a crash.
                if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
                    continue
                if isinstance(answer, Exception):
                    raise answer
        self._published = entries[-1][0]

    async def _last_in_stream(self) -> int:
        try:
            info = await self._redis.xinfo_stream(self._stream.name)
        except ResponseError:
            return await self._before_oldest()
        return int(info["last-generated-id"].split(b"-")[0])

    async def _before_oldest(self) -> int:
        async with self._database.connection() as connection:
            oldest = await connection.fetchval("SELECT min(seq) FROM outbox")
            if oldest is None:
                return int(await connection.fetchval("SELECT seq FROM outbox_head"))
        return int(oldest) - 1

    async def _keep_house(self) -> None:
        """Goes back where a consumer missed something or the stream was lost; drops what everybody has stored."""
        rewinds = await self._redis.hgetall(rewind_key(self._stream))
        if rewinds:
            self._published = min(min(int(seq) for seq in rewinds.values()), self._published)
            log.info("stream is published again", stream=self._stream.name, after=self._published)
            await self._redis.delete(self._stream.name, rewind_key(self._stream))
            return
        self._published = min(self._published, await self._last_in_stream())
        stored = await self._redis.hgetall(positions_key(self._stream))
        consumers: set[bytes | str] = {name.encode() for name in self._stream.consumers}
        if consumers <= stored.keys():
            safe = min(int(stored[name]) for name in consumers)
            async with self._database.connection(durable=False) as connection:
                await connection.execute("DELETE FROM outbox WHERE seq <= $1", safe)
            await self._redis.xtrim(self._stream.name, minid=f"{safe + 1}-0", approximate=True)
