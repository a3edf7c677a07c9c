"""``/admin``: what administrators set. Each change is recorded, with who and when, by the service that it changes."""

from decimal import Decimal

import msgspec
from fastapi import Response

from services.client_gateway.api import Api, Call, Handler, Nothing
from services.client_gateway.fields import one_of, price_from
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import (
    BlockRequest,
    BookTermsRequest,
    LimitsRequest,
    ListingRequest,
    PageQuery,
    PathId,
    SessionRequest,
)
from services.client_gateway.views import time_text
from shared.contracts import engine, risk
from shared.contracts.codes import Session
from shared.contracts.money import AmountError, Money, money_from, money_text, shares_from
from shared.errors import Problem
from shared.web import json_response

ADMIN = "admin"
SESSIONS = {session.name: session for session in Session}


class AdminRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def install(self, api: Api) -> None:
        api.route("POST", "/admin/symbols", admins(self.list_symbol), body=ListingRequest, tag="admin")
        api.route("DELETE", "/admin/symbols/{symbol}", admins(self.delist_symbol), tag="admin")
        api.route("POST", "/admin/symbols/{symbol}/session", admins(self.session), body=SessionRequest, tag="admin")
        api.route("POST", "/admin/users/{user_id}/block", admins(self.block), body=BlockRequest, tag="admin")
        api.route("POST", "/admin/users/{user_id}/limits", admins(self.set_limits), body=LimitsRequest, tag="admin")
        api.route("GET", "/admin/users/{user_id}/limits", admins(self.limits), tag="admin")
        api.route("GET", "/admin/actions", admins(self.actions), query=PageQuery, tag="admin")
        api.route("POST", "/admin/symbols/{symbol}/terms", admins(self.terms), body=BookTermsRequest, tag="admin")

    async def list_symbol(self, call: Call, request: ListingRequest) -> Response:
        """Lists a symbol: it trades from now on, in the session CONTINUOUS, from an empty book."""
        changed = await call.ask(
            engine.LIST_SYMBOL,
            engine.ListSymbol(
                user_id=call.identity.user_id,
                symbol=request.symbol,
                name=request.name,
                tick_size=_dollars("tick_size", request.tick_size),
                lot_size=request.lot_size,
                reference_price=_dollars("reference_price", request.reference_price),
                traceparent=call.traceparent,
            ),
        )
        await self._listing.load()
        return json_response({"symbol": request.symbol, "listed": True, "event": changed.position}, 201)

    async def delist_symbol(self, call: Call, _query: Nothing) -> Response:
        """Takes a symbol off the list: its open orders are cancelled (reason delisted), new ones refused."""
        symbol = self._symbol(call)
        changed = await call.ask(
            engine.DELIST_SYMBOL,
            engine.DelistSymbol(user_id=call.identity.user_id, symbol=symbol, traceparent=call.traceparent),
        )
        await self._listing.load()
        return json_response({"symbol": symbol, "listed": False, "event": changed.position})

    async def terms(self, call: Call, request: BookTermsRequest) -> Response:
        """Sets a symbol's fees, while no order is in its book, and its price band. What is left out stays."""
        symbol = self._symbol(call)
        changed = await call.ask(
            engine.CONFIGURE_BOOK,
            engine.ConfigureBook(
                user_id=call.identity.user_id,
                symbol=symbol,
                maker_fee_ppm=request.maker_fee_ppm,
                taker_fee_ppm=request.taker_fee_ppm,
                band=_band(request),
                traceparent=call.traceparent,
            ),
        )
        await self._listing.load()
        instrument = self._listing.instruments[symbol]
        return json_response(
            {
                "symbol": symbol,
                "maker_fee_ppm": instrument.maker_fee_ppm,
                "taker_fee_ppm": instrument.taker_fee_ppm,
                "event": changed.position,
            }
        )

    async def session(self, call: Call, request: SessionRequest) -> Response:
        """Turns a symbol to another session: halt, resume, collect for an auction, close. See docs/matching.md, 8."""
        symbol = self._symbol(call)
        session = one_of("session", request.session, SESSIONS)
        reference = 0
        if request.reference_price is not None:
            instrument = self._listing.instruments[symbol]
            reference = price_from("reference_price", request.reference_price, instrument)
        changed = await call.ask(
            engine.SET_SESSION,
            engine.SetSession(
                user_id=call.identity.user_id,
                symbol=symbol,
                session=session,
                reference_price=reference,
                traceparent=call.traceparent,
            ),
        )
        return json_response({"symbol": symbol, "session": session.name, "event": changed.position})

    async def block(self, call: Call, request: BlockRequest) -> Response:
        """The kill switch: cancels all orders of an account and refuses new ones, or lets it in again."""
        account_id = _account_id(call)
        changed = await call.ask(
            engine.BLOCK_ACCOUNT,
            engine.Block(
                user_id=call.identity.user_id,
                account_id=account_id,
                blocked=request.blocked,
                traceparent=call.traceparent,
            ),
        )
        return json_response({"user_id": str(account_id), "blocked": request.blocked, "event": changed.position})

    async def set_limits(self, call: Call, request: LimitsRequest) -> Response:
        """Sets risk limits of an account, from its next order on; null puts a limit back to the default."""
        changed = await call.ask(
            risk.CHANGE_LIMITS,
            risk.LimitsChange(
                user_id=call.identity.user_id,
                account_id=_account_id(call),
                limits=_limits(request),
                traceparent=call.traceparent,
            ),
        )
        return json_response(_limits_view(changed))

    async def limits(self, call: Call, _query: Nothing) -> Response:
        """The risk limits that are in force for an account."""
        found = await call.ask(
            risk.GET_LIMITS, risk.LimitsOf(account_id=_account_id(call), traceparent=call.traceparent)
        )
        return json_response(_limits_view(found))

    async def actions(self, call: Call, query: PageQuery) -> Response:
        """What administrators did to the market, newest first: who, when, what, in which trace."""
        page = await call.ask(
            engine.LIST_ACTIONS,
            engine.ActionsQuery(before=query.cursor, limit=query.limit, traceparent=call.traceparent),
        )
        rows = [
            {
                "event": action.seq,
                "time": time_text(action.time_us),
                "user_id": str(action.user_id),
                "action": action.action,
                "symbol": action.symbol or None,
                "detail": msgspec.json.decode(action.detail),
                "trace_id": action.trace_id,
            }
            for action in page.actions
        ]
        more = len(rows) == query.limit
        return json_response({"actions": rows, "next_cursor": str(page.actions[-1].seq) if more else None})

    def _symbol(self, call: Call) -> str:
        symbol = str(call.request.path_params["symbol"])
        if symbol not in self._listing.instruments:
            known = ", ".join(sorted(self._listing.instruments))
            raise Problem(404, "unknown_symbol", f"symbol must be one of {known}.")
        return symbol


def admins(handler: Handler) -> Handler:
    """The handler, for those only who have the role admin. Raises Problem 403 for others."""

    async def guarded(call: Call, said: object) -> Response:
        if ADMIN not in call.identity.roles:
            raise Problem(403, "admin_required", "Only an administrator may do this.")
        return await handler(call, said)

    guarded.__doc__ = handler.__doc__
    return guarded


def _band(request: BookTermsRequest) -> Money | None:
    if request.price_band is None:
        return None
    try:
        band = money_from(request.price_band)
    except AmountError as error:
        raise Problem(422, "invalid_price_band", f"price_band {error}.") from error
    if band < 0:
        raise Problem(422, "invalid_price_band", "price_band must be 0 (none) or above.")
    return band


def _dollars(name: str, value: Decimal) -> Money:
    try:
        return money_from(value)
    except AmountError as error:
        raise Problem(422, f"invalid_{name}", f"{name} {error}.") from error


def _account_id(call: Call) -> int:
    try:
        return msgspec.convert(call.request.path_params["user_id"], PathId, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(404, "unknown_user", "user_id must be the number of a user.") from error


IN_MONEY = ("order_value", "daily_value")
"""Limits in dollars; all others are counted."""


def _limits(request: LimitsRequest) -> dict[str, int | None]:
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


def _limits_view(found: risk.AccountLimits) -> dict[str, object]:
    shown = {name: money_text(value) if name in IN_MONEY else value for name, value in found.limits.items()}
    return {"user_id": str(found.account_id), "limits": shown}
