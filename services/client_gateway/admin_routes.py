"""``/admin``: what administrators set. Each change is recorded, with who and when, by the service that it changes."""

from fastapi import Response

from services.client_gateway.api import Api, Call, Handler
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import BookTermsRequest
from shared.contracts import engine
from shared.contracts.money import AmountError, Money, money_from
from shared.errors import Problem
from shared.web import json_response

ADMIN = "admin"


class AdminRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def install(self, api: Api) -> None:
        api.route("POST", "/admin/symbols/{symbol}/terms", admins(self.terms), body=BookTermsRequest, tag="admin")

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
