"""The engine's SQL: journal, snapshots, instruments."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from opentelemetry.trace import Span

from services.matching_engine.commands import Action, Command, JournalDamaged, pack, unpack
from services.matching_engine.engine import Engine
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.trade_ids import TradeIds
from shared.contracts.engine import ActionRecord, Instrument
from shared.contracts.events import EngineEvent
from shared.contracts.operations import ENGINE
from shared.errors import Unavailable
from shared.postgres import Database, Statement
from shared.shards import Shards

# Commands and their events in one statement, so that one round trip and one flush do for the batch. The events get the
# next numbers of the stream, which all shards share: whoever has the row of the head has them. Where another engine of
# this shard ($1) has written since event $2, this one writes nothing. Payloads come numbered from $2 on; where other
# shards have written meanwhile, the numbers in them are put right.
INSERT_JOURNAL = Statement(
    "INSERT journal",
    """WITH head AS (
            UPDATE outbox_head SET seq = seq + $5, shards[$1 + 1] = seq + $5 WHERE shards[$1 + 1] = $2
            RETURNING seq - $5 AS last),
        events AS (
            INSERT INTO outbox (seq, payload)
            SELECT head.last + event.number,
                   CASE WHEN head.last = $2 THEN event.payload ELSE
                        convert_to('{"seq":' || head.last + event.number, 'UTF8')
                        || substring(event.payload FROM position(','::bytea IN event.payload)) END
            FROM head, unnest($6::bytea[]) WITH ORDINALITY AS event (payload, number))
       INSERT INTO journal (shard, previous, first_seq, last_seq, checksum, commands)
       SELECT $1, $2, head.last + 1, head.last + $5, $3, $4 FROM head
       RETURNING first_seq""",
)

# With the number that the shard's journal ends with, so that missing rows at its end are noticed as well as any other.
READ_JOURNAL = """
    SELECT outbox_head.shards[$1 + 1] AS head, row.*
    FROM outbox_head LEFT JOIN LATERAL (
        SELECT * FROM journal WHERE shard = $1 AND first_seq > $2 ORDER BY first_seq LIMIT $3
    ) AS row ON true
    ORDER BY row.first_seq"""

INSERT_ACTIONS = Statement(
    "INSERT action",
    """INSERT INTO actions (seq, time_us, user_id, action, symbol, detail, trace_id)
       SELECT seq, time_us, user_id, action, symbol, detail::jsonb, trace_id
       FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[])
            AS done (seq, time_us, user_id, action, symbol, detail, trace_id)""",
)

SNAPSHOTS_KEPT = 2
"""One to start from, and the one before it in case that one turns out to be damaged."""

READ_ROWS = 2_000
NEWEST = 2**63 - 1


class JournalCut(JournalDamaged):
    """What was asked for is so old that it is no longer in the journal, only in the snapshots."""


class JournalTakenOver(Exception):
    """Another engine has written to the journal since this one last did."""


class JournalStore:
    """What one shard's engine writes down and starts from."""

    def __init__(self, database: Database, outbox: SharedOutbox, shards: Shards = Shards(), shard: int = 0) -> None:  # noqa: B008
        self._database = database
        self._outbox = outbox
        self._shards = shards
        self.shard = shard

    async def write(self, commands: Sequence[Command], events: Sequence[EngineEvent], spans: Sequence[Span]) -> int:
        """Commands and their events on disk, in one commit. Answers by how much the events' numbers are greater now.

        That is 0 unless other shards have written meanwhile. Raises Unavailable when it is not known to be on disk.
        """
        data, checksum = pack(commands)
        entries = self._outbox.entries(events[0].seq, events)
        payloads = [payload for _, payload, _ in entries]
        before, count = events[0].seq - 1, len(events)
        actions = [(number, c) for number, c in enumerate(commands) if isinstance(c, Action) and self._records(c)]
        # One statement is a transaction by itself, and one round trip.
        opened = self._database.transaction() if actions else self._database.connection()
        async with opened as connection:
            written = await INSERT_JOURNAL.fetch(connection, spans, self.shard, before, checksum, data, count, payloads)
            if not written:
                raise JournalTakenOver(
                    f"what follows event {before} is another engine's; the journal must be read again"
                )
            first: int = written[0]["first_seq"]
            if actions:
                rows = [_action_row(first + number, command) for number, command in actions]
                await INSERT_ACTIONS.fetch(connection, spans, *[list(column) for column in zip(*rows, strict=True)])
        if first == before + 1:
            self._outbox.committed(entries)
        else:
            self._outbox.look()
        return first - before - 1

    def _records(self, action: Action) -> bool:
        """What concerns no one symbol is done by every shard, and recorded by the first."""
        return bool(action.symbol) or self.shard == 0

    async def actions(self, before: int, limit: int) -> list[ActionRecord]:
        """What administrators did, newest first, below event ``before``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM actions WHERE seq < $1 ORDER BY seq DESC LIMIT $2", before or NEWEST, limit
            )
        return [ActionRecord(**dict(row)) for row in rows]

    async def check_layout(self) -> None:
        """Raises Unavailable where the symbols are spread otherwise by now than this engine was told."""
        async with self._database.connection() as connection:
            found = await connection.fetchval("SELECT shards FROM layout")
        if found != self._shards.text:
            raise Unavailable(ENGINE, f"the engines run with MATCHING_ENGINE_SHARDS={found}")

    async def new_engine(self) -> Engine:
        """As it was before the first command. What is listed from then on, the journal tells."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM instruments ORDER BY symbol")
        listed = [Instrument(**dict(row)) for row in rows if self._shards.of(row["symbol"]) == self.shard]
        return Engine(listed, TradeIds(self._shards, self.shard))

    async def snapshots(self) -> list[tuple[int, bytes, int]]:
        """Number, state and checksum of the snapshots that there are, newest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT seq, state, checksum FROM snapshots WHERE shard = $1 ORDER BY seq DESC", self.shard
            )
        return [(row["seq"], row["state"], row["checksum"]) for row in rows]

    async def journal_after(self, seq: int) -> AsyncIterator[tuple[int, int, list[Command]]]:
        """The commands after ``seq``, a row at a time, each with the row's first and last number.

        Raises JournalDamaged with the position where a row is missing or is not what was written: JournalCut where the
        row has gone because all snapshots are newer.
        """
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(READ_JOURNAL, self.shard, seq, READ_ROWS)
            for row in rows:
                if row["first_seq"] is None and row["head"] == seq:
                    return
                if row["previous"] != seq:
                    await self._explain_gap(seq)
                first, seq = row["first_seq"], row["last_seq"]
                yield first, seq, unpack(first, seq, row["checksum"], row["commands"])

    async def _explain_gap(self, seq: int) -> None:
        async with self._database.connection() as connection:
            oldest = await connection.fetchval("SELECT min(seq) FROM snapshots WHERE shard = $1", self.shard)
        if oldest is not None and oldest > seq:
            raise JournalCut(f"journal: what follows {seq} is in the snapshots only")
        raise JournalDamaged(f"journal: the row that follows {seq} is missing")

    async def save_snapshot(self, seq: int, state: bytes, checksum: int) -> None:
        """Keeps the newest snapshots, and of the journal what follows the oldest of them.

        Nobody needs what was before: engines start from a snapshot, and so does one that follows and is too far behind.
        """
        async with self._database.transaction(durable=False) as connection:
            await connection.execute(
                "INSERT INTO snapshots (shard, seq, checksum, state) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                self.shard,
                seq,
                checksum,
                state,
            )
            await connection.execute(
                """DELETE FROM snapshots WHERE shard = $1 AND seq NOT IN (
                       SELECT seq FROM snapshots WHERE shard = $1 ORDER BY seq DESC LIMIT $2)""",
                self.shard,
                SNAPSHOTS_KEPT,
            )
            await connection.execute(
                """DELETE FROM journal WHERE shard = $1 AND last_seq <= (
                       SELECT min(seq) FROM snapshots WHERE shard = $1 HAVING count(*) = $2)""",
                self.shard,
                SNAPSHOTS_KEPT,
            )


def _action_row(seq: int, action: Action) -> tuple[int, int, int, str, str, str, str]:
    """An action as the table has it: what it sets is all that is not said in the other columns."""
    fields = {name: getattr(action, name) for name in action.__struct_fields__}
    detail = {name: value for name, value in fields.items() if name not in COMMON and value is not None}
    return (
        seq,
        action.time_us,
        action.user_id,
        type(action).__name__.lower(),
        action.symbol,
        msgspec.json.encode(detail).decode(),
        action.traceparent[3:35],
    )


COMMON = ("time_us", "user_id", "symbol", "traceparent")
"""Fields of all actions."""
