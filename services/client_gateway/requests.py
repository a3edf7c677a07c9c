"""What clients may say: bodies and queries."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.contracts.deliveries import KINDS
from shared.contracts.engine import Instrument
from shared.contracts.money import CASH, AmountError, money_from, shares_from
from shared.errors import Problem

ClientOrderId = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Limit = Annotated[int, Meta(ge=1, le=500)]
Cursor = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Symbol = Annotated[str, Meta(max_length=32, pattern=r"^[^\x00]*$")]
PathId = Annotated[int, Meta(ge=1, le=2**63 - 1)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body or query: a field that nobody knows is a mistake, not a comment."""


class OrderRequest(Body, frozen=True, kw_only=True):
    """``POST /v1/order``. Quantity and price are numbers or strings. A market order has no price.

    ``post_only``: refuse it rather than trade at once. ``display_quantity``: show only that much at a time (iceberg).
    ``self_trade_prevention``: what happens when it meets an order of your own. ``expires_at``: when a GTD order ends.
    ``stop_price``: what triggers a STOP or STOP_LIMIT. ``trail_amount``: how far behind the last price a TRAILING_STOP
    follows. ``linked_order_id``: an open order of yours that ends when this one trades, is triggered or ends (OCO).
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
    stop_price: Decimal | None = None
    trail_amount: Decimal | None = None
    linked_order_id: Annotated[str, Meta(max_length=19)] | None = None


class AmendRequest(Body, frozen=True, kw_only=True):
    """``PATCH /v1/order/{order_id}``: a new price, a new quantity in all (what is filled included), or both."""

    quantity: Decimal | None = None
    price: Decimal | None = None


class FaultsRequest(Body, frozen=True, kw_only=True):
    """``PUT /admin/faults``: name -> whether it is on from now, for ``for_s`` seconds or until it is switched off."""

    faults: dict[str, bool]
    for_s: Annotated[int, Meta(ge=1, le=86_400)] | None = None


class BookTermsRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/symbols/{symbol}/terms``: fees in millionths, the price band in dollars (0: none). Any of them."""

    maker_fee_ppm: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] | None = None
    taker_fee_ppm: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] | None = None
    price_band: Decimal | None = None


class ListingRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/symbols``: a symbol to trade from now on. Tick and reference price are dollars, the lot shares."""

    symbol: Annotated[str, Meta(max_length=12)]
    name: Annotated[str, Meta(max_length=100)]
    tick_size: Decimal
    lot_size: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    reference_price: Decimal


class SessionRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/symbols/{symbol}/session``. ``reference_price`` is what auctions and the price band start from."""

    session: str
    reference_price: Decimal | None = None


class CancelAllQuery(Body, frozen=True, kw_only=True):
    """``DELETE /v1/orders``: all your open orders, or those of one symbol."""

    symbol: str = ""


class OrderBatch(Body, frozen=True, kw_only=True):
    """``POST /v1/orders``: up to 100 orders, each judged by itself."""

    orders: Annotated[list[msgspec.Raw], Meta(min_length=1, max_length=100)]


class OrdersQuery(Body, frozen=True, kw_only=True):
    """``GET /v1/orders``. ``status`` may name several, separated by commas."""

    symbol: Symbol = ""
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


class TransferRequest(FundingRequest, frozen=True, kw_only=True):
    """``POST /wallet/transfer``: the same, ``to`` another user by name."""

    to: Annotated[str, Meta(max_length=128)]


class CorrectionRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/transactions/{transaction_id}/correct``. The user concerned reads the reason."""

    reason: Annotated[str, Meta(min_length=3, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
    request_id: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]+$")]


class RoleRequest(Body, frozen=True, kw_only=True):
    """``POST /admin/users/{user_id}/role``: "admin" or "user"."""

    role: Annotated[str, Meta(max_length=16)]


class UsersQuery(Body, frozen=True, kw_only=True):
    """``GET /admin/users``: those with ``search`` in their name, by id above ``cursor``."""

    search: Annotated[str, Meta(max_length=32)] = ""
    cursor: Cursor = 0
    limit: Limit = 50


class PasswordRequest(Body, frozen=True, kw_only=True):
    """``POST /auth/change-password``."""

    password: Annotated[str, Meta(max_length=1024)]
    new_password: Annotated[str, Meta(max_length=1024)]


class ResetRequest(Body, frozen=True, kw_only=True):
    """``POST /auth/reset-password``: ``code`` is what an administrator gave you."""

    username: Annotated[str, Meta(max_length=128)]
    code: Annotated[str, Meta(max_length=128)]
    new_password: Annotated[str, Meta(max_length=1024)]


class SymbolQuery(Body, frozen=True, kw_only=True):
    symbol: str


class TickersQuery(Body, frozen=True, kw_only=True):
    """``GET /marketdata/tickers``: of one symbol, or of all."""

    symbol: str = ""


class EventsQuery(Body, frozen=True, kw_only=True):
    """``GET /marketdata/events``: of one symbol, or of all. ``date`` is a day of UTC like 2026-01-31."""

    date: str
    symbol: str = ""


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


class WebhookRequest(Body, frozen=True, kw_only=True):
    """``POST /notifications/webhooks``: where to, and which kinds of messages (all unless named)."""

    url: Annotated[str, Meta(max_length=2048)]
    kinds: Annotated[list[str], Meta(min_length=1, max_length=20)] = msgspec.field(default_factory=lambda: list(KINDS))


class EmailRequest(Body, frozen=True, kw_only=True):
    """``PUT /notifications/email``: the address, and the kinds of messages that you want by e-mail."""

    address: Annotated[str, Meta(max_length=254)]
    kinds: Annotated[list[str], Meta(min_length=1, max_length=20)]


class EmailCodeRequest(Body, frozen=True, kw_only=True):
    """``POST /notifications/email/confirm``: the code that came by e-mail."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]


FileLimit = Annotated[int, Meta(ge=1, le=50_000)]


class FormatQuery(Body, frozen=True, kw_only=True):
    """``format``: json, or a file as csv or parquet."""

    format: str = "json"


class TraceQuery(Body, frozen=True, kw_only=True):
    """``wait_ms``: how long to wait for a trace that is not there yet."""

    wait_ms: Annotated[int, Meta(ge=0, le=10_000)] = 0


class ReportTradesQuery(FormatQuery, frozen=True, kw_only=True):
    """``GET /reports/trades``: a page of up to 500, a file of up to 50,000."""

    symbol: Symbol = ""
    cursor: Cursor = 0
    limit: FileLimit | None = None


class StatementQuery(FormatQuery, frozen=True, kw_only=True):
    """``GET /wallet/transactions``: a page of up to 500, a file of up to 50,000."""

    cursor: Cursor = 0
    limit: FileLimit | None = None


class DaysQuery(FormatQuery, frozen=True, kw_only=True):
    """``GET /reports/daily``: days (UTC) from ``since`` to ``until``, like 2026-01-31, both included."""

    since: date | None = None
    until: date | None = None


def path_id(params: Mapping[str, str], name: str, code: str) -> int:
    """The id in a path. Raises Problem 404 with ``code`` for what can't be one."""
    try:
        return msgspec.convert(params[name], PathId, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(404, code, f"{name} must be a number.") from error


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
