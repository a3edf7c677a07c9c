"""Orders as engines under test get them."""

import msgspec

from shared.contracts.codes import OrderType, Side, TimeInForce
from shared.contracts.orders import NewOrder
from shared.ids import OrderIds
from tests.services import new_traceparent

ids = OrderIds()


def new_order(symbol: str, **more: int) -> NewOrder:
    """A limit order to buy 10 at 100.00 of user 1001, unless told otherwise; it rests in an empty book."""
    order = NewOrder(
        order_id=ids.next(),
        user_id=1001,
        client_order_id="",
        symbol=symbol,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price=1_000_000,
        quantity=10,
        traceparent=new_traceparent(),
    )
    return msgspec.structs.replace(order, **more)
