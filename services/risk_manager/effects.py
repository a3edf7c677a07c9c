"""What a run of engine events changes at risk, added up: each order, position and day appears once."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from shared.contracts.codes import Side
from shared.contracts.events import Accepted, Amended, Closed, Decremented, EngineEvent, Trade, Waiting
from shared.contracts.money import Money, Shares

DAY_US = 86_400_000_000


class OpenOrder(NamedTuple):
    """An order as it stands after the events. ``price`` 0: it got none in them, so it is what it was before."""

    order_id: int
    user_id: int
    symbol: str
    side: int
    price: Money
    open_quantity: Shares


class Effects(NamedTuple):
    """The sum of some events: orders by id, change in shares by (user, symbol), and by (user, day) what was traded."""

    orders: dict[int, OpenOrder]
    positions: dict[tuple[int, str], Shares]
    values: dict[tuple[int, int], tuple[Money, Money]]
    """Value bought and sold together, and value bought less value sold."""

    def packed(self) -> bytes:
        """For ``lua/apply.lua``. Ids as text: Lua's numbers are exact to 2^53 only."""
        return _pack(
            (
                [
                    (str(o.order_id), str(o.user_id), o.symbol, o.side, o.price, o.open_quantity)
                    for o in self.orders.values()
                ],
                [(str(user), symbol, change) for (user, symbol), change in self.positions.items()],
                [(str(user), day, *traded) for (user, day), traded in self.values.items()],
            )
        )


_pack = msgspec.msgpack.Encoder().encode


def effects_of(events: Iterable[EngineEvent]) -> Effects:
    """Adds events up. A trade tells what both its orders have left; an order that is closed has nothing left."""
    effects = Effects({}, {}, {})
    for event in events:
        symbol = event.symbol
        for report in event.reports:
            if isinstance(report, Trade):
                _trade(effects, report, symbol, event.time_us // DAY_US)
            elif isinstance(report, Decremented):
                _decremented(effects, report, symbol)
            elif isinstance(report, (Accepted, Amended, Waiting)):
                effects.orders[report.order_id] = OpenOrder(
                    report.order_id, report.user_id, symbol, report.side, report.price, report.quantity
                )
            elif isinstance(report, Closed):
                _set_open(effects.orders, report.order_id, report.user_id, symbol, report.side, 0)
    return effects


def _decremented(effects: Effects, report: Decremented, symbol: str) -> None:
    maker_side = Side.SELL if report.side == Side.BUY else Side.BUY
    _set_open(effects.orders, report.taker_order_id, report.user_id, symbol, report.side, report.taker_open)
    _set_open(effects.orders, report.maker_order_id, report.user_id, symbol, maker_side, report.maker_open)


def _trade(effects: Effects, trade: Trade, symbol: str, day: int) -> None:
    maker_side = Side.SELL if trade.side == Side.BUY else Side.BUY
    _set_open(effects.orders, trade.taker_order_id, trade.taker_user_id, symbol, trade.side, trade.taker_open)
    _set_open(effects.orders, trade.maker_order_id, trade.maker_user_id, symbol, maker_side, trade.maker_open)
    positions, values = effects.positions, effects.values
    buyer, seller = (trade.buyer_id, symbol), (trade.seller_id, symbol)
    positions[buyer] = positions.get(buyer, 0) + trade.quantity
    positions[seller] = positions.get(seller, 0) - trade.quantity
    value = trade.price * trade.quantity
    for user_id, net in ((trade.buyer_id, value), (trade.seller_id, -value)):
        before = values.get((user_id, day), (0, 0))
        values[user_id, day] = (before[0] + value, before[1] + net)


def _set_open(
    orders: dict[int, OpenOrder], order_id: int, user_id: int, symbol: str, side: int, open_quantity: Shares
) -> None:
    known = orders.get(order_id)
    price = known.price if known is not None else 0
    orders[order_id] = OpenOrder(order_id, user_id, symbol, side, price, open_quantity)
