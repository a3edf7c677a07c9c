"""How an order request becomes an order: each field by itself, and what goes together."""

import math
from datetime import UTC, datetime, timedelta

import msgspec

from services.client_gateway.fields import one_of, price_from, quantity_from
from services.client_gateway.requests import OrderRequest
from shared.contracts.codes import OrderType, SelfTrade, Side, TimeInForce
from shared.contracts.engine import Instrument
from shared.contracts.money import Money, Shares
from shared.contracts.orders import NO_OPTIONS, OrderOptions
from shared.errors import Problem

SIDES = {side.name: side for side in Side}
ORDER_TYPES = {kind.name: kind for kind in OrderType}
TIMES_IN_FORCE = {time.name: time for time in TimeInForce}
SELF_TRADES = {choice.name: choice for choice in SelfTrade}
STOPS = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
LIMITED = (OrderType.LIMIT, OrderType.STOP_LIMIT)
RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)

EXPIRY_MAX = timedelta(days=366)
"""How far away the end of a GTD order may be."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An order request whose every field makes sense by itself. ``price`` is None for a market order."""

    instrument: Instrument
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: Money | None
    quantity: Shares
    client_order_id: str
    options: OrderOptions


def understand(request: OrderRequest, instruments: dict[str, Instrument]) -> Wanted:
    """Judges an order request by itself. Raises Problem 422 that names the field and what is possible."""
    instrument = instruments.get(request.symbol)
    if instrument is None:
        raise Problem(422, "unknown_symbol", f"symbol must be one of {', '.join(sorted(instruments))}.")
    side = one_of("side", request.side, SIDES)
    order_type = one_of("order_type", request.order_type, ORDER_TYPES)
    default = "IOC" if order_type is OrderType.MARKET else "GTC"
    time_in_force = one_of("time_in_force", request.time_in_force or default, TIMES_IN_FORCE)
    quantity = quantity_from("quantity", request.quantity, instrument)
    price = _price(request, instrument, order_type)
    if order_type is OrderType.MARKET and time_in_force in RESTING:
        raise Problem(422, "invalid_time_in_force", "A market order never rests; use IOC or FOK.")
    if order_type in STOPS and time_in_force not in RESTING:
        raise Problem(422, "invalid_time_in_force", "A stop order waits for its trigger; use GTC, DAY or GTD.")
    return Wanted(
        instrument=instrument,
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        price=price,
        quantity=quantity,
        client_order_id=request.client_order_id or "",
        options=options_of(request, instrument, order_type, time_in_force, quantity),
    )


def _price(request: OrderRequest, instrument: Instrument, order_type: OrderType) -> Money | None:
    """The limit price, None for an order that takes any price up to its protection."""
    if order_type in LIMITED:
        if request.price is None:
            raise Problem(422, "price_required", "A limit order needs a price; for any price use MARKET or STOP.")
        return price_from("price", request.price, instrument)
    if request.price is not None:
        detail = f"A {order_type.name} order has no price; leave it out or use LIMIT or STOP_LIMIT."
        raise Problem(422, "price_not_allowed", detail)
    return None


def options_of(
    request: OrderRequest, instrument: Instrument, order_type: OrderType, time_in_force: TimeInForce, quantity: Shares
) -> OrderOptions:
    """What few orders ask for. Raises Problem 422 where it does not go with the rest of the order."""
    rests = time_in_force in RESTING
    if request.post_only and not (rests and order_type is OrderType.LIMIT):
        raise Problem(422, "invalid_post_only", "Only a LIMIT order that may rest (GTC, DAY, GTD) can be post-only.")
    display = 0
    if request.display_quantity is not None:
        display = quantity_from("display_quantity", request.display_quantity, instrument)
        if not (rests and order_type in LIMITED) or display >= quantity:
            detail = "display_quantity must be below the quantity, on a limit order that may rest (GTC, DAY, GTD)."
            raise Problem(422, "invalid_display_quantity", detail)
    choice = request.self_trade_prevention or SelfTrade.CANCEL_NEWEST.name
    options = OrderOptions(
        post_only=request.post_only,
        display_quantity=display,
        self_trade=one_of("self_trade_prevention", choice, SELF_TRADES),
        expires_at_s=_expiry(request.expires_at, time_in_force),
        trigger=_trigger(request, instrument, order_type),
        linked_order_id=_link(request.linked_order_id, rests),
        fee_ppm=max(instrument.maker_fee_ppm, instrument.taker_fee_ppm, 0),
    )
    return options if options != NO_OPTIONS else NO_OPTIONS


def _trigger(request: OrderRequest, instrument: Instrument, order_type: OrderType) -> Money:
    """A stop's price, a trailing stop's distance from the last price, 0 for all others."""
    trails = order_type is OrderType.TRAILING_STOP
    given = {"stop_price": request.stop_price, "trail_amount": request.trail_amount}
    name = ("trail_amount" if trails else "stop_price") if order_type in STOPS else ""
    for other, value in given.items():
        if value is not None and other != name:
            raise Problem(422, f"{other}_not_allowed", f"A {order_type.name} order has no {other}; leave it out.")
    if not name:
        return 0
    value = given[name]
    if value is None:
        raise Problem(422, f"{name}_required", f"A {order_type.name} order needs {name}.")
    return price_from(name, value, instrument)


def _link(linked_order_id: str | None, rests: bool) -> int:
    """The other order of a pair of which one cancels the other, 0 for none."""
    if linked_order_id is None:
        return 0
    if not rests or not linked_order_id.isascii() or not linked_order_id.isdigit() or int(linked_order_id) >= 2**63:
        detail = "linked_order_id must be the id of an open order of yours, on an order that may rest (GTC, DAY, GTD)."
        raise Problem(422, "invalid_linked_order_id", detail)
    return int(linked_order_id)


def _expiry(expires_at: datetime | None, time_in_force: TimeInForce) -> int:
    """When a GTD order ends, in Unix seconds, upwards; 0 for all others."""
    if time_in_force is not TimeInForce.GTD:
        if expires_at is not None:
            raise Problem(422, "invalid_expires_at", "Only an order with time_in_force GTD has expires_at.")
        return 0
    now = datetime.now(UTC)
    if expires_at is None or expires_at.tzinfo is None or not now < expires_at <= now + EXPIRY_MAX:
        detail = (
            f"A GTD order needs expires_at: a time with its offset, as in 2030-01-31T16:00:00Z, in the future and at "
            f"most {EXPIRY_MAX.days} days away."
        )
        raise Problem(422, "invalid_expires_at", detail)
    return math.ceil(expires_at.timestamp())


def protection_price(wanted: Wanted, quote: Money, percent: int) -> Money:
    """The worst price at which an order without a limit may trade: ``percent`` beyond the quote, on a tick, inwards."""
    tick = wanted.instrument.tick_size
    if wanted.side is Side.BUY:
        return max(tick, quote * (100 + percent) // 100 // tick * tick)
    return max(tick, -(-quote * (100 - percent) // 100 // tick) * tick)
