"""A service's own schema in PostgreSQL: connections, traced statements, migrations.

Statements are named once, with their SQL, and record themselves in every span they serve (OpenTelemetry's semantic
conventions for databases). A connection that breaks is an ``Unavailable``, never a stack trace for a user.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
from opentelemetry.trace import Span

from shared.connections import COMMAND_TIMEOUT_S, LOST, Connection, Connections, Lease, Transaction
from shared.errors import Unavailable
from shared.tracing import FixedAttributes, statement_spans

OWN_TIMEOUT_S = 2.0
SILENCE = {"tcp_keepalives_idle": "1", "tcp_keepalives_interval": "1", "tcp_keepalives_count": "1"}


class Statement:
    """One SQL statement with the name under which traces show it, like ``INSERT order``."""

    def __init__(self, name: str, sql: str) -> None:
        operation, _, collection = name.partition(" ")
        self.name = name
        self.sql = sql
        self.attributes = FixedAttributes(
            {
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                "db.collection.name": collection,
                "db.query.summary": name,
                "db.query.text": " ".join(sql.split()),
                "peer.service": "database",
            }
        )

    async def fetch(self, connection: Connection, spans: Sequence[Span], *args: Any) -> list[asyncpg.Record]:
        """Run it and give its rows. It is recorded in each of ``spans``."""
        with statement_spans(spans, self.name, self.attributes):
            return await connection.fetch(self.sql, *args)


class Database:
    """One service's connections, in two pools: what clients wait for is durable, what events bring may be redone."""

    def __init__(self, url: str, schema: str, pool_max: int = 4) -> None:
        self._url = url
        self._schema = schema
        self._connections: dict[bool, Connections] = {}
        for durable in (True, False):
            commit = "on" if durable else "off"
            told = {"search_path": schema, "application_name": schema, "synchronous_commit": commit}
            self._connections[durable] = Connections(url, pool_max, told)

    async def connect(self) -> None:
        """Opens both pools. Raises OSError or asyncpg's errors when the server can't be reached."""
        for connections in self._connections.values():
            await connections.open()

    async def close(self) -> None:
        for connections in self._connections.values():
            connections.close()

    def connection(self, *, durable: bool = True) -> Lease:
        """A connection without a transaction: each statement commits by itself."""
        return Lease(self._connections[durable])

    def transaction(self, *, durable: bool = True, guard: str = "") -> Transaction:
        """A transaction, on disk once the block has ended; with ``durable=False`` some 0.6 s later, in order.

        That is for what an event brings: after a crash it is brought again. Raises Unavailable when the server goes
        away, in which case the outcome of the commit is unknown. ``guard``: see ``Transaction``.
        """
        return Transaction(self._connections[durable], guard)

    @asynccontextmanager
    async def own_connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """A connection outside the pools, for what lives as long as a connection does: a lock.

        The server gives it up, and with it the lock, some two seconds after its client's machine fell silent.
        """
        try:
            connection = await asyncpg.connect(
                self._url,
                timeout=COMMAND_TIMEOUT_S,
                command_timeout=OWN_TIMEOUT_S,
                server_settings={"search_path": self._schema, "application_name": self._schema, **SILENCE},
            )
            try:
                yield connection
            finally:
                connection.terminate()
        except LOST as error:
            raise Unavailable("database", type(error).__name__) from error

    async def ping(self) -> None:
        async with self.connection() as connection:
            await connection.fetch("SELECT 1")


async def migrate(database: Database, folder: Path) -> None:
    """Brings the schema up to date: runs each ``NNNN_name.sql`` of the folder that has not run yet, in order, once."""
    async with database.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(hashtext(current_schema()))")
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (name text PRIMARY KEY, applied_at timestamptz)"
        )
        done = {row["name"] for row in await connection.fetch("SELECT name FROM migrations")}
        for path in sorted(folder.glob("*.sql")):
            if path.name not in done:
                await connection.execute(path.read_text())
                await connection.execute("INSERT INTO migrations VALUES ($1, now())", path.name)
