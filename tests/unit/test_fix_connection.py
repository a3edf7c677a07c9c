"""A FIX connection whose engine fails: it ends alone, and its owner may come again."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from services.fix_gateway.connection import Connection
from services.fix_gateway.names import Kind, SessionName
from services.fix_gateway.settings import FixSettings
from services.fix_gateway.wire import Fields

NAME = SessionName(Kind.ORDERS, "alice")


class BrokenEngine:
    """Its store can't be written."""

    logged_on = True

    def attach(self, write: Callable[[bytes], None]) -> None:
        raise OSError("no space left")

    def detach(self) -> None:
        raise OSError("no space left")

    def receive(self, text: str) -> list[str]:
        raise OSError("no space left")

    def tick(self) -> None:
        raise OSError("no space left")

    def send(self, fields: Fields) -> None:
        raise OSError("no space left")

    def logout(self, reason: str) -> None:
        raise OSError("no space left")


class House:
    """Knows who left."""

    def __init__(self) -> None:
        self.settings = FixSettings()
        self.left: list[SessionName] = []

    def leave(self, name: SessionName) -> None:
        self.left.append(name)


class Quiet:
    """A session of which nothing is asked."""

    async def close(self) -> None:
        return


async def connected(house: House) -> tuple[Connection, asyncio.StreamReader, asyncio.StreamWriter, asyncio.Server]:
    """A logged-on connection with a broken engine, being served; what its client reads and writes."""
    made: asyncio.Future[Connection] = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(cast(Any, house), reader, writer)
        connection.name, connection.engine = NAME, BrokenEngine()
        connection._session = cast(Any, Quiet())
        made.set_result(connection)
        await connection.serve()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    return await made, reader, writer, server


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What the client reads to the end of its connection."""
    try:
        return await asyncio.wait_for(reader.read(), 30)
    except ConnectionResetError:
        return b""


async def who_left(house: House) -> list[SessionName]:
    """Whoever leaves first."""
    async with asyncio.timeout(30):
        while not house.left:
            await asyncio.sleep(0.01)
    return house.left


async def test_a_session_that_fails_in_time_ends_alone() -> None:
    """The clock that all sessions share goes on, and the session's name is free again."""
    house = House()
    connection, reader, writer, server = await connected(house)
    connection.tick()
    assert await ended(reader) == b""
    assert await who_left(house) == [NAME]
    writer.close()
    server.close()


async def test_a_connection_that_ends_badly_leaves_its_name() -> None:
    """Even where its engine can't be told that the client is gone."""
    house = House()
    _connection, reader, writer, server = await connected(house)
    writer.write_eof()
    assert await ended(reader) == b""
    assert await who_left(house) == [NAME]
    writer.close()
    server.close()
