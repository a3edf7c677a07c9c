"""Span attributes that several services give to the same thing, so that it reads the same in every span of a trace."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.codes import OrderType, Side
from shared.contracts.money import money_text
from shared.contracts.orders import NewOrder


def new_order_attributes(order: NewOrder) -> Mapping[str, Any]:
    return {
        "order.id": str(order.order_id),
        "order.symbol": order.symbol,
        "order.side": Side(order.side).name,
        "order.type": OrderType(order.order_type).name,
        "order.quantity": order.quantity,
        "order.price": money_text(order.price),
        "user.id": str(order.user_id),
    }
