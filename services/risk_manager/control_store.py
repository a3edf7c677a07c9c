"""The SQL of the risk controls: what is set, and the record of who set it."""

from collections.abc import Sequence

from services.risk_manager.controls import StoredControls, Subject
from shared.connections import Connection
from shared.contracts.risk import ControlChange, Scope


async def load_controls(connection: Connection) -> StoredControls:
    """All that is set."""
    limits: dict[Subject, dict[str, int]] = {}
    for row in await connection.fetch("SELECT scope, id, name, value FROM limits"):
        limits.setdefault(Subject(Scope(row["scope"]), row["id"]), {})[row["name"]] = row["value"]
    restricted: dict[Subject, tuple[str, ...]] = {}
    for row in await connection.fetch(
        "SELECT scope, id, array_agg(symbol ORDER BY symbol) AS symbols FROM restrictions GROUP BY scope, id"
    ):
        restricted[Subject(Scope(row["scope"]), row["id"])] = tuple(row["symbols"])
    blocks = await connection.fetch("SELECT scope, id FROM blocks")
    firms = await connection.fetch("SELECT firm_id, name FROM firms")
    memberships = await connection.fetch("SELECT user_id, firm_id FROM memberships")
    return StoredControls(
        limits=limits,
        blocked=frozenset(Subject(Scope(row["scope"]), row["id"]) for row in blocks),
        restricted=restricted,
        firms={row["firm_id"]: row["name"] for row in firms},
        memberships={row["user_id"]: row["firm_id"] or 0 for row in memberships},
    )


async def add_firm(connection: Connection, name: str) -> int | None:
    """The new firm's id, None where the name is taken."""
    firm_id: int | None = await connection.fetchval(
        "INSERT INTO firms (name) VALUES ($1) ON CONFLICT (name) DO NOTHING RETURNING firm_id", name
    )
    return firm_id


async def set_limit(connection: Connection, subject: Subject, name: str, value: int | None) -> None:
    """Sets a limit, or (None) takes it away."""
    await connection.execute("DELETE FROM limits WHERE scope = $1 AND id = $2 AND name = $3", *subject, name)
    if value is not None:
        await connection.execute("INSERT INTO limits VALUES ($1, $2, $3, $4)", *subject, name, value)


async def set_blocked(connection: Connection, subject: Subject, blocked: bool) -> None:
    if blocked:
        await connection.execute("INSERT INTO blocks VALUES ($1, $2) ON CONFLICT DO NOTHING", *subject)
    else:
        await connection.execute("DELETE FROM blocks WHERE scope = $1 AND id = $2", *subject)


async def set_restricted(connection: Connection, subject: Subject, symbols: Sequence[str]) -> None:
    """Replaces the list."""
    await connection.execute("DELETE FROM restrictions WHERE scope = $1 AND id = $2", *subject)
    await connection.execute("INSERT INTO restrictions SELECT $1, $2, unnest($3::text[])", *subject, list(symbols))


async def set_firm(connection: Connection, account_id: int, firm_id: int) -> None:
    """``firm_id`` 0: none."""
    await connection.execute(
        """INSERT INTO memberships VALUES ($1, nullif($2::bigint, 0))
           ON CONFLICT (user_id) DO UPDATE SET firm_id = excluded.firm_id""",
        account_id,
        firm_id,
    )


async def record_changes(connection: Connection, changes: Sequence[ControlChange]) -> None:
    """Adds to the record; the database gives the numbers."""
    await connection.executemany(
        """INSERT INTO control_changes (time_us, changed_by, scope, id, name, before, after, trace_id)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        [(c.time_us, c.user_id, c.scope, c.id, c.name, c.before, c.after, c.trace_id) for c in changes],
    )


async def load_changes(connection: Connection, before: int, limit: int) -> list[ControlChange]:
    """A page of the record, newest first, below number ``before`` (0: from the newest)."""
    rows = await connection.fetch(
        """SELECT number, time_us, changed_by, scope, id, name, before, after, trace_id FROM control_changes
           WHERE $1::bigint = 0 OR number < $1 ORDER BY number DESC LIMIT $2""",
        before,
        limit,
    )
    return [
        ControlChange(
            number=row["number"],
            time_us=row["time_us"],
            user_id=row["changed_by"],
            scope=Scope(row["scope"]),
            id=row["id"],
            name=row["name"],
            before=row["before"],
            after=row["after"],
            trace_id=row["trace_id"],
        )
        for row in rows
    ]
