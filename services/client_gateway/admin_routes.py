"""``/admin``: what administrators set. Each change is recorded, with who and when, by the service that it changes."""

from decimal import Decimal

from fastapi import Response

from services.client_gateway.api import Api, Call, Handler, Nothing
from services.client_gateway.fields import one_of, price_from
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import (
    BookTermsRequest,
    ListingRequest,
    PageQuery,
    SessionRequest,
)
from services.client_gateway.views import action_view
from shared.contracts import engine
from shared.contracts.codes import Session
from shared.contracts.money import AmountError, Money, money_from
from shared.errors import Problem
from shared.web import json_response

ADMIN = "admin"
SESSIONS = {session.name: session for session in Session}


class AdminRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def install(self, api: Api) -> None:
        listed = admins(self.list_symbol)
        api.route("POST", "/admin/symbols", listed, body=ListingRequest, tag="admin", answers=(201,))
        api.route("DELETE", "/admin/symbols/{symbol}", admins(self.delist_symbol), tag="admin")
        api.route("POST", "/admin/symbols/{symbol}/session", admins(self.session), body=SessionRequest, tag="admin")
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

    async def actions(self, call: Call, query: PageQuery) -> Response:
        """What administrators did to the market, newest first: who, when, what, in which trace."""
        page = await call.ask(
            engine.LIST_ACTIONS,
            engine.ActionsQuery(before=query.cursor, limit=query.limit, traceparent=call.traceparent),
        )
        rows = [action_view(action) for action in page.actions]
        more = len(rows) == query.limit
        return json_response({"actions": rows, "next_cursor": str(page.actions[-1].seq) if more else None})

    def _symbol(self, call: Call) -> str:
        symbol = str(call.params["symbol"])
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
