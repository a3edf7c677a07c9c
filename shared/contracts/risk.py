"""What the risk-manager is asked: may this order reach the market?"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

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


class Scope(StrEnum):
    """For whom a risk control is set."""

    ACCOUNT = "account"
    FIRM = "firm"
    """All accounts of a firm together."""
    ALL = "all"
    """Everybody; its id is 0."""


class ControlsOf(Item, frozen=True, kw_only=True):
    """Ask for the risk controls of an account, a firm, or all."""

    scope: Scope
    id: int = 0


class ControlsChange(Item, frozen=True, kw_only=True, omit_defaults=True):
    """Administrator ``user_id`` sets risk controls; what is None stays as it is.

    ``limits`` by name, of an account or a firm; None puts one back to the default. ``blocked``: the kill switch of an
    account or a firm. ``restricted_symbols`` replaces the whole list. ``firm_id``: the firm of an account, 0 for none.
    """

    user_id: int
    scope: Scope
    id: int = 0
    limits: Mapping[str, int | None] = {}
    blocked: bool | None = None
    restricted_symbols: tuple[str, ...] | None = None
    firm_id: int | None = None


class Controls(Answer, frozen=True, kw_only=True, tag=True):
    """The risk controls that are in force; money in 1/10,000 dollar.

    ``accounts`` are those that they are for: the account itself, or all of the firm; each with whether it is shut out,
    by its own kill switch or by its firm's. ``firm_id`` is 0 for an account without a firm. ``name`` is a firm's.
    """

    scope: Scope
    id: int
    limits: dict[str, int]
    blocked: bool
    restricted_symbols: tuple[str, ...]
    accounts: dict[int, bool]
    firm_id: int = 0
    name: str = ""


class NewFirm(Item, frozen=True, kw_only=True):
    """Administrator ``user_id`` makes a firm. Its name is taken once."""

    user_id: int
    name: str


class FirmsQuery(Item, frozen=True, kw_only=True):
    """Ask for all firms."""


class Firms(Answer, frozen=True, kw_only=True, tag=True):
    """All firms, by name."""

    firms: tuple[Controls, ...]


class ControlChangesQuery(Item, frozen=True, kw_only=True):
    """A page of changes of risk controls, newest first, below ``before`` (0: from the newest)."""

    before: int = 0
    limit: int = 50


class ControlChange(msgspec.Struct, frozen=True, kw_only=True):
    """Who changed what, when, from what to what (None: the default), and in which trace."""

    number: int
    time_us: int
    user_id: int
    scope: Scope
    id: int
    name: str
    before: str | None
    after: str | None
    trace_id: str


class ControlChanges(Answer, frozen=True, kw_only=True, tag=True):
    """A page of changes."""

    changes: tuple[ControlChange, ...]


CHANGE_CONTROLS = Operation(RISK, "change_controls", ControlsChange, Controls)
GET_CONTROLS = Operation(RISK, "get_controls", ControlsOf, Controls)
CREATE_FIRM = Operation(RISK, "create_firm", NewFirm, Controls)
LIST_FIRMS = Operation(RISK, "list_firms", FirmsQuery, Firms)
LIST_CONTROL_CHANGES = Operation(RISK, "list_control_changes", ControlChangesQuery, ControlChanges)
VALIDATE_ORDER = Operation(RISK, "validate_order", RiskCheck, RiskPassed)
VALIDATE_AMEND = Operation(RISK, "validate_amend", RiskCheck, RiskPassed)
RELEASE_RISK = Operation(RISK, "release_order", ReleaseRequest, Done)
OPEN_RESERVATIONS = Operation(RISK, "open_reservations", UnconfirmedSince, OrderIds, traced=False)
