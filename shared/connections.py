"""Connections to PostgreSQL that are kept: taken for a block, given back after it.

asyncpg's own pool wraps each connection in a proxy and each hand-over in tasks and time-outs, which costs more than the
statement that is run in between (78 µs of CPU against 30).
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

import asyncpg

from shared.errors import Unavailable

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    OSError,
    TimeoutError,
)
"""What asyncpg raises when the server is gone, stopping, full or not there yet."""

COMMAND_TIMEOUT_S = 10.0


class Connections:
    """At most ``size_max`` connections to one server. Nothing on them leaves state of a session behind."""

    def __init__(self, url: str, size_max: int, server_settings: Mapping[str, str]) -> None:
        self._url = url
        self._free = size_max
        self._server_settings = dict(server_settings)
        self._idle: list[Connection] = []
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def open(self) -> None:
        """Makes a first connection. Raises what asyncpg does when the server can't be reached."""
        self.give_back(await self.take())

    async def take(self) -> Connection:
        """A connection that nobody else has until it is given back. Raises one of LOST."""
        while not self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await turn
        self._free -= 1
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
        try:
            return await asyncpg.connect(
                self._url,
                timeout=COMMAND_TIMEOUT_S,
                command_timeout=COMMAND_TIMEOUT_S,
                server_settings=self._server_settings,
            )
        except BaseException:
            self._make_room()
            raise

    def give_back(self, connection: Connection) -> None:
        """Takes a connection back; one that is in the middle of something is closed."""
        if connection.is_closed() or connection.is_in_transaction():
            connection.terminate()
        else:
            self._idle.append(connection)
        self._make_room()

    def close(self) -> None:
        """Ends what is idle. What is in use ends when it is given back, with the process."""
        for connection in self._idle:
            connection.terminate()
        self._idle.clear()

    def _make_room(self) -> None:
        self._free += 1
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


class Lease:
    """A connection for the length of a block. A server that goes away meanwhile is ``Unavailable``."""

    __slots__ = ("_connection", "_connections")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._connection: Connection

    async def __aenter__(self) -> Connection:
        try:
            self._connection = await self._connections.take()
        except LOST as error:
            raise _outage(error) from error
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if isinstance(error, (*LOST, asyncio.CancelledError)):
            # It may be in the middle of a statement whose end nobody waits for.
            self._connection.terminate()
        self._connections.give_back(self._connection)
        if isinstance(error, LOST):
            raise _outage(error) from error


class Transaction(Lease):
    """A lease that begins with BEGIN and ends with COMMIT, or with ROLLBACK where its block raises.

    ``guard`` is a statement that goes out with the BEGIN, in one trip, and must change exactly one row: otherwise the
    block is not entered and ``Unavailable`` raised.
    """

    __slots__ = ("_guard",)

    def __init__(self, connections: Connections, guard: str = "") -> None:
        super().__init__(connections)
        self._guard = guard

    async def __aenter__(self) -> Connection:
        connection = await super().__aenter__()
        try:
            done = await connection.execute(f"BEGIN; {self._guard}" if self._guard else "BEGIN")
            if self._guard and done != "UPDATE 1":
                await connection.execute("ROLLBACK")
                raise Unavailable("database", "its state is another than expected")
        except BaseException as error:
            await super().__aexit__(type(error), error, error.__traceback__)
            raise
        return connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failure = error
        try:
            if error is None:
                await self._connection.execute("COMMIT")
            elif not isinstance(error, (*LOST, asyncio.CancelledError)):
                await self._connection.execute("ROLLBACK")
        except BaseException as raised:
            failure = raised
            raise
        finally:
            await super().__aexit__(kind, failure, trace)


def _outage(error: BaseException) -> Unavailable:
    return Unavailable("database", type(error).__name__)
