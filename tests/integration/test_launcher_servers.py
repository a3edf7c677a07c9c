"""The embedded servers as the launcher makes them: who may enter which room."""

from collections.abc import Callable

import asyncpg
import pytest
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from outcry.provision import create_rooms, role_url, run_sql
from tests.servers import TestPostgres, TestValkey


async def test_service_owns_its_schema(database_url: Callable[[str], str]) -> None:
    """A service's role lands in its own schema, where it can make its tables, and in no other."""
    connection = await asyncpg.connect(database_url("wallet-service"))
    try:
        await connection.execute("CREATE TABLE account (id bigint)")
        assert (
            await connection.fetchval("SELECT schemaname FROM pg_tables WHERE tablename = 'account'")
            == "wallet_service"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.account (id bigint)")
    finally:
        await connection.close()


async def test_service_cannot_read_anothers_schema(
    database_url: Callable[[str], str], postgres_server: TestPostgres
) -> None:
    """What one service wrote cannot be read by the role of another."""
    owner_url = database_url("wallet-service")
    admin_url = postgres_server.server.admin_url(owner_url.rsplit("/", 1)[1])
    create_rooms(admin_url, {"reporting": "another-password"})
    owner = await asyncpg.connect(owner_url)
    other = await asyncpg.connect(role_url(admin_url, "reporting", "another-password"))
    try:
        await owner.execute("CREATE TABLE account (id bigint)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await other.fetch("SELECT * FROM wallet_service.account")
    finally:
        await owner.close()
        await other.close()


async def test_postgres_refuses_a_wrong_password(database_url: Callable[[str], str]) -> None:
    """Nobody enters the database without the role's password."""
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(role_url(database_url("wallet-service"), "wallet_service", "wrong"))


async def test_service_cannot_command_valkey(redis_url: str, valkey_server: TestValkey) -> None:
    """A service may use streams and scripts but not command the server, and nobody comes in without a password."""
    client, stranger = Redis.from_url(redis_url), Redis(port=valkey_server.server.port, retry=Retry(NoBackoff(), 0))
    try:
        await client.xadd("orders", {"a": 1})
        assert await client.xlen("orders") == 1
        assert await client.eval("return redis.call('XLEN', KEYS[1])", 1, "orders") == 1
        with pytest.raises(exceptions.NoPermissionError):
            await client.flushall()
        with pytest.raises(exceptions.NoPermissionError):
            await client.config_get("*")
        with pytest.raises(exceptions.AuthenticationError):
            await stranger.ping()
    finally:
        await client.aclose()
        await stranger.aclose()


async def test_an_administrator_who_is_no_superuser_can_make_the_rooms(postgres_server: TestPostgres) -> None:
    """On a managed PostgreSQL the rooms are made by the kind of administrator that one gets there."""
    owner_url = postgres_server.database("market-data")
    database = owner_url.rsplit("/", 1)[1]
    superuser_url = postgres_server.server.admin_url(database)
    run_sql(
        superuser_url, f"CREATE ROLE dba LOGIN CREATEROLE PASSWORD 'pw'; ALTER DATABASE \"{database}\" OWNER TO dba;"
    )
    dba_url = role_url(superuser_url, "dba", "pw")
    create_rooms(dba_url, {"managed_room": "first"})
    create_rooms(dba_url, {"managed_room": "second"})
    service = await asyncpg.connect(role_url(dba_url, "managed_room", "second"))
    try:
        await service.execute("CREATE TABLE limits (id bigint)")
        assert await service.fetchval("SELECT current_schema()") == "managed_room"
    finally:
        await service.close()
        postgres_server.drop(owner_url)


async def test_committed_rows_survive_a_kill(postgres_server: TestPostgres, database_url: Callable[[str], str]) -> None:
    """After kill -9 the server comes back by itself with what was committed."""
    url = database_url("order-manager")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE orders (id bigint)")
    await connection.execute("INSERT INTO orders VALUES (7)")
    postgres_server.running.kill()
    await connection.close()
    postgres_server.running.start()
    again = await asyncpg.connect(url)
    assert await again.fetchval("SELECT id FROM orders") == 7
    await again.close()
