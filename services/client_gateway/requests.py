"""What clients may say: bodies and queries, and how an order request becomes an order."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from shared.contracts.codes import OrderType, SelfTrade, Side, TimeInForce
from shared.contracts.engine import Instrument
from shared.contracts.money import CASH, AmountError, Money, Shares, money_from, shares_from
from shared.contracts.orders import NO_OPTIONS, NewOrder, OrderOptions
from shared.contracts.risk import RiskCheck
from shared.contracts.wallet import HoldRequest
from shared.errors import Problem

T = TypeVar("T")

ClientOrderId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Limit = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[int, Meta(ge=0, le=2**63 - 1)]
PathId = Annotated[int, Meta(ge=1, le=2**63 - 1)]

SIDES = {side.name: side for side in Side}
ORDER_TYPES = {kind.name: kind for kind in (OrderType.LIMIT, OrderType.MARKET)}
TIMES_IN_FORCE = {time.name: time for time in TimeInForce}
SELF_TRADES = {choice.name: choice for choice in SelfTrade}
RESTING = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)

EXPIRY_MAX = timedelta(days=366)
"""How far away the end of a GTD order may be."""


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body or query: a field that nobody knows is a mistake, not a comment."""


class OrderRequest(Body, frozen=True, kw_only=True):
    """``POST /v1/order``. Quantity and price are numbers or strings. A market order has no price.

    ``post_only``: refuse it rather than trade at once. ``display_quantity``: show only that much at a time (iceberg).
    ``self_trade_prevention``: what happens when it meets an order of your own. ``expires_at``: when a GTD order ends.
    """

    symbol: str
    side: str
    quantity: Decimal
    order_type: str = "LIMIT"
    price: Decimal | None = None
    time_in_force: str | None = None
    client_order_id: ClientOrderId | None = None
    post_only: bool = False
    display_quantity: Decimal | None = None
    self_trade_prevention: str | None = None
    expires_at: datetime | None = None


class AmendRequest(Body, frozen=True, kw_only=True):
    """``PATCH /v1/order/{order_id}``: a new price, a new quantity in all (what is filled included), or both."""

    quantity: Decimal | None = None
    price: Decimal | None = None


class CancelAllQuery(Body, frozen=True, kw_only=True):
    """``DELETE /v1/orders``: all your open orders, or those of one symbol."""

    symbol: str = ""


class OrderBatch(Body, frozen=True, kw_only=True):
    """``POST /v1/orders``: up to 100 orders, each judged by itself."""

    orders: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=100)]


class OrdersQuery(Body, frozen=True, kw_only=True):
    """``GET /v1/orders``. ``status`` may name several, separated by commas."""

    symbol: str = ""
    status: str = ""
    cursor: Cursor = 0
    limit: Limit = 50


class ClientOrderQuery(Body, frozen=True, kw_only=True):
    client_order_id: ClientOrderId


class LoginRequest(Body, frozen=True, kw_only=True):
    username: Annotated[str, Meta(max_length=128)]
    password: Annotated[str, Meta(max_length=1024)]


class RegisterRequest(LoginRequest, frozen=True, kw_only=True):
    email: Annotated[str, Meta(max_length=254)] = ""


class FundingRequest(Body, frozen=True, kw_only=True):
    """``POST /wallet/add-funds``: cash, or (``asset``: a symbol) shares. ``request_id`` makes a retry harmless."""

    amount: Decimal
    asset: str = CASH
    request_id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class BookQuery(Body, frozen=True, kw_only=True):
    symbol: str
    depth: Annotated[int, Meta(ge=1, le=1000)] = 20


class TradesQuery(Body, frozen=True, kw_only=True):
    symbol: str
    cursor: Cursor = 0
    limit: Limit = 100


class CandlesQuery(Body, frozen=True, kw_only=True):
    symbol: str
    interval: str = "1m"
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class PageQuery(Body, frozen=True, kw_only=True):
    cursor: Cursor = 0
    limit: Limit = 50


class NotificationsQuery(Body, frozen=True, kw_only=True):
    after: Cursor = 0
    limit: Limit = 100


class ReportTradesQuery(Body, frozen=True, kw_only=True):
    """``format=csv`` gives a file for a spreadsheet."""

    symbol: str = ""
    cursor: Cursor = 0
    limit: Limit = 100
    format: str = "json"


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
    if order_type is OrderType.MARKET:
        if request.price is not None:
            raise Problem(422, "price_not_allowed", "A market order has no price; leave it out or use LIMIT.")
        if time_in_force not in (TimeInForce.IOC, TimeInForce.FOK):
            raise Problem(422, "invalid_time_in_force", "A market order never rests; use IOC or FOK.")
        price = None
    else:
        price = price_from(request.price, instrument)
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


def options_of(
    request: OrderRequest, instrument: Instrument, order_type: OrderType, time_in_force: TimeInForce, quantity: Shares
) -> OrderOptions:
    """What few orders ask for. Raises Problem 422 where it does not go with the rest of the order."""
    rests = order_type is OrderType.LIMIT and time_in_force in RESTING
    if request.post_only and not rests:
        raise Problem(422, "invalid_post_only", "Only a LIMIT order that may rest (GTC, DAY, GTD) can be post-only.")
    display = 0
    if request.display_quantity is not None:
        display = quantity_from("display_quantity", request.display_quantity, instrument)
        if not rests or display >= quantity:
            detail = "display_quantity must be below the quantity, on a LIMIT order that may rest (GTC, DAY, GTD)."
            raise Problem(422, "invalid_display_quantity", detail)
    choice = request.self_trade_prevention or SelfTrade.CANCEL_NEWEST.name
    options = OrderOptions(
        post_only=request.post_only,
        display_quantity=display,
        self_trade=one_of("self_trade_prevention", choice, SELF_TRADES),
        expires_at_s=_expiry(request.expires_at, time_in_force),
    )
    return options if options != NO_OPTIONS else NO_OPTIONS


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


@dataclass(frozen=True, slots=True)
class Steps:
    """One order, as each of the services on its way is asked about it."""

    hold: HoldRequest
    check: RiskCheck
    order: NewOrder


def steps(wanted: Wanted, order_id: int, user_id: int, price: Money, traceparent: str, position: int = 0) -> Steps:
    """The questions of an order's way. ``price`` is its limit, or the protection price of a market order."""
    buys = wanted.side is Side.BUY
    symbol = wanted.instrument.symbol
    return Steps(
        HoldRequest(
            order_id=order_id,
            user_id=user_id,
            asset=CASH if buys else symbol,
            unit_amount=price if buys else 1,
            quantity=wanted.quantity,
            position=position,
            traceparent=traceparent,
        ),
        RiskCheck(
            order_id=order_id,
            user_id=user_id,
            symbol=symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            price=price,
            quantity=wanted.quantity,
            traceparent=traceparent,
        ),
        NewOrder(
            order_id=order_id,
            user_id=user_id,
            client_order_id=wanted.client_order_id,
            symbol=symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            time_in_force=wanted.time_in_force,
            price=price,
            quantity=wanted.quantity,
            options=wanted.options,
            traceparent=traceparent,
        ),
    )


def protection_price(wanted: Wanted, quote: Money, percent: int) -> Money:
    """The worst price at which a market order may trade: ``percent`` beyond the quote, on a tick, inwards."""
    tick = wanted.instrument.tick_size
    if wanted.side is Side.BUY:
        return max(tick, quote * (100 + percent) // 100 // tick * tick)
    return max(tick, -(-quote * (100 - percent) // 100 // tick) * tick)


def funding_amount(request: FundingRequest, symbols: dict[str, Instrument]) -> int:
    """What comes in, in units of its asset. Raises Problem 422."""
    if request.asset != CASH and request.asset not in symbols:
        raise Problem(422, "unknown_asset", f"asset must be {CASH} or one of {', '.join(sorted(symbols))}.")
    try:
        amount = money_from(request.amount) if request.asset == CASH else shares_from(request.amount)
    except AmountError as error:
        raise Problem(422, "invalid_amount", f"amount {error}.") from error
    if amount <= 0:
        raise Problem(422, "invalid_amount", "amount must be above zero.")
    return amount


def one_of(name: str, value: str, known: Mapping[str, T]) -> T:
    """What a word of a client's stands for. Raises Problem 422 that lists the words there are."""
    found = known.get(value.upper())
    if found is None:
        raise Problem(422, f"invalid_{name}", f"{name} must be one of {', '.join(known)}.")
    return found


def quantity_from(name: str, value: Decimal, instrument: Instrument) -> Shares:
    """A quantity that a client wrote, in whole lots. Raises Problem 422."""
    try:
        quantity = shares_from(value)
    except AmountError as error:
        raise Problem(422, f"invalid_{name}", f"{name} {error}.") from error
    if quantity <= 0:
        raise Problem(422, f"invalid_{name}", f"{name} must be above zero.")
    if quantity % instrument.lot_size:
        raise Problem(422, f"invalid_{name}", f"{name} must be a multiple of the lot of {instrument.lot_size}.")
    return quantity


def price_from(value: Decimal | None, instrument: Instrument) -> Money:
    """A price that a client wrote, on a tick. Raises Problem 422."""
    if value is None:
        raise Problem(422, "price_required", "A limit order needs a price; for any price use order_type MARKET.")
    try:
        price = money_from(value)
    except AmountError as error:
        raise Problem(422, "invalid_price", f"price {error}.") from error
    if price <= 0:
        raise Problem(422, "invalid_price", "price must be above zero.")
    if price % instrument.tick_size:
        tick = Decimal(instrument.tick_size) / 10_000
        raise Problem(422, "price_off_tick", f"price must be a multiple of the tick of {tick}.")
    return price
