"""Kept connections to PostgreSQL: bounded, whole transactions, nothing half-done given on to the next."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from shared.contracts.operations import WALLET
from shared.errors import Unavailable
from shared.postgres import Database

SCHEMA = "wallet_service"


@pytest.fixture
async def database(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    database = Database(database_url(WALLET), SCHEMA, 2)
    await database.connect()
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE kept (number int PRIMARY KEY)")
    yield database
    await database.close()


async def in_transaction(database: Database, *statements: str, error: Exception | None = None) -> None:
    """Runs statements in one transaction, and raises in its block where there is an error to raise."""
    async with database.transaction() as connection:
        for statement in statements:
            await connection.execute(statement)
        if error is not None:
            raise error


async def numbers(database: Database) -> list[int]:
    async with database.connection() as connection:
        return [row["number"] for row in await connection.fetch("SELECT number FROM kept ORDER BY 1")]


async def test_many_share_a_few_connections(database: Database) -> None:
    """Those for whom there is no connection wait their turn, and all are served."""

    async def one(number: int) -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES ($1)", number)

    await asyncio.gather(*map(one, range(50)))
    async with database.connection() as connection:
        open_now = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1", "wallet_service"
        )
    assert await numbers(database) == list(range(50))
    assert open_now <= 4


async def test_a_block_that_raises_leaves_nothing(database: Database) -> None:
    """An error rolls back, and the connection serves the next."""
    with pytest.raises(ZeroDivisionError):
        await in_transaction(database, "INSERT INTO kept VALUES (1)", error=ZeroDivisionError())
    with pytest.raises(asyncpg.UniqueViolationError):
        await in_transaction(database, "INSERT INTO kept VALUES (2)", "INSERT INTO kept VALUES (2)")
    assert await numbers(database) == []


async def test_a_cancelled_block_leaves_nothing(database: Database) -> None:
    """A task that is cancelled in the middle of a statement is rolled back, and its connection not used again."""

    async def slow() -> None:
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO kept VALUES (1)")
            await connection.execute("SELECT pg_sleep(30)")

    tasks = [asyncio.create_task(slow()) for _ in range(2)]
    await asyncio.sleep(0.3)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(10):
        assert await numbers(database) == []


async def test_a_guard_that_changes_nothing_keeps_the_block_out(database: Database) -> None:
    """The statement that goes out with BEGIN must change one row; else the block is not entered."""
    async with database.transaction(guard="INSERT INTO kept VALUES (7); UPDATE kept SET number = 8") as connection:
        assert await connection.fetchval("SELECT number FROM kept") == 8
    with pytest.raises(Unavailable):
        await database.transaction(guard="UPDATE kept SET number = 9 WHERE number = 7").__aenter__()
    assert await numbers(database) == [8]


async def test_a_lost_connection_is_an_outage_once(database: Database) -> None:
    """A connection that the server ended is Unavailable for who was on it, and replaced for the next."""
    with pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
    assert await numbers(database) == []
