"""The engine's SQL: journal, snapshots, instruments."""

from collections.abc import AsyncIterator, Sequence

import msgspec
from opentelemetry.trace import Span

from services.matching_engine.commands import Action, Command, JournalDamaged, pack, unpack
from shared.contracts.engine import ActionRecord, Instrument
from shared.contracts.events import EngineEvent
from shared.outbox import Outbox
from shared.postgres import Database, Statement

# Commands and their events in one statement, so that one round trip and one flush do for the batch. An event's number
# and its place in the stream are the same thing: where another engine has written meanwhile, this one writes nothing.
INSERT_JOURNAL = Statement(
    "INSERT journal",
    """WITH head AS (UPDATE outbox_head SET seq = $2 WHERE seq = $1 - 1 RETURNING seq),
            events AS (
                INSERT INTO outbox (seq, payload)
                SELECT $1 - 1 + event.number, event.payload
                FROM head, unnest($5::bytea[]) WITH ORDINALITY AS event (payload, number))
       INSERT INTO journal (first_seq, last_seq, checksum, commands) SELECT $1, $2, $3, $4 FROM head
       RETURNING first_seq""",
)

# With the number that the journal ends with, so that missing rows at its end are noticed as well as any other.
READ_JOURNAL = """
    SELECT outbox_head.seq AS head, row.*
    FROM outbox_head LEFT JOIN LATERAL (
        SELECT * FROM journal WHERE first_seq > $1 ORDER BY first_seq LIMIT $2
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


class JournalTakenOver(Exception):
    """Another engine has written to the journal since this one last did."""


class JournalStore:
    """What the engine writes down and starts from."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def write(self, commands: Sequence[Command], events: Sequence[EngineEvent], spans: Sequence[Span]) -> None:
        """Commands and their events on disk, in one commit. Raises Unavailable when that is not known to be so."""
        data, checksum = pack(commands)
        entries = self._outbox.entries(events[0].seq, events)
        payloads = [payload for _, payload, _ in entries]
        first, last = events[0].seq, events[-1].seq
        actions = [
            _action_row(event.seq, c) for event, c in zip(events, commands, strict=True) if isinstance(c, Action)
        ]
        # One statement is a transaction by itself, and one round trip.
        opened = self._database.transaction() if actions else self._database.connection()
        async with opened as connection:
            written = await INSERT_JOURNAL.fetch(connection, spans, first, last, checksum, data, payloads)
            if not written:
                raise JournalTakenOver(f"event {first} is another engine's; this one must read the journal again")
            if actions:
                await INSERT_ACTIONS.fetch(connection, spans, *[list(column) for column in zip(*actions, strict=True)])
        self._outbox.committed(entries)

    async def actions(self, before: int, limit: int) -> list[ActionRecord]:
        """What administrators did, newest first, below event ``before``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "SELECT * FROM actions WHERE seq < $1 ORDER BY seq DESC LIMIT $2", before or NEWEST, limit
            )
        return [ActionRecord(**dict(row)) for row in rows]

    async def instruments(self) -> list[Instrument]:
        """What was listed before the first command. From then on the journal tells."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT * FROM instruments ORDER BY symbol")
        return [Instrument(**dict(row)) for row in rows]

    async def snapshots(self) -> list[tuple[int, bytes, int]]:
        """Number, state and checksum of the snapshots that there are, newest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("SELECT seq, state, checksum FROM snapshots ORDER BY seq DESC")
        return [(row["seq"], row["state"], row["checksum"]) for row in rows]

    async def journal_after(self, seq: int) -> AsyncIterator[tuple[int, list[Command]]]:
        """The commands after ``seq``, a row at a time, each with the row's last number.

        Raises JournalDamaged with the position where a row is missing or is not what was written.
        """
        while True:
            async with self._database.connection() as connection:
                rows = await connection.fetch(READ_JOURNAL, seq, READ_ROWS)
            for row in rows:
                if row["first_seq"] is None and row["head"] == seq:
                    return
                if row["first_seq"] != seq + 1:
                    raise JournalDamaged(f"journal: the row that begins with {seq + 1} is missing")
                seq = row["last_seq"]
                yield seq, unpack(row["first_seq"], seq, row["checksum"], row["commands"])

    async def save_snapshot(self, seq: int, state: bytes, checksum: int) -> None:
        async with self._database.transaction(durable=False) as connection:
            await connection.execute(
                "INSERT INTO snapshots VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", seq, checksum, state
            )
            await connection.execute(
                "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT $1)",
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
