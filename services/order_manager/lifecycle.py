"""What engine events do to orders. Pure: events in, changes out, no order has to be looked up."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared.contracts.codes import Side
from shared.contracts.events import Accepted, Amended, Closed, Decremented, EngineEvent, Trade, Triggered, Waiting
from shared.contracts.money import Money, Shares
from shared.contracts.orders import OrderStatus


@dataclass(slots=True)
class Change:
    """What happened to one order: what more it was filled and lost, its new terms and status (0, empty: as before)."""

    filled_quantity: Shares = 0
    filled_value: Money = 0
    decremented_quantity: Shares = 0
    price: Money = 0
    quantity: Shares = 0
    triggered: bool = False
    status: str = ""
    reason: str = ""
    updated_us: int = 0


@dataclass(frozen=True, slots=True)
class Execution:
    """One side of a trade, as it goes into the order's history."""

    trade_id: int
    order_id: int
    side: int
    price: Money
    quantity: Shares
    time_us: int
    fee: Money


def changes_of(events: Sequence[EngineEvent]) -> tuple[dict[int, Change], list[Execution]]:
    """What these events, in order, do to each order they touch, and the executions they hold."""
    changes: dict[int, Change] = {}
    executions: list[Execution] = []
    for event in events:
        for report in event.reports:
            if isinstance(report, Trade):
                _trade(changes, executions, report, event.time_us)
            elif isinstance(report, Decremented):
                for order_id in (report.taker_order_id, report.maker_order_id):
                    change = _change(changes, order_id, event.time_us)
                    change.decremented_quantity += report.quantity
            elif isinstance(report, Closed):
                change = _change(changes, report.order_id, event.time_us)
                change.status, change.reason = report.status, report.reason
            elif isinstance(report, Amended):
                change = _change(changes, report.order_id, event.time_us)
                change.price, change.quantity = report.price, report.order_quantity
            elif isinstance(report, Triggered):
                _change(changes, report.order_id, event.time_us).triggered = True
            elif isinstance(report, (Accepted, Waiting)):
                change = _change(changes, report.order_id, event.time_us)
                # An order that rests after it has traded was PARTIALLY_FILLED by that trade, in the same event; one
                # that was amended is what it was before.
                if change.status != OrderStatus.PARTIALLY_FILLED and not event.amend_id:
                    change.status = OrderStatus.OPEN
    return changes, executions


def _change(changes: dict[int, Change], order_id: int, time_us: int) -> Change:
    change = changes.setdefault(order_id, Change())
    change.updated_us = time_us
    return change


def _trade(changes: dict[int, Change], executions: list[Execution], trade: Trade, time_us: int) -> None:
    maker_side = Side.SELL if trade.side == Side.BUY else Side.BUY
    for order_id, side, fee in (
        (trade.taker_order_id, trade.side, trade.taker_fee),
        (trade.maker_order_id, maker_side, trade.maker_fee),
    ):
        change = _change(changes, order_id, time_us)
        change.filled_quantity += trade.quantity
        change.filled_value += trade.quantity * trade.price
        change.status = OrderStatus.PARTIALLY_FILLED
        executions.append(Execution(trade.trade_id, order_id, side, trade.price, trade.quantity, time_us, fee))
