"""Span attributes that several services give to the same thing, so that it reads the same in every span of a trace."""

from collections.abc import Mapping
from functools import lru_cache

from shared.contracts.codes import OrderType, Side
from shared.contracts.events import Stream
from shared.contracts.money import money_text
from shared.tracing import ItemAttributes

SIDES = {side.value: side.name for side in Side}
ORDER_TYPES = {order_type.value: order_type.name for order_type in OrderType}

price_text = lru_cache(maxsize=8192)(money_text)
"""Prices as text. They come again and again: an instrument has few that are near its market."""

NEW_ORDER = ItemAttributes(
    {
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
        "order.side": ("side", SIDES),
        "order.type": ("order_type", ORDER_TYPES),
        "order.quantity": "quantity",
        "order.price": ("price", price_text),
        "user.id": ("user_id", str),
    }
)
"""Of a new order, and of what risk is asked about it."""

USER = ItemAttributes({"user.id": ("user_id", str)})
ORDER_OF_USER = ItemAttributes({"order.id": ("order_id", str), "user.id": ("user_id", str)})


def processing(operation: str, stream: Stream) -> Mapping[str, str]:
    """The attributes of a span that processes events of a stream (OpenTelemetry's conventions for messaging)."""
    return {
        "messaging.system": "redis",
        "messaging.operation.name": operation,
        "messaging.operation.type": "process",
        "messaging.destination.name": stream.name,
    }


MESSAGE_ID = "{}-0"
"""An event's number as its id in its stream in Valkey."""
