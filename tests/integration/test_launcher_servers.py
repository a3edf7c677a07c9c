"""The embedded servers as the launcher makes them: who may enter which room."""

from collections.abc import Callable

import asyncpg
import pytest
from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from outcry.provision import create_rooms, role_url, run_sql
from shared.valkey import Valkey
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


async def test_nobody_enters_valkey_without_a_password(valkey_server: TestValkey) -> None:
    """There is no user without one."""
    stranger = Redis(port=valkey_server.server.port, retry=Retry(NoBackoff(), 0))
    with pytest.raises(exceptions.AuthenticationError):
        await stranger.ping()
    await stranger.aclose()


@pytest.mark.parametrize(
    ("service", "commands"),
    [
        ("order-manager", ["XADD orders * a 1", "XINFO STREAM orders", "XREAD STREAMS executions 0"]),
        (
            "order-manager",
            ["HSET positions:executions order-manager 1", "XADD traces:kept * a 1", "XTRIM orders MAXLEN 0"],
        ),
        ("market-data", ["HSET market-data:quotes A 1", "PUBLISH market-data:L2:AAPL x", "HGET market-data:quotes A"]),
        ("risk-manager", ["HGET market-data:quotes A", "EVAL return(redis.call('GET','risk-manager:x')) 0"]),
        ("wallet-service", ["PUBLISH notification:1 x", "DEL funds rewind:funds", "HGETALL positions:funds"]),
        (
            "client-gateway",
            [
                "GET client-gateway:alive",
                "HGET market-data:quotes A",
                "SUBSCRIBE notification:1",
                "SUBSCRIBE market-data:L2",
            ],
        ),
    ],
)
async def test_a_service_may_do_in_valkey_what_it_is_for(
    valkey_server: TestValkey, redis_url: str, service: str, commands: list[str]
) -> None:
    """It publishes and follows its streams, says and hears on its channels, and keeps its own state."""
    admin, valkey = Valkey(redis_url), Valkey(valkey_server.server.url(service))
    await admin.call("XADD", "orders", "*", "a", 1)
    for command in commands:
        await valkey.call(*command.split())
    admin.close()
    valkey.close()


@pytest.mark.parametrize("service", ["market-data", "reporting", "user-service"])
@pytest.mark.parametrize(
    "command",
    [
        *("FLUSHALL", "CONFIG GET *", "KEYS *", "SCRIPT FLUSH", "EVAL return(1) 0", "INFO"),
        *("XADD executions * a 1", "XADD orders * a 1", "XTRIM executions MAXLEN 0", "DEL executions"),
        *("HGETALL positions:executions", "HGETALL risk-manager:state:user:1", "GET client-gateway:alive"),
        *("PUBLISH notification:1 x", "SUBSCRIBE notification:1", "PUBLISH client-gateway:blocked 1"),
    ],
)
async def test_a_service_may_do_nothing_else_in_valkey(valkey_server: TestValkey, service: str, command: str) -> None:
    """Who breaks into one service makes no events of another, sees no user's messages and commands no server."""
    valkey = Valkey(valkey_server.server.url(service))
    with pytest.raises(exceptions.ResponseError, match="NOPERM"):
        await valkey.call(*command.split())
    valkey.close()


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
