"""What notification tells a user, live on ``user_channel`` and afterwards when asked.

The messages are what a client's socket receives, as they are: ids as strings, prices as decimal text, times in
microseconds of Unix time. ``seq`` is the engine event that a message tells of; with it a client that was away asks for
what it missed. ``trace_id`` leads to the trace of the command that brought it about.
"""

import msgspec

from shared.contracts.money import Shares
from shared.contracts.operations import NOTIFICATION, Answer, Item, Operation
from shared.contracts.orders import OrderStatus

FUNDS_MOVED = b'{"type":"funds","seq":0}'
"""What the wallet-service says on ``user_channel`` where funds have moved without an event of the engine."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all messages say."""

    seq: int
    time_us: int
    trace_id: str
    order_id: str
    symbol: str
    side: str


class OrderMessage(Message, frozen=True, kw_only=True, tag="order"):
    """An order of the user's changed: it rests with ``open_quantity``, or it is closed and nothing is open any more.

    ``unfilled_quantity`` is what a closed order leaves unfilled. ``reason`` says why it ended, where it was not filled.
    """

    status: OrderStatus
    open_quantity: Shares
    unfilled_quantity: Shares = 0
    reason: str = ""


class TradeMessage(Message, frozen=True, kw_only=True, tag="trade"):
    """An order of the user's traded. ``role`` is "maker" or "taker"; ``open_quantity`` is what the order has left.

    ``fee`` is decimal text, negative for a rebate.
    """

    trade_id: str
    role: str
    price: str
    quantity: Shares
    open_quantity: Shares
    fee: str = "0.00"


class ReducedMessage(Message, frozen=True, kw_only=True, tag="reduced"):
    """Self-trade prevention took ``quantity`` from an order of the user's, which has ``open_quantity`` left."""

    quantity: Shares
    open_quantity: Shares


class AmendedMessage(Message, frozen=True, kw_only=True, tag="amended"):
    """An order of the user's has a new price and quantity, ``open_quantity`` of it open. Its trades follow, if any."""

    price: str
    quantity: Shares
    open_quantity: Shares


class TriggeredMessage(Message, frozen=True, kw_only=True, tag="triggered"):
    """A stop order of the user's was triggered with ``open_quantity``. What became of it follows."""

    open_quantity: Shares


AnyMessage = OrderMessage | TradeMessage | ReducedMessage | AmendedMessage | TriggeredMessage
"""What a user may be told."""


class NotificationsQuery(Item, frozen=True, kw_only=True):
    """A user's messages of at most ``limit`` engine events after event ``after``, no older than ``position``."""

    user_id: int
    after: int = 0
    limit: int = 100
    position: int = 0


class Notifications(Answer, frozen=True, kw_only=True, tag=True):
    """Messages, oldest first: all there are up to engine event ``up_to``, from which to ask on.

    What is older than a day may be gone.
    """

    messages: tuple[AnyMessage, ...]
    up_to: int


GET_NOTIFICATIONS = Operation(NOTIFICATION, "get_notifications", NotificationsQuery, Notifications)
