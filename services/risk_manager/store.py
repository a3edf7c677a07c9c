"""The risk-manager's SQL: what is at risk, as the events told it."""

from collections.abc import Sequence

from opentelemetry.trace import Span

from services.risk_manager.effects import Effects, OpenOrder
from shared.connections import Connection
from shared.contracts.events import EXECUTIONS
from shared.postgres import Statement

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
           INSERT INTO daily_values (user_id, day, value, net)
           SELECT * FROM unnest($4::bigint[], $5::integer[], $6::bigint[], $7::bigint[])
           ON CONFLICT (user_id, day) DO UPDATE
           SET value = daily_values.value + excluded.value, net = daily_values.net + excluded.net
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
            [value for _, (value, _) in values],
            [net for _, (_, net) in values],
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
        "SELECT DISTINCT ON (user_id) user_id, day, value, net FROM daily_values ORDER BY user_id, day DESC"
    )
    return seq, Effects(
        {row["order_id"]: OpenOrder(*row.values()) for row in orders},
        {(row["user_id"], row["symbol"]): row["quantity"] for row in positions},
        {(row["user_id"], row["day"]): (row["value"], row["net"]) for row in values},
    )
