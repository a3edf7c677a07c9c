"""What an engine event means to the users it touches. No I/O."""

from dataclasses import dataclass, field

from shared.contracts.codes import Side
from shared.contracts.events import Accepted, Amended, Closed, Decremented, EngineEvent, Trade, Triggered, Waiting
from shared.contracts.money import Shares, money_text
from shared.contracts.notifications import (
    AmendedMessage,
    AnyMessage,
    OrderMessage,
    ReducedMessage,
    TradeMessage,
    TriggeredMessage,
)
from shared.contracts.orders import OrderStatus

SIDES = {side.value: side.name for side in Side}
OTHER_SIDES = {Side.BUY.value: Side.SELL.name, Side.SELL.value: Side.BUY.name}


@dataclass(slots=True)
class Notice:
    """All that one event has to tell one user, in the order in which it happened. ``order_id`` is the first told of."""

    user_id: int
    order_id: int
    event: EngineEvent
    messages: list[AnyMessage] = field(default_factory=list)


def notices_of(event: EngineEvent) -> list[Notice]:
    """One notice for each user whom the event touches, the one whose command it was first."""
    notices: dict[int, Notice] = {}

    def tell(user_id: int, order_id: int, message: AnyMessage) -> None:
        notice = notices.get(user_id)
        if notice is None:
            notice = notices[user_id] = Notice(user_id, order_id, event)
        notice.messages.append(message)

    trace_id = event.traceparent[3:35]
    traded: set[int] = set()
    for report in event.reports:
        if isinstance(report, Trade):
            traded.add(report.taker_order_id)
            taker, maker = _trade_messages(event, report, trace_id)
            tell(report.taker_user_id, report.taker_order_id, taker)
            tell(report.maker_user_id, report.maker_order_id, maker)
        elif isinstance(report, Waiting):
            message = _order_message(event, report, trace_id, OrderStatus.OPEN, open_quantity=report.quantity)
            tell(report.user_id, report.order_id, message)
        elif isinstance(report, Triggered):
            tell(report.user_id, report.order_id, _triggered_message(event, report, trace_id))
        elif isinstance(report, Accepted):
            # An order is accepted last: what rests then is what its own trades have left. One that was amended rested
            # before.
            if event.amend_id and report.order_id == event.order_id:
                continue
            status = OrderStatus.PARTIALLY_FILLED if report.order_id in traded else OrderStatus.OPEN
            message = _order_message(event, report, trace_id, status, open_quantity=report.quantity)
            tell(report.user_id, report.order_id, message)
        elif isinstance(report, Closed):
            message = _order_message(event, report, trace_id, OrderStatus(report.status), open_quantity=0)
            tell(report.user_id, report.order_id, message)
        elif isinstance(report, Amended):
            tell(report.user_id, report.order_id, _amended_message(event, report, trace_id))
        elif isinstance(report, Decremented):
            for reduced in _reduced_messages(event, report, trace_id):
                tell(report.user_id, report.taker_order_id, reduced)
    return list(notices.values())


def _order_message(
    event: EngineEvent, report: Accepted | Waiting | Closed, trace_id: str, status: OrderStatus, open_quantity: Shares
) -> OrderMessage:
    return OrderMessage(
        seq=event.seq,
        time_us=event.time_us,
        trace_id=trace_id,
        order_id=str(report.order_id),
        symbol=event.symbol,
        side=SIDES[report.side],
        status=status,
        open_quantity=open_quantity,
        unfilled_quantity=report.quantity if isinstance(report, Closed) else 0,
        reason=report.reason if isinstance(report, Closed) else "",
    )


def _triggered_message(event: EngineEvent, report: Triggered, trace_id: str) -> TriggeredMessage:
    return TriggeredMessage(
        seq=event.seq,
        time_us=event.time_us,
        trace_id=trace_id,
        order_id=str(report.order_id),
        symbol=event.symbol,
        side=SIDES[report.side],
        open_quantity=report.quantity,
    )


def _amended_message(event: EngineEvent, report: Amended, trace_id: str) -> AmendedMessage:
    return AmendedMessage(
        seq=event.seq,
        time_us=event.time_us,
        trace_id=trace_id,
        order_id=str(report.order_id),
        symbol=event.symbol,
        side=SIDES[report.side],
        price=money_text(report.price),
        quantity=report.order_quantity,
        open_quantity=report.quantity,
    )


def _reduced_messages(event: EngineEvent, report: Decremented, trace_id: str) -> tuple[ReducedMessage, ReducedMessage]:
    """What self-trade prevention took from the incoming order, and from the one that rested."""

    def message(order_id: int, side: str, open_quantity: Shares) -> ReducedMessage:
        return ReducedMessage(
            seq=event.seq,
            time_us=event.time_us,
            trace_id=trace_id,
            order_id=str(order_id),
            symbol=event.symbol,
            side=side,
            quantity=report.quantity,
            open_quantity=open_quantity,
        )

    return (
        message(report.taker_order_id, SIDES[report.side], report.taker_open),
        message(report.maker_order_id, OTHER_SIDES[report.side], report.maker_open),
    )


def _trade_messages(event: EngineEvent, trade: Trade, trace_id: str) -> tuple[TradeMessage, TradeMessage]:
    """The same trade as its taker and as its maker sees it."""
    price, trade_id = money_text(trade.price), str(trade.trade_id)
    taker = TradeMessage(
        seq=event.seq,
        time_us=event.time_us,
        trace_id=trace_id,
        order_id=str(trade.taker_order_id),
        symbol=event.symbol,
        side=SIDES[trade.side],
        trade_id=trade_id,
        role="taker",
        price=price,
        quantity=trade.quantity,
        open_quantity=trade.taker_open,
        fee=money_text(trade.taker_fee),
    )
    maker = TradeMessage(
        seq=event.seq,
        time_us=event.time_us,
        trace_id=trace_id,
        order_id=str(trade.maker_order_id),
        symbol=event.symbol,
        side=OTHER_SIDES[trade.side],
        trade_id=trade_id,
        role="maker",
        price=price,
        quantity=trade.quantity,
        open_quantity=trade.maker_open,
        fee=money_text(trade.maker_fee),
    )
    return taker, maker
