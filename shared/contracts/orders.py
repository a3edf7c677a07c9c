"""What the order-manager is asked: the life of every order."""

from enum import StrEnum

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import ORDERS, Answer, Item, Operation
from shared.contracts.wallet import OrderIds


class OrderStatus(StrEnum):
    """Where an order is in its life. PENDING_NEW: on disk, the engine has not answered for it yet."""

    PENDING_NEW = "PENDING_NEW"
    OPEN = "OPEN"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"


FINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED})
"""Statuses that never change again."""


class OrderOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What few orders ask for beside the fields that all have. The defaults ask for nothing; see docs/matching.md.

    ``display_quantity``: an iceberg's slice, 0 shows all. ``self_trade`` is a ``SelfTrade``. ``expires_at_s``: when a
    GTD order ends, in Unix time, 0 for all others. ``trigger``: a stop's price, a trailing stop's distance.
    ``linked_order_id``: the order that ends when this one trades, is triggered or ends, and the other way round.
    ``fee_ppm``: the fee, in millionths, that a buy holds for: at least the higher of maker's and taker's.
    """

    post_only: bool = False
    display_quantity: Shares = 0
    self_trade: int = 0
    expires_at_s: int = 0
    trigger: Money = 0
    linked_order_id: int = 0
    fee_ppm: int = 0


NO_OPTIONS = OrderOptions()


class NewOrder(Item, frozen=True, kw_only=True, omit_defaults=True):
    """An order that holds its money and passed its limits. ``side``, ``order_type``, ``time_in_force`` are codes."""

    order_id: int
    user_id: int
    client_order_id: str
    symbol: str
    side: int
    order_type: int
    time_in_force: int
    price: Money
    quantity: Shares
    options: OrderOptions = NO_OPTIONS


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution of an order, and the order's fee for it (negative: a rebate)."""

    trade_id: int
    price: Money
    quantity: Shares
    time_us: int
    fee: Money = 0


class Order(Answer, frozen=True, kw_only=True, tag=True):
    """An order as it stands.

    ``price`` of a market order is its protection price: the worst at which it may trade. ``decremented_quantity`` is
    what self-trade prevention took from it: the order has quantity - filled - decremented left. ``triggered``: this
    stop order's trigger was reached.
    """

    order_id: int
    user_id: int
    client_order_id: str
    symbol: str
    side: int
    order_type: int
    time_in_force: int
    price: Money
    quantity: Shares
    filled_quantity: Shares
    filled_value: Money
    status: OrderStatus
    reason: str
    created_us: int
    updated_us: int
    trace_id: str
    fills: tuple[Fill, ...] = ()
    options: OrderOptions = NO_OPTIONS
    decremented_quantity: Shares = 0
    triggered: bool = False


class Created(Answer, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    """The order is on disk, unless its ``client_order_id`` brought up an ``earlier`` one: then it never will be."""

    order_id: int
    earlier: Order | None = None


class OrderRef(Item, frozen=True, kw_only=True):
    """One order of one user, by its id or (id 0) by the client's own. ``position``: no older than this engine event."""

    user_id: int
    order_id: int = 0
    client_order_id: str = ""
    position: int = 0


class OrderQuery(Item, frozen=True, kw_only=True):
    """A page of a user's orders, newest first, below ``before`` (0: from the newest). Empty filters let all pass."""

    user_id: int
    position: int = 0
    symbol: str = ""
    status: tuple[OrderStatus, ...] = ()
    before: int = 0
    limit: int = 50


class OrderPage(Answer, frozen=True, kw_only=True, tag=True):
    """A page of orders, without their fills."""

    orders: tuple[Order, ...]


class OrderFailure(Item, frozen=True, kw_only=True):
    """Mark an order REJECTED because a later step refused or failed. Bars the id where the order is not known.

    ``position``: decide only once all engine events up to this one are applied.
    """

    order_id: int
    user_id: int
    reason: str
    position: int = 0


class Verdict(Answer, frozen=True, kw_only=True, tag=True):
    """Whether the order is dead (REJECTED now or before), so that its hold and reservation may go."""

    order_id: int
    dead: bool


class PendingBefore(Item, frozen=True, kw_only=True):
    """Ask for orders still PENDING_NEW that were created before this Unix time."""

    until_us: int


CREATE_ORDER = Operation(ORDERS, "create_order", NewOrder, Created)
GET_ORDER = Operation(ORDERS, "get_order", OrderRef, Order)
LIST_ORDERS = Operation(ORDERS, "list_orders", OrderQuery, OrderPage)
FAIL_ORDER = Operation(ORDERS, "fail_order", OrderFailure, Verdict)
BURY_UNKNOWN = Operation(ORDERS, "bury_unknown", OrderFailure, Verdict, traced=False)
PENDING_ORDERS = Operation(ORDERS, "pending_orders", PendingBefore, OrderIds, traced=False)
