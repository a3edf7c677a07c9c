"""What a batch of trades does to its users' positions and statistics. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.reporting.positions import Holding
from shared.contracts.codes import Side
from shared.contracts.events import EngineEvent, Trade
from shared.contracts.money import Money, Shares

Key = tuple[int, str]
"""User and symbol."""

TAKER, MAKER = "taker", "maker"


@dataclass(slots=True)
class TradeSide:
    """A trade as one of its two users sees it."""

    user_id: int
    trade_id: int
    order_id: int
    symbol: str
    side: int
    price: Money
    quantity: Shares
    role: str
    time_us: int
    fee: Money
    realised: Money = 0


@dataclass(slots=True)
class Counts:
    """What is added to a user's statistics."""

    orders: int = 0
    rejected: int = 0


DAY_US = 86_400_000_000

DayKey = tuple[int, int, str]
"""User, day (since 1970, UTC) and symbol."""


@dataclass(slots=True)
class Day:
    """What is added to a user's day in a symbol. ``fees`` are less what came back as rebates."""

    trades: int = 0
    maker_trades: int = 0
    bought_quantity: Shares = 0
    bought_value: Money = 0
    sold_quantity: Shares = 0
    sold_value: Money = 0
    realised: Money = 0
    fees: Money = 0


def sides_of(event: EngineEvent, trade: Trade) -> tuple[TradeSide, TradeSide]:
    """The taker's and the maker's side of a trade."""
    maker_side = Side.SELL if trade.side == Side.BUY else Side.BUY
    taker = TradeSide(
        trade.taker_user_id,
        trade.trade_id,
        trade.taker_order_id,
        event.symbol,
        trade.side,
        trade.price,
        trade.quantity,
        TAKER,
        event.time_us,
        trade.taker_fee,
    )
    maker = TradeSide(
        trade.maker_user_id,
        trade.trade_id,
        trade.maker_order_id,
        event.symbol,
        maker_side,
        trade.price,
        trade.quantity,
        MAKER,
        event.time_us,
        trade.maker_fee,
    )
    return taker, maker


def settle(sides: Iterable[TradeSide], holdings: Mapping[Key, Holding]) -> None:
    """Applies the sides in their order to the holdings, and notes in each the profit that it made."""
    for side in sides:
        holding = holdings[side.user_id, side.symbol]
        if side.side == Side.BUY:
            side.realised = holding.take_in(side.quantity, side.price)
        else:
            side.realised = holding.sell(side.quantity, side.price)


def days_of(sides: Iterable[TradeSide]) -> dict[DayKey, Day]:
    """What settled sides add to the days of their users."""
    days: dict[DayKey, Day] = {}
    for side in sides:
        day = days.setdefault((side.user_id, side.time_us // DAY_US, side.symbol), Day())
        day.trades += 1
        day.maker_trades += side.role == MAKER
        day.realised += side.realised
        day.fees += side.fee
        if side.side == Side.BUY:
            day.bought_quantity += side.quantity
            day.bought_value += side.quantity * side.price
        else:
            day.sold_quantity += side.quantity
            day.sold_value += side.quantity * side.price
    return days
