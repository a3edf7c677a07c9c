"""The limits of an account, and how a refusal reads.

What needs nothing but the order is judged here. What depends on the account's other orders is judged in
``lua/check.lua``, where reading the account and counting the order against it are one step; its verdicts are turned
into words here.
"""

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from shared.contracts.codes import OrderType, Side
from shared.contracts.money import MONEY_SCALE, Money, Shares, money_text
from shared.contracts.operations import Refused
from shared.contracts.risk import RiskCheck

ORDER_VALUE_MAX = 10**15
"""The highest limit on one order's value: 100 billion dollars."""

DAILY_VALUE_MAX = 4 * 10**15
"""The highest limit on a day's value. With an order's on top it stays below 2^53, to which Lua's numbers are exact."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one account may do. The field names are the names in the table ``limits``."""

    order_value: Money = 1_000_000 * MONEY_SCALE
    """Price times quantity of one order."""
    order_quantity: Shares = 100_000
    position: Shares = 1_000_000
    """Shares of one symbol bought less sold here, open buy orders counted as if filled."""
    daily_value: Money = 1_000_000_000 * MONEY_SCALE
    """Value traded on this day (UTC) by either side, open orders counted as if filled at their price."""
    price_collar_percent: int = 20
    """How far a limit price may be from the reference price: last trade, else mid price, else the instrument's own."""
    open_orders: int = 10_000
    orders_per_second: int = 1_000
    """Orders let through, averaged over a sliding second."""


LIMIT_NAMES = Limits.__struct_fields__


def limit_fault(limits: Mapping[str, int | None]) -> Refused | None:
    """Why these can't be limits, None if they can."""
    for name, value in limits.items():
        highest = DAILY_VALUE_MAX if name == "daily_value" else ORDER_VALUE_MAX
        if name not in LIMIT_NAMES or (value is not None and not 0 <= value <= highest):
            return Refused(code="invalid_limit", detail=f"{name} is no limit, or not one from 0 to {highest}.")
    return None


class Verdict(IntEnum):
    """What ``lua/check.lua`` says about an order: the numbers that it answers with."""

    PASSED = 0
    RELEASED = 1
    PRICE_COLLAR = 2
    POSITION = 3
    DAILY_VALUE = 4
    OPEN_ORDERS = 5
    ORDER_RATE = 6


def check_alone(order: RiskCheck, limits: Limits) -> Refused | None:
    """Judges an order by itself: its quantity and its value."""
    if order.quantity > limits.order_quantity:
        return _refused(
            "order_quantity_limit",
            str(limits.order_quantity),
            str(order.quantity),
            "One order of this account may have at most {limit} shares, this one has {value}. Send smaller orders.",
        )
    value = order.price * order.quantity
    if value > limits.order_value:
        return _refused(
            "order_value_limit",
            money_text(limits.order_value),
            money_text(value),
            "One order of this account may be worth at most {limit} dollars, this one is worth {value}. "
            "Send smaller orders.",
        )
    return None


def checks_made(order: RiskCheck) -> int:
    """How many limits an order that passed was held against: a collar only for limit orders, a position only for buys.

    There is no short selling here (the wallet sees to that), so a sale can only make a position smaller.
    """
    always = 5  # value, quantity, daily value, open orders, rate
    return always + (order.order_type == OrderType.LIMIT) + (order.side == Side.BUY)


def unknown_symbol(symbol: str) -> Refused:
    """The engine does not list it."""
    return Refused(
        code="unknown_symbol",
        detail=f"{symbol} is not traded here. GET /marketdata/symbols lists what is.",
        figures={"symbol": symbol},
    )


def refusal(verdict: int, limit: int, value: int) -> Refused:
    """A refusal by ``lua/check.lua`` in words. Prices and values are ``Money``, everything else is counted."""
    if verdict == Verdict.RELEASED:
        return Refused(code="order_released", detail="This order was given up before it was checked. Send a new one.")
    code, detail = _REFUSALS[Verdict(verdict)]
    if verdict in (Verdict.PRICE_COLLAR, Verdict.DAILY_VALUE):
        return _refused(code, money_text(limit), money_text(value), detail)
    return _refused(code, str(limit), str(value), detail)


_REFUSALS = {
    Verdict.PRICE_COLLAR: (
        "price_collar",
        "The price {value} is too far from the market; the nearest that is allowed now is {limit}.",
    ),
    Verdict.POSITION: (
        "position_limit",
        "With its open orders this account would have {value} shares of this symbol, at most {limit} are allowed. "
        "Buy less, or cancel open orders first.",
    ),
    Verdict.DAILY_VALUE: (
        "daily_value_limit",
        "With its open orders this account would trade {value} dollars today, at most {limit} are allowed. "
        "Cancel open orders, or go on tomorrow (UTC).",
    ),
    Verdict.OPEN_ORDERS: (
        "open_orders_limit",
        "This account would have {value} open orders, at most {limit} are allowed. Cancel some first.",
    ),
    Verdict.ORDER_RATE: (
        "order_rate_limit",
        "This account may send at most {limit} orders a second. Wait a moment and send it again.",
    ),
}


def _refused(code: str, limit: str, value: str, detail: str) -> Refused:
    return Refused(code=code, detail=detail.format(limit=limit, value=value), figures={"limit": limit, "value": value})
