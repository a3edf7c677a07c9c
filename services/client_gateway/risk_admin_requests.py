"""What administrators say about risk controls, and how these are shown."""

from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from services.client_gateway.requests import Body
from services.client_gateway.views import time_text
from shared.contracts.money import AmountError, money_from, money_text, shares_from
from shared.contracts.risk import ControlChange, Controls, Scope
from shared.errors import Problem

Limit = Decimal | UnsetType | None


class LimitsRequest(Body, frozen=True, kw_only=True):
    """Limits of an account or a firm, any of them; null puts one back to the default. Money in dollars.

    A firm has no ``price_collar_percent`` and no ``duplicate_window_ms``: these judge an order by itself.
    """

    order_value: Limit = UNSET
    order_quantity: Limit = UNSET
    position: Limit = UNSET
    exposure: Limit = UNSET
    credit: Limit = UNSET
    daily_value: Limit = UNSET
    price_collar_percent: Limit = UNSET
    open_orders: Limit = UNSET
    orders_per_second: Limit = UNSET
    duplicate_window_ms: Limit = UNSET


class BlockRequest(Body, frozen=True, kw_only=True):
    """The kill switch: shut out (true) or let in again (false)."""

    blocked: bool


class RestrictionsRequest(Body, frozen=True, kw_only=True):
    """The symbols that may not be traded: the whole list, in place of the one before."""

    symbols: Annotated[list[Annotated[str, Meta(max_length=32)]], Meta(max_length=1000)]


class FirmRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/firms``."""

    name: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\s\x00-\x1f]([^\x00-\x1f]*[^\s\x00-\x1f])?$")]


class MembershipRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/users/{user_id}/firm``: the firm that an account belongs to, null for none."""

    firm_id: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,17}$")] | None


IN_MONEY = ("order_value", "exposure", "credit", "daily_value")
"""Limits in dollars; all others are counted."""


def limits_from(request: LimitsRequest) -> dict[str, int | None]:
    """The limits that a request names, in the exchange's own units. Raises Problem 422."""
    limits: dict[str, int | None] = {}
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if value is msgspec.UNSET:
            continue
        try:
            limits[name] = None if value is None else (money_from if name in IN_MONEY else shares_from)(value)
        except AmountError as error:
            raise Problem(422, "invalid_limit", f"{name} {error}.") from error
    if not limits:
        raise Problem(422, "nothing_to_change", "Name at least one limit.")
    return limits


def controls_view(controls: Controls) -> dict[str, Any]:
    """The controls that are in force for an account, a firm, or all."""
    restricted = {"restricted_symbols": controls.restricted_symbols}
    if controls.scope is Scope.ALL:
        return restricted
    shown = {
        "limits": {n: money_text(v) if n in IN_MONEY else v for n, v in controls.limits.items()},
        "blocked": controls.blocked,
        **restricted,
    }
    if controls.scope is Scope.FIRM:
        accounts = [str(account) for account in controls.accounts]
        return {"firm_id": str(controls.id), "name": controls.name, **shown, "user_ids": accounts}
    firm_id = str(controls.firm_id) if controls.firm_id else None
    return {"user_id": str(controls.id), **shown, "firm_id": firm_id, "shut_out": controls.accounts[controls.id]}


def change_view(change: ControlChange) -> dict[str, Any]:
    """One line of the record. Money as dollars; ``from`` and ``to`` are null for the default."""
    money = change.name in IN_MONEY
    return {
        "number": str(change.number),
        "time": time_text(change.time_us),
        "user_id": str(change.user_id),
        "scope": change.scope,
        "id": str(change.id) if change.scope is not Scope.ALL else None,
        "name": change.name,
        "from": money_text(int(change.before)) if money and change.before is not None else change.before,
        "to": money_text(int(change.after)) if money and change.after is not None else change.after,
        "trace_id": change.trace_id,
    }
