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


class UserTrades(Answer, frozen=True, kw_only=True, tag=True):
    """Trades, newest first."""

    trades: tuple[UserTrade, ...]


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one symbol: ``cost`` is what they were bought for in total, ``realised`` the profit of those sold."""

    symbol: str
    quantity: Shares
    cost: Money
    realised: Money
    last_price: Money


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


GET_USER_TRADES = Operation(REPORTING, "get_trades", ReportQuery, UserTrades)
GET_POSITIONS = Operation(REPORTING, "get_positions", ReportQuery, Positions)
GET_STATISTICS = Operation(REPORTING, "get_statistics", ReportQuery, Statistics)
