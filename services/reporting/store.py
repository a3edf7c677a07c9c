"""Reporting's tables: holdings that change with each event, trades that stay, and the reports made from both."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from asyncpg import Record
from opentelemetry.trace import Span

from services.reporting import statements as sql
from services.reporting.positions import Holding
from services.reporting.trades import Counts, Day, DayKey, Key, TradeSide
from shared.connections import Connection
from shared.contracts.money import Money
from shared.contracts.reports import (
    Days,
    DaysQuery,
    DaySummary,
    Export,
    Position,
    Positions,
    ReportQuery,
    Statistics,
    UserTrade,
    UserTrades,
)
from shared.export import export_csv
from shared.faults import N_PLUS_ONE
from shared.postgres import Database

LIMIT_MAX = 1000
NEWEST = 2**63 - 1


class ReportStore:
    """Reads and writes for whole batches. Writes happen in the transaction of the events that cause them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: set[Key] = set()

    # What events change

    async def lock_holdings(
        self, connection: Connection, spans: Sequence[Span], keys: Collection[Key]
    ) -> dict[Key, Holding]:
        """These holdings, kept from the other streams until the transaction ends. New ones are made first."""
        if not self._known.issuperset(keys):
            await sql.ENSURE_HOLDINGS.fetch(connection, spans, *_key_columns(keys))
        rows = await sql.LOCK_HOLDINGS.fetch(connection, spans, *_key_columns(keys))
        return {
            (row["user_id"], row["symbol"]): Holding(
                row["quantity"], int(row["cost"]), int(row["realised"]), row["owed"]
            )
            for row in rows
        }

    def remember(self, keys: Collection[Key]) -> None:
        """These holdings exist for good: to be told once the transaction that made them has committed."""
        self._known.update(keys)

    async def write_holdings(
        self, connection: Connection, spans: Sequence[Span], holdings: Mapping[Key, Holding]
    ) -> None:
        """Writes locked holdings back."""
        await sql.WRITE_HOLDINGS.fetch(connection, spans, *_holding_columns(holdings))

    async def write_trades(
        self,
        connection: Connection,
        spans: Sequence[Span],
        sides: Sequence[TradeSide],
        holdings: Mapping[Key, Holding],
        last_prices: Mapping[str, Money],
        days: Mapping[DayKey, Day],
    ) -> None:
        """Adds trades and their days, and writes the locked holdings that they changed and the prices that they set."""
        await sql.WRITE_TRADES.fetch(
            connection,
            spans,
            *_holding_columns(holdings),
            list(last_prices),
            list(last_prices.values()),
            [side.user_id for side in sides],
            [side.trade_id for side in sides],
            [side.role for side in sides],
            [side.order_id for side in sides],
            [side.symbol for side in sides],
            [side.side for side in sides],
            [side.price for side in sides],
            [side.quantity for side in sides],
            [str(side.realised) for side in sides],
            [side.time_us for side in sides],
            [side.fee for side in sides],
            *_day_columns(days),
        )

    async def add_days(self, connection: Connection, spans: Sequence[Span], days: Mapping[DayKey, Day]) -> None:
        """Adds to days what no trade brought about."""
        await sql.ADD_DAYS.fetch(connection, spans, *_day_columns(days))

    async def add_counts(self, connection: Connection, spans: Sequence[Span], counts: Mapping[int, Counts]) -> None:
        """Adds to the statistics of each user."""
        await sql.ADD_STATISTICS.fetch(
            connection,
            spans,
            list(counts),
            [counted.orders for counted in counts.values()],
            [counted.rejected for counted in counts.values()],
        )

    # What users ask for

    async def trades(self, queries: Sequence[ReportQuery], spans: Sequence[Span]) -> list[UserTrades]:
        """Each user's trades, newest first, at most 1,000."""
        async with self._database.connection() as connection:
            rows = await sql.SELECT_TRADES.fetch(
                connection,
                spans,
                [query.user_id for query in queries],
                [query.symbol for query in queries],
                [query.before or NEWEST for query in queries],
                [max(1, min(query.limit, LIMIT_MAX)) for query in queries],
            )
            if N_PLUS_ONE.on:
                rows = await _one_by_one(connection, spans, queries, rows)
        found: list[list[UserTrade]] = [[] for _ in queries]
        for row in rows:
            found[row["number"] - 1].append(_user_trade(row))
        return [UserTrades(trades=tuple(trades)) for trades in found]

    async def positions(self, queries: Sequence[ReportQuery], spans: Sequence[Span]) -> list[Positions]:
        """Each user's positions, also those that are sold out: their profit remains."""
        async with self._database.connection() as connection:
            rows = await sql.SELECT_POSITIONS.fetch(
                connection, spans, [query.user_id for query in queries], [query.symbol for query in queries]
            )
        found: list[list[Position]] = [[] for _ in queries]
        for row in rows:
            found[row["number"] - 1].append(_position(row))
        return [Positions(positions=tuple(positions)) for positions in found]

    async def statistics(self, queries: Sequence[ReportQuery], spans: Sequence[Span]) -> list[Statistics]:
        """Each user's figures; zeros for who has done nothing yet."""
        async with self._database.connection() as connection:
            rows = await sql.SELECT_STATISTICS.fetch(connection, spans, [query.user_id for query in queries])
        found = {row["user_id"]: _statistics(row) for row in rows}
        return [found[query.user_id] for query in queries]

    async def days(self, queries: Sequence[DaysQuery], spans: Sequence[Span]) -> list[Days]:
        """Each user's days by symbol, newest first."""
        async with self._database.connection() as connection:
            found = [
                await sql.SELECT_DAYS.fetch(connection, spans, query.user_id, query.first_day, query.last_day)
                for query in queries
            ]
        return [Days(days=tuple(map(_day, rows))) for rows in found]

    async def export_trades(self, queries: Sequence[ReportQuery], spans: Sequence[Span]) -> list[Export]:
        """Each user's trades as CSV, newest first."""
        async with self._database.connection() as connection:
            return [
                await export_csv(
                    connection,
                    spans,
                    sql.EXPORT_TRADES,
                    query.user_id,
                    query.before or NEWEST,
                    query.symbol,
                    limit=query.limit,
                )
                for query in queries
            ]


async def _one_by_one(
    connection: Connection, spans: Sequence[Span], queries: Sequence[ReportQuery], rows: Sequence[Record]
) -> list[Record]:
    """The same trades again, each by a statement of its own: what ``N_PLUS_ONE`` is."""
    found: list[Record] = []
    for row in rows:
        user_id, just_above = queries[row["number"] - 1].user_id, row["trade_id"] + 1
        one = await sql.SELECT_TRADES.fetch(connection, spans, [user_id], [row["symbol"]], [just_above], [1])
        assert one[0]["trade_id"] == row["trade_id"]
        found.append(row)
    return found


def _key_columns(keys: Collection[Key]) -> tuple[list[int], list[str]]:
    return [user_id for user_id, _ in keys], [symbol for _, symbol in keys]


def _holding_columns(holdings: Mapping[Key, Holding]) -> tuple[list[Any], ...]:
    return (
        *_key_columns(holdings),
        [holding.quantity for holding in holdings.values()],
        [str(holding.cost) for holding in holdings.values()],
        [str(holding.realised) for holding in holdings.values()],
        [holding.owed for holding in holdings.values()],
    )


def _day_columns(days: Mapping[DayKey, Day]) -> tuple[list[Any], ...]:
    return (
        [user_id for user_id, _, _ in days],
        [day for _, day, _ in days],
        [symbol for _, _, symbol in days],
        [day.trades for day in days.values()],
        [day.maker_trades for day in days.values()],
        [str(day.bought_quantity) for day in days.values()],
        [str(day.bought_value) for day in days.values()],
        [str(day.sold_quantity) for day in days.values()],
        [str(day.sold_value) for day in days.values()],
        [str(day.realised) for day in days.values()],
        [str(day.fees) for day in days.values()],
    )


def _user_trade(row: Record) -> UserTrade:
    return UserTrade(
        trade_id=row["trade_id"],
        order_id=row["order_id"],
        symbol=row["symbol"],
        side=row["side"],
        price=row["price"],
        quantity=row["quantity"],
        role=row["role"],
        realised=int(row["realised"]),
        time_us=row["time_us"],
        fee=row["fee"],
    )


def _position(row: Record) -> Position:
    return Position(
        symbol=row["symbol"],
        quantity=row["quantity"],
        cost=int(row["cost"]),
        realised=int(row["realised"]),
        last_price=row["last_price"],
        fees=int(row["fees"]),
    )


def _statistics(row: Record) -> Statistics:
    return Statistics(
        order_count=row["order_count"],
        rejected_count=row["rejected_count"],
        trade_count=row["trade_count"],
        maker_count=row["maker_count"],
        bought_value=int(row["bought_value"]),
        sold_value=int(row["sold_value"]),
        bought_quantity=int(row["bought_quantity"]),
        sold_quantity=int(row["sold_quantity"]),
        fees=int(row["fees"]),
    )


def _day(row: Record) -> DaySummary:
    return DaySummary(
        day=row["day"],
        symbol=row["symbol"],
        trade_count=row["trade_count"],
        maker_count=row["maker_count"],
        bought_quantity=int(row["bought_quantity"]),
        bought_value=int(row["bought_value"]),
        sold_quantity=int(row["sold_quantity"]),
        sold_value=int(row["sold_value"]),
        realised=int(row["realised"]),
        fees=int(row["fees"]),
    )
