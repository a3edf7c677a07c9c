"""The advisory locks by which engines take turns. Each belongs to a connection, and goes with it."""

import asyncpg

# Asked again and again: a statement that waits for a lock would keep PostgreSQL from cleaning up meanwhile.
TRY = "SELECT pg_try_advisory_lock(hashtext(current_schema()), $1)"

RELAY = -1
"""Who has this one relays the events of all shards. The lock of a shard is its number."""

LAYOUT = -2
"""Who has this one may change which shard trades which symbol."""


async def take(connection: "asyncpg.Connection[asyncpg.Record]", number: int) -> bool:
    """Whether the lock is this connection's now. To be asked once only while it is: locks are counted."""
    taken: bool = await connection.fetchval(TRY, number)
    return taken
