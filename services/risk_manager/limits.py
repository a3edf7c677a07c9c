"""The limits of an account or a firm, and how a refusal reads.

What needs nothing but the order is judged here. What depends on other orders is judged in ``lua/check.lua``, where
reading what an account and its firm have, and counting the order for both, are one step; its verdicts are turned into
words here.
"""

from collections.abc import Mapping
from enum import IntEnum

import msgspec

from shared.contracts.codes import OrderType, Side
from shared.contracts.money import MONEY_SCALE, SHARES_MAX, Money, Shares, money_text
from shared.contracts.operations import Refused
from shared.contracts.risk import RiskCheck, Scope

ORDER_VALUE_MAX = 10**15
"""The highest limit on one order's value: 100 billion dollars."""

DAILY_VALUE_MAX = 4 * 10**15
"""The highest limit on a sum of values. With an order's on top it is below 2^53, to which Lua's numbers are exact."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one account, or all accounts of a firm together, may do. Field names are names in the table ``limits``."""

    order_value: Money = 1_000_000 * MONEY_SCALE
    """Price times quantity of one order."""
    order_quantity: Shares = 100_000
    position: Shares = 1_000_000
    """Shares of one symbol bought less sold here, open buy orders counted as if filled."""
    exposure: Money = DAILY_VALUE_MAX
    """Shares bought here and not sold again at their reference price, open buy orders counted as if filled."""
    credit: Money = DAILY_VALUE_MAX
    """Value bought less value sold on this day (UTC), open buy orders counted as if filled."""
    daily_value: Money = 1_000_000_000 * MONEY_SCALE
    """Value traded on this day (UTC) by either side, open orders counted as if filled at their price."""
    price_collar_percent: int = 20
    """How far a limit price may be from the reference price: last trade, else mid price, else the instrument's own."""
    open_orders: int = 10_000
    orders_per_second: int = 1_000
    """Orders let through, averaged over a sliding second."""
    duplicate_window_ms: int = 0
    """For how long an order like one that was let through (symbol, side, type, price, quantity) is refused."""

    def packed(self) -> tuple[int, ...]:
        """For ``lua/check.lua``."""
        return (
            self.position,
            self.daily_value,
            self.open_orders,
            self.orders_per_second,
            self.exposure,
            self.credit,
            self.price_collar_percent,
            self.duplicate_window_ms,
        )


LIMIT_NAMES = Limits.__struct_fields__
OF_ONE_ACCOUNT = ("price_collar_percent", "duplicate_window_ms")
"""Limits that a firm can't have for all its accounts together."""

FIRM_LIMITS = Limits(
    order_value=ORDER_VALUE_MAX,
    order_quantity=SHARES_MAX,
    position=ORDER_VALUE_MAX,
    daily_value=DAILY_VALUE_MAX,
    open_orders=1_000_000,
    orders_per_second=1_000_000,
)
"""What a firm may do unless an administrator says otherwise: as much as can be, so that its accounts' limits count."""

CENT = 100

IN_MONEY = ("order_value", "exposure", "credit", "daily_value")
SUMS = ("exposure", "credit", "daily_value")


def limit_names(scope: Scope) -> tuple[str, ...]:
    """The limits that an account, or a firm, has."""
    return tuple(name for name in LIMIT_NAMES if scope is Scope.ACCOUNT or name not in OF_ONE_ACCOUNT)


def limit_fault(scope: Scope, limits: Mapping[str, int | None]) -> Refused | None:
    """Why these can't be limits, None if they can."""
    names = limit_names(scope) if scope is not Scope.ALL else ()
    for name, value in limits.items():
        if name not in names:
            detail = f"{name} is no limit of {_WHO[scope]}; there are: {', '.join(names) or 'none'}."
            return Refused(code="invalid_limit", detail=detail)
        highest = DAILY_VALUE_MAX if name in SUMS else ORDER_VALUE_MAX
        if value is not None and not 0 <= value <= highest:
            shown = money_text(highest) if name in IN_MONEY else str(highest)
            return Refused(code="invalid_limit", detail=f"{name} must be from 0 to {shown}.")
    return None


class Verdict(IntEnum):
    """What ``lua/check.lua`` says about an order: the numbers that it answers with. A firm's are ``OF_FIRM`` higher."""

    PASSED = 0
    RELEASED = 1
    PRICE_COLLAR = 2
    POSITION = 3
    DAILY_VALUE = 4
    OPEN_ORDERS = 5
    ORDER_RATE = 6
    EXPOSURE = 7
    CREDIT = 8
    DUPLICATE = 9


OF_FIRM = 100


def check_alone(order: RiskCheck, limits: Limits, scope: Scope = Scope.ACCOUNT) -> Refused | None:
    """Judges an order by itself: its quantity and its value."""
    if order.quantity > limits.order_quantity:
        detail = "One order of {who} may have at most {limit} shares, this one has {value}. Send smaller orders."
        return _refused("order_quantity_limit", scope, str(limits.order_quantity), str(order.quantity), detail)
    value = order.price * order.quantity
    if value > limits.order_value:
        detail = (
            "One order of {who} may be worth at most {limit} dollars, this one is worth {value}. Send smaller ones."
        )
        return _refused("order_value_limit", scope, money_text(limits.order_value), money_text(value), detail)
    return None


def checks_made(order: RiskCheck, limits: Limits, firm: Limits | None = None) -> int:
    """How many limits an order that passed was held against.

    A collar is only for limit orders; position, exposure and credit are only for buys: there is no short selling here
    (the wallet sees to that), so a sale can only make them smaller.
    """
    shared = 5 + 3 * (order.side == Side.BUY)  # value, quantity, daily value, open orders, rate
    own = (order.order_type == OrderType.LIMIT) + (limits.duplicate_window_ms > 0)
    return shared * (1 if firm is None else 2) + own


def unknown_symbol(symbol: str) -> Refused:
    """The engine does not list it."""
    return Refused(
        code="unknown_symbol",
        detail=f"{symbol} is not traded here. GET /marketdata/symbols lists what is.",
        figures={"symbol": symbol},
    )


def blocked(scope: Scope) -> Refused:
    """The kill switch of an account, or of its firm, is thrown."""
    code = "account_blocked" if scope is Scope.ACCOUNT else "firm_blocked"
    return Refused(code=code, detail=f"{_WHO[scope].capitalize()} may not trade at the moment. Ask the exchange.")


def restricted(symbol: str, scope: Scope) -> Refused:
    """A symbol that an account, its firm, or nobody may trade."""
    return Refused(
        code="symbol_restricted",
        detail=f"{symbol} may not be traded by {_WHO[scope]}. Open orders can be cancelled.",
        figures={"limit": scope, "value": symbol},
    )


def refusal(verdict: int, limit: int, value: int) -> Refused:
    """A refusal by ``lua/check.lua`` in words. Prices and values are ``Money``, everything else is counted."""
    if verdict == Verdict.RELEASED:
        return Refused(code="order_released", detail="This order was given up before it was checked. Send a new one.")
    of_firm, kind = divmod(verdict, OF_FIRM)
    code, detail = _REFUSALS[Verdict(kind)]
    if kind == Verdict.PRICE_COLLAR:
        limit += -limit % CENT if value < limit else -(limit % CENT)  # a price that can be asked for
    text = money_text if kind in _MONEY_VERDICTS else str
    return _refused(code, Scope.FIRM if of_firm else Scope.ACCOUNT, text(limit), text(value), detail)


_WHO = {Scope.ACCOUNT: "this account", Scope.FIRM: "this account's firm", Scope.ALL: "anybody"}
_MONEY_VERDICTS = (Verdict.PRICE_COLLAR, Verdict.DAILY_VALUE, Verdict.EXPOSURE, Verdict.CREDIT)
_REFUSALS = {
    Verdict.PRICE_COLLAR: (
        "price_collar",
        "The price {value} is too far from the market; the nearest that is allowed now is {limit}.",
    ),
    Verdict.POSITION: (
        "position_limit",
        "With its open orders {who} would have {value} shares of this symbol, at most {limit} are allowed. "
        "Buy less, or cancel open orders first.",
    ),
    Verdict.DAILY_VALUE: (
        "daily_value_limit",
        "With its open orders {who} would trade {value} dollars today, at most {limit} are allowed. "
        "Cancel open orders, or go on tomorrow (UTC).",
    ),
    Verdict.OPEN_ORDERS: (
        "open_orders_limit",
        "With this order {who} would have {value} open orders, at most {limit} are allowed. Cancel some first.",
    ),
    Verdict.ORDER_RATE: (
        "order_rate_limit",
        "No more than {limit} orders a second may come from {who}. Wait a moment and send it again.",
    ),
    Verdict.EXPOSURE: (
        "exposure_limit",
        "With its open orders {who} would have {value} dollars in the market, at most {limit} are allowed. "
        "Buy less, cancel open orders, or sell first.",
    ),
    Verdict.CREDIT: (
        "credit_limit",
        "With its open orders {who} would buy for {value} dollars more than it sells today, at most {limit} are "
        "allowed. Buy less, cancel open orders, or sell first.",
    ),
    Verdict.DUPLICATE: (
        "duplicate_order",
        "An order like this one came in {value} ms ago; within {limit} ms that counts as sent twice. "
        "Wait, or change it.",
    ),
}


def _refused(code: str, scope: Scope, limit: str, value: str, detail: str) -> Refused:
    return Refused(
        code=code if scope is Scope.ACCOUNT else f"firm_{code}",
        detail=detail.format(limit=limit, value=value, who=_WHO[scope]),
        figures={"limit": limit, "value": value},
    )
