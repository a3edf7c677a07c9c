"""Which shard trades which symbol, as the tables have it; and how they come to have it otherwise.

The setting may be changed while no engine runs. The first to start then reads back what there is, and writes a snapshot
for each of the new shards, all as of the last event. From there on each goes on with its own symbols.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
import structlog

from services.matching_engine import locks
from services.matching_engine.book import Book
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.state import EngineState
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import from_snapshot, replay
from shared.contracts.operations import ENGINE
from shared.errors import Unavailable
from shared.postgres import Database
from shared.shards import Shards

log = structlog.get_logger()

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

READ_LAYOUT = "SELECT shards FROM layout"


async def lay_out(database: Database, outbox: SharedOutbox, shards: Shards) -> None:
    """Sees to it that the tables are those of these shards.

    Raises Unavailable while an engine runs that is not one of these, JournalDamaged where the state can't be read.
    """
    async with database.own_connection() as connection:
        if await connection.fetchval(READ_LAYOUT) == shards.text:
            return
        if not await locks.take(connection, locks.LAYOUT):
            raise Unavailable(ENGINE, "another engine is just laying out the shards")
        before = Shards(await connection.fetchval(READ_LAYOUT))
        if before.text == shards.text:
            return
        for shard in range(max(before.count, shards.count)):
            if not await locks.take(connection, shard):
                raise Unavailable(ENGINE, f"an engine still runs with MATCHING_ENGINE_SHARDS={before.text}")
        states = []
        for shard in range(before.count):
            store = JournalStore(database, outbox, before, shard)
            engine = await from_snapshot(store)
            await replay(store, engine)
            states.append(engine.state())
        head = await connection.fetchval("SELECT seq FROM outbox_head")
        await _write(connection, shards, split(states, shards, head))
        log.info("symbols are laid out anew", shards=shards.text, before=before.text, seq=head)


async def _write(connection: Connection, shards: Shards, states: Sequence[EngineState]) -> None:
    async with connection.transaction():
        await connection.execute("UPDATE outbox_head SET shards = array_fill(seq, ARRAY[$1::int])", shards.count)
        await connection.execute("TRUNCATE snapshots, journal")
        for shard, state in enumerate(states):
            data, checksum = state.packed()
            await connection.execute(
                "INSERT INTO snapshots (shard, seq, checksum, state) VALUES ($1, $2, $3, $4)",
                shard,
                state.seq,
                checksum,
                data,
            )
        await connection.execute("UPDATE layout SET shards = $1", shards.text)


def split(states: Sequence[EngineState], shards: Shards, seq: int) -> list[EngineState]:
    """The states of these shards as of event ``seq``, made of those of the shards that there were.

    What belongs to no symbol (answers, barred ids, blocked accounts) all of them get.
    """
    books = {Book.restore(book).symbol: book for state in states for book in state.books}
    resting = {order_id: order for state in states for order_id, order in state.resting.items()}
    prices = {symbol: price for state in states for symbol, price in state.last_prices.items()}
    terms = {symbol: one for state in states for symbol, one in state.terms.items()}
    listed = {one.symbol: one for state in states for one in state.instruments or ()}
    answers = {order_id: (order_id, time_us, answer) for state in states for order_id, time_us, answer in state.answers}
    barred = dict(one for state in states for one in state.barred)
    in_order = sorted(answers.values(), key=lambda one: one[2].position)
    return [
        EngineState(
            seq,
            max(state.trade_id for state in states),
            [books[symbol] for symbol in shards.share(shard, sorted(books))],
            {
                order_id: resting[order_id]
                for order_id in sorted(resting)
                if shards.of(resting[order_id].symbol) == shard
            },
            {symbol: prices[symbol] for symbol in shards.share(shard, sorted(prices))},
            in_order,
            sorted(barred.items(), key=lambda one: one[1]),
            {symbol: terms[symbol] for symbol in shards.share(shard, sorted(terms))},
            sorted({user_id for state in states for user_id in state.blocked}),
            [listed[symbol] for symbol in shards.share(shard, sorted(listed))],
        )
        for shard in range(shards.count)
    ]
