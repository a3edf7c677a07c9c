"""The engine's journal in the real PostgreSQL: what a restart finds, what damage does to it, and who may write."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from outcry.provision import run_sql
from services.matching_engine.app import MIGRATIONS
from services.matching_engine.commands import Command, JournalDamaged, pack
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import Writer
from shared.contracts.operations import ENGINE
from shared.errors import Unavailable
from shared.postgres import Database, migrate
from shared.valkey import Valkey
from tests.servers import TestPostgres
from tests.unit.test_engine import place, random_commands

DatabaseUrl = Callable[[str], str]


class Journal:
    """The journal of one database, and writers on it."""

    def __init__(self, url: str, redis_url: str) -> None:
        self.url = url
        self._redis_url = redis_url

    @asynccontextmanager
    async def writer(self, snapshot_every: int = 1_000_000) -> AsyncIterator[Writer]:
        """A writer that has read the journal and takes commands."""
        database = Database(self.url, "matching_engine")
        await database.connect()
        valkey = Valkey(self._redis_url)
        try:
            await migrate(database, MIGRATIONS)
            writer = Writer(JournalStore(database, SharedOutbox(database, valkey)), snapshot_every)
            await writer.load()
            running = asyncio.create_task(writer.run())
            await asyncio.sleep(0)
            yield writer
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        finally:
            await database.close()
            valkey.close()

    async def write(self, commands: Sequence[Command], snapshot_every: int = 1_000_000) -> bytes:
        """Journals commands in batches of ten, and gives the state after them."""
        async with self.writer(snapshot_every) as writer:
            for at in range(0, len(commands), 10):
                await writer.submit(commands[at : at + 10], ())
            return writer.engine.snapshot()[0]

    async def read(self) -> bytes:
        """The state that an engine starts with. Raises JournalDamaged."""
        async with self.writer() as writer:
            return writer.engine.snapshot()[0]

    async def sql(self, statement: str) -> list[asyncpg.Record]:
        """What somebody does to the tables."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()


@pytest.fixture
def journal(database_url: DatabaseUrl, redis_url: str) -> Journal:
    return Journal(database_url(ENGINE), redis_url)


@pytest.mark.parametrize("snapshot_every", [100, 1_000_000])
async def test_a_restart_ends_with_the_same_state(journal: Journal, snapshot_every: int) -> None:
    """From a snapshot and the rest of the journal, or from all of the journal, byte for byte."""
    state = await journal.write(random_commands(seed=11, count=800), snapshot_every)
    assert len(await journal.sql("SELECT FROM snapshots")) == (2 if snapshot_every == 100 else 0)
    assert await journal.read() == state


async def test_what_was_not_committed_when_the_database_died_is_not_there(
    journal: Journal, postgres_server: TestPostgres
) -> None:
    """A torn last record is cut: PostgreSQL gives back whole rows only, and the engine goes on behind the last one."""
    state = await journal.write(random_commands(seed=12, count=100))
    [(head,)] = await journal.sql("SELECT seq FROM outbox_head")
    data, checksum = pack([place(5000, side=1)])
    torn = await asyncpg.connect(journal.url)
    await torn.execute("BEGIN")
    await torn.execute("UPDATE outbox_head SET seq = seq + 1, shards = ARRAY[seq + 1]")
    await torn.execute("INSERT INTO journal VALUES ($1, $1, $2, $3, 0, $4)", head + 1, checksum, data, head)
    run_sql(
        postgres_server.server.admin_url("postgres"), "CHECKPOINT"
    )  # now the row is in the table's file, but not committed
    postgres_server.running.kill()
    postgres_server.running.start()
    assert await journal.read() == state
    await journal.write([place(5001, side=1)])
    [(last,)] = await journal.sql("SELECT max(last_seq) FROM journal")
    assert last == head + 1


DAMAGE = {
    "a flipped bit": ("UPDATE journal SET commands = set_byte(commands, 9, get_byte(commands, 9) # 1)", "row 1-"),
    "a row cut short": ("UPDATE journal SET commands = substr(commands, 1, 100)", "row 1-"),
    "a missing first row": ("DELETE FROM journal WHERE first_seq = 1", "follows 0 is missing"),
    "a missing last row": (
        "DELETE FROM journal WHERE last_seq = (SELECT max(last_seq) FROM journal)",
        "follows .* is missing",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damaged_journal_is_refused_with_the_position(journal: Journal, damage: str) -> None:
    """The engine does not start from a journal that is not whole, and says which row it is about."""
    statement, told = DAMAGE[damage]
    await journal.write(random_commands(seed=13, count=60))
    await journal.sql(statement)
    with pytest.raises(JournalDamaged, match=told):
        await journal.read()


async def test_instead_of_a_damaged_snapshot_the_one_before_is_taken(journal: Journal) -> None:
    """The journal reaches back to the oldest one; without any of them what is before that is gone, and it says so."""
    state = await journal.write(random_commands(seed=14, count=600), snapshot_every=100)
    await journal.sql(
        "UPDATE snapshots SET state = set_byte(state, 50, get_byte(state, 50) # 1)"
        " WHERE seq = (SELECT max(seq) FROM snapshots)"
    )
    assert await journal.read() == state
    await journal.sql("UPDATE snapshots SET state = ''")
    with pytest.raises(JournalDamaged, match="what follows 0 is in the snapshots only"):
        await journal.read()


async def test_the_journal_ends_where_nobody_needs_it(journal: Journal) -> None:
    """What is before the oldest snapshot goes; an engine that follows and is further behind starts from a snapshot."""
    commands = random_commands(seed=15, count=900)
    async with journal.writer() as behind:
        await behind.submit(commands[:10], ())
        state = await journal.write(commands[10:], snapshot_every=100)
        kept = [row["seq"] for row in await journal.sql("SELECT seq FROM snapshots ORDER BY seq")]
        [(first, rows)] = await journal.sql("SELECT min(previous), count(*) FROM journal")
        assert (len(kept), first) == (2, kept[0])
        assert rows < 40
        await behind.follow()
        assert behind.engine.snapshot()[0] == state
    assert await journal.read() == state


async def test_of_two_writers_the_second_to_write_a_number_writes_nothing(journal: Journal) -> None:
    """A writer that was overtaken loses its batch, whole, reads what the other one wrote, and is right again."""
    async with journal.writer() as first, journal.writer() as second:
        await first.submit([place(1, side=1)], ())
        with pytest.raises(Unavailable, match="JournalTakenOver"):
            await second.submit([place(2, side=1), place(3, side=2)], ())
        await second.submit([place(4, side=1)], ())
        await first.follow()
        assert first.engine.snapshot() == second.engine.snapshot()
        assert len(first.engine.resting("AAPL")) == 2


async def test_a_writer_that_loses_the_lead_answers_whom_it_can_and_takes_nothing_more(journal: Journal) -> None:
    """Nobody waits for ever for a writer that was stopped in the middle of a commit."""
    async with journal.writer() as writer:
        under_way = [asyncio.create_task(writer.submit([place(n, side=1)], ())) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        running = next(task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "Writer.run")  # type: ignore[union-attr]
        running.cancel()
        answers = await asyncio.gather(*under_way, return_exceptions=True)
        assert all(isinstance(answer, (list, Unavailable)) for answer in answers), answers
        with pytest.raises(Unavailable, match="lost the lead"):
            await writer.submit([place(4, side=1)], ())


async def test_a_snapshot_that_takes_long_holds_nothing_up(journal: Journal) -> None:
    """Orders are answered while the table of snapshots can't be written."""
    async with journal.writer(snapshot_every=1) as writer:
        other = await asyncpg.connect(journal.url)
        await other.execute("BEGIN; LOCK TABLE snapshots")
        async with asyncio.timeout(5):
            for number in range(1, 4):
                await writer.submit([place(number, side=1)], ())
        assert await other.fetchval("SELECT count(*) FROM snapshots") == 0
        await other.close()
        state = writer.engine.snapshot()[0]
    assert await journal.read() == state
