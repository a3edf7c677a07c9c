"""What the risk-manager is asked: may this order reach the market?"""

from shared.contracts.money import Money, Shares
from shared.contracts.operations import RISK, Answer, Done, Item, Operation
from shared.contracts.wallet import OrderIds, ReleaseRequest, UnconfirmedSince


class RiskCheck(Item, frozen=True, kw_only=True):
    """An order to be judged. ``price`` is its limit, or the protection price of a market order.

    ``amended_from``: the quantity that an open order asks for so far, 0 for a new order.
    """

    order_id: int
    user_id: int
    symbol: str
    side: int
    order_type: int
    price: Money
    quantity: Shares
    amended_from: Shares = 0


class RiskPassed(Answer, frozen=True, kw_only=True, tag=True):
    """The order is within all limits, and counted against them. ``checks`` is how many limits it passed."""

    order_id: int
    checks: int


class LimitsOf(Item, frozen=True, kw_only=True):
    """Ask for the limits of an account."""

    account_id: int


class LimitsChange(Item, frozen=True, kw_only=True):
    """Administrator ``user_id`` sets limits of an account by name; None puts one back to the default."""

    user_id: int
    account_id: int
    limits: dict[str, int | None]


class AccountLimits(Answer, frozen=True, kw_only=True, tag=True):
    """The limits that are in force for an account, by name; money in 1/10,000 dollar."""

    account_id: int
    limits: dict[str, int]


CHANGE_LIMITS = Operation(RISK, "change_limits", LimitsChange, AccountLimits)
GET_LIMITS = Operation(RISK, "get_limits", LimitsOf, AccountLimits)
VALIDATE_ORDER = Operation(RISK, "validate_order", RiskCheck, RiskPassed)
VALIDATE_AMEND = Operation(RISK, "validate_amend", RiskCheck, RiskPassed)
RELEASE_RISK = Operation(RISK, "release_order", ReleaseRequest, Done)
OPEN_RESERVATIONS = Operation(RISK, "open_reservations", UnconfirmedSince, OrderIds, traced=False)
