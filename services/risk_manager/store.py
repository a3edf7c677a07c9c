"""The risk-manager's SQL: what is at risk as the events told it, and the limits of single accounts."""

from collections.abc import Sequence

from opentelemetry.trace import Span

from services.risk_manager.effects import Effects, OpenOrder
from shared.contracts.events import EXECUTIONS
from shared.contracts.risk import LimitsChange
from shared.postgres import Connection, Statement

# The three parts touch different orders, so they may share one statement: orders that are gone, orders that came to
# rest, and orders that rested before and have another quantity now.
UPDATE_EXPOSURES = Statement(
    "UPDATE exposures",
    """WITH gone AS (DELETE FROM exposures WHERE order_id = ANY($1::bigint[])),
       rested AS (
           INSERT INTO exposures (order_id, user_id, symbol, side, price, open_quantity)
           SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::text[], $5::smallint[], $6::bigint[], $7::bigint[])
           ON CONFLICT (order_id) DO UPDATE SET price = excluded.price, open_quantity = excluded.open_quantity
       )
       UPDATE exposures SET open_quantity = filled.open_quantity
       FROM unnest($8::bigint[], $9::bigint[]) AS filled (order_id, open_quantity)
       WHERE exposures.order_id = filled.order_id""",
)

UPDATE_TOTALS = Statement(
    "UPDATE user_positions",
    """WITH valued AS (
           INSERT INTO daily_values (user_id, day, value)
           SELECT * FROM unnest($4::bigint[], $5::integer[], $6::bigint[])
           ON CONFLICT (user_id, day) DO UPDATE SET value = daily_values.value + excluded.value
       )
       INSERT INTO user_positions (user_id, symbol, quantity)
       SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
       ON CONFLICT (user_id, symbol) DO UPDATE SET quantity = user_positions.quantity + excluded.quantity""",
)


async def record(connection: Connection, spans: Sequence[Span], effects: Effects) -> None:
    """Writes what events changed, in the caller's transaction."""
    gone = [order.order_id for order in effects.orders.values() if not order.open_quantity]
    rested = [order for order in effects.orders.values() if order.open_quantity and order.price]
    filled = [order for order in effects.orders.values() if order.open_quantity and not order.price]
    if effects.orders:
        await UPDATE_EXPOSURES.fetch(
            connection,
            spans,
            gone,
            [order.order_id for order in rested],
            [order.user_id for order in rested],
            [order.symbol for order in rested],
            [order.side for order in rested],
            [order.price for order in rested],
            [order.open_quantity for order in rested],
            [order.order_id for order in filled],
            [order.open_quantity for order in filled],
        )
    if effects.positions:
        positions, values = sorted(effects.positions.items()), sorted(effects.values.items())
        await UPDATE_TOTALS.fetch(
            connection,
            spans,
            [user_id for (user_id, _), _ in positions],
            [symbol for (_, symbol), _ in positions],
            [change for _, change in positions],
            [user_id for (user_id, _), _ in values],
            [day for (_, day), _ in values],
            [value for _, value in values],
        )


async def load_position(connection: Connection) -> int:
    """The last engine event that is written here."""
    return int(await connection.fetchval("SELECT seq FROM positions WHERE stream = $1", EXECUTIONS.name) or 0)


async def load(connection: Connection) -> tuple[int, Effects]:
    """Everything at risk, and the engine event it is the state after. Read in one transaction of the caller's."""
    seq = await load_position(connection)
    orders = await connection.fetch("SELECT order_id, user_id, symbol, side, price, open_quantity FROM exposures")
    positions = await connection.fetch("SELECT user_id, symbol, quantity FROM user_positions WHERE quantity <> 0")
    values = await connection.fetch(
        "SELECT DISTINCT ON (user_id) user_id, day, value FROM daily_values ORDER BY user_id, day DESC"
    )
    return seq, Effects(
        {row["order_id"]: OpenOrder(*row.values()) for row in orders},
        {(row["user_id"], row["symbol"]): row["quantity"] for row in positions},
        {(row["user_id"], row["day"]): row["value"] for row in values},
    )


async def load_limits(connection: Connection) -> dict[int, dict[str, int]]:
    """The limits of single accounts: user id -> name -> value."""
    found: dict[int, dict[str, int]] = {}
    for row in await connection.fetch("SELECT user_id, name, value FROM limits"):
        found.setdefault(row["user_id"], {})[row["name"]] = row["value"]
    return found


async def change_limits(connection: Connection, change: LimitsChange, now_us: int, trace_id: str) -> None:
    """Sets limits of an account, or (None) takes them away, and records it, in the caller's transaction."""
    await connection.execute(
        "DELETE FROM limits WHERE user_id = $1 AND name = ANY($2::text[])", change.account_id, list(change.limits)
    )
    await connection.execute(
        """INSERT INTO limits (user_id, name, value)
           SELECT $1, name, value FROM unnest($2::text[], $3::bigint[]) AS new (name, value) WHERE value IS NOT NULL""",
        change.account_id,
        list(change.limits),
        list(change.limits.values()),
    )
    await connection.execute(
        """INSERT INTO limit_changes (time_us, changed_by, user_id, name, value, trace_id)
           SELECT $1, $2, $3, name, value, $6 FROM unnest($4::text[], $5::bigint[]) AS new (name, value)""",
        now_us,
        change.user_id,
        change.account_id,
        list(change.limits),
        list(change.limits.values()),
        trace_id,
    )
