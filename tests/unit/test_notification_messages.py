"""What an engine event means to the users it touches."""

from services.notification.messages import notices_of
from shared.contracts.codes import Side
from shared.contracts.events import Accepted, Closed, EngineEvent, Trade
from shared.contracts.notifications import OrderMessage, TradeMessage
from shared.contracts.orders import OrderStatus

TRACE = "ab" * 16
ANN, BOB, CAROL = 1000, 1001, 1002


def event(*reports: Accepted | Trade | Closed) -> EngineEvent:
    return EngineEvent(
        seq=7, time_us=99, traceparent=f"00-{TRACE}-{'cd' * 8}-01", symbol="AAPL", order_id=1, reports=reports
    )


def trade(trade_id: int, maker_user_id: int, taker_open: int) -> Trade:
    return Trade(
        trade_id=trade_id,
        price=1_500_050,
        quantity=3,
        side=Side.BUY,
        taker_order_id=1,
        taker_user_id=ANN,
        taker_open=taker_open,
        maker_order_id=trade_id + 100,
        maker_user_id=maker_user_id,
        maker_open=2,
        maker_traceparent="",
    )


def accepted(quantity: int) -> Accepted:
    return Accepted(order_id=1, user_id=ANN, side=Side.BUY, price=1_500_050, quantity=quantity)


def test_an_order_that_rests_is_open() -> None:
    """Who placed an order that rests is told that it is open, and nobody else is told anything."""
    (notice,) = notices_of(event(accepted(10)))
    assert (notice.user_id, notice.order_id) == (ANN, 1)
    assert notice.messages == [
        OrderMessage(
            seq=7,
            time_us=99,
            trace_id=TRACE,
            order_id="1",
            symbol="AAPL",
            side="BUY",
            status=OrderStatus.OPEN,
            open_quantity=10,
        )
    ]


def test_a_trade_is_told_to_both_sides() -> None:
    """Taker and maker each learn price, quantity, their own side, role and what their order has left."""
    taker, maker = notices_of(event(trade(1, BOB, taker_open=7)))
    assert (taker.user_id, maker.user_id) == (ANN, BOB)
    (said,) = taker.messages
    assert said == TradeMessage(
        seq=7,
        time_us=99,
        trace_id=TRACE,
        order_id="1",
        symbol="AAPL",
        side="BUY",
        trade_id="1",
        role="taker",
        price="150.005",
        quantity=3,
        open_quantity=7,
    )
    (heard,) = maker.messages
    assert isinstance(heard, TradeMessage)
    assert (heard.order_id, heard.side, heard.role, heard.open_quantity) == ("101", "SELL", "maker", 2)


def test_what_rests_after_trades_is_partially_filled() -> None:
    """An order that trades and then rests is partially filled, and its user hears all of it in order, in one notice."""
    first, second, third = notices_of(event(trade(1, BOB, 7), trade(2, CAROL, 4), accepted(4)))
    assert [notice.user_id for notice in (first, second, third)] == [ANN, BOB, CAROL]
    assert [message.order_id for message in first.messages] == ["1", "1", "1"]
    last = first.messages[-1]
    assert isinstance(last, OrderMessage)
    assert (last.status, last.open_quantity) == (OrderStatus.PARTIALLY_FILLED, 4)


def test_a_closed_order_tells_why_and_what_is_unfilled() -> None:
    """Who cancels hears the status, the reason and what was left; nothing of the order is open any more."""
    closed = Closed(order_id=5, user_id=BOB, side=Side.SELL, status="CANCELLED", reason="cancelled", quantity=8)
    (notice,) = notices_of(event(closed))
    (message,) = notice.messages
    assert isinstance(message, OrderMessage)
    told = (message.side, message.status, message.reason, message.open_quantity, message.unfilled_quantity)
    assert told == ("SELL", OrderStatus.CANCELLED, "cancelled", 0, 8)


def test_an_event_without_reports_tells_nobody() -> None:
    """A command that changed nothing for anybody makes no notice."""
    assert notices_of(event()) == []
