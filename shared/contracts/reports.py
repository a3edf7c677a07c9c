"""What reporting is asked: trades, positions, profit and loss, statistics of one user."""

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import REPORTING, Answer, Item, Operation


class ReportQuery(Item, frozen=True, kw_only=True):
    """A user's report, no older than engine event ``position``; trades page downward from ``before`` (0: newest)."""

    user_id: int
    position: int = 0
    symbol: str = ""
    before: int = 0
    limit: int = 100


class UserTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as one of its two users sees it. ``role`` is "maker" or "taker"."""

    trade_id: int
    order_id: int
    symbol: str
    side: int
    price: Money
    quantity: Shares
    role: str
    realised: Money
    time_us: int
    fee: Money


class UserTrades(Answer, frozen=True, kw_only=True, tag=True):
    """Trades, newest first."""

    trades: tuple[UserTrade, ...]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one symbol: ``cost`` is what they were bought for in total, ``realised`` the profit of those sold.

    ``fees`` were paid for all trades of the symbol, less rebates; neither cost nor profit has them in it.
    """

    symbol: str
    quantity: Shares
    cost: Money
    realised: Money
    last_price: Money
    fees: Money


class Positions(Answer, frozen=True, kw_only=True, tag=True):
    """All positions of a user, by symbol."""

    positions: tuple[Position, ...]


class Statistics(Answer, frozen=True, kw_only=True, tag=True):
    """A user's figures since the beginning."""

    order_count: int
    rejected_count: int
    trade_count: int
    maker_count: int
    bought_value: Money
    sold_value: Money
    bought_quantity: Shares
    sold_quantity: Shares
    fees: Money


class DaysQuery(Item, frozen=True, kw_only=True):
    """A user's days (since 1970, UTC) from the first to the last, no older than engine event ``position``."""

    user_id: int
    first_day: int
    last_day: int
    position: int = 0


class DaySummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a user traded in one symbol on one day; ``realised`` is the profit before ``fees``."""

    day: int
    symbol: str
    trade_count: int
    maker_count: int
    bought_quantity: Shares
    bought_value: Money
    sold_quantity: Shares
    sold_value: Money
    realised: Money
    fees: Money


class Days(Answer, frozen=True, kw_only=True, tag=True):
    """Days, newest first; one on which nothing was traded is left out."""

    days: tuple[DaySummary, ...]


class Export(Answer, frozen=True, kw_only=True, tag=True):
    """A report as CSV with a header. ``next_before`` continues where it was cut short; 0: that was all."""

    content: bytes
    next_before: int


GET_USER_TRADES = Operation(REPORTING, "get_trades", ReportQuery, UserTrades)
GET_POSITIONS = Operation(REPORTING, "get_positions", ReportQuery, Positions)
GET_STATISTICS = Operation(REPORTING, "get_statistics", ReportQuery, Statistics)
GET_DAYS = Operation(REPORTING, "get_days", DaysQuery, Days)
EXPORT_TRADES = Operation(REPORTING, "export_trades", ReportQuery, Export)
