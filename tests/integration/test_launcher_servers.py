"""The embedded servers as the launcher makes them: who may enter which room."""

from collections.abc import Callable

import asyncpg
import pytest
from redis import exceptions
from redis.asyncio import Redis

from outcry.provision import create_rooms, role_url
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
    client, stranger = Redis.from_url(redis_url), Redis(port=valkey_server.server.port)
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
