"""What engine events do to orders."""

from services.order_manager.lifecycle import changes_of
from shared.contracts.events import Accepted, Closed, EngineEvent, Trade


def event(*reports: Accepted | Trade | Closed, time_us: int = 5) -> EngineEvent:
    return EngineEvent(seq=1, time_us=time_us, traceparent="", symbol="AAPL", order_id=1, reports=reports)


def trade(quantity: int, taker_open: int, maker_open: int, price: int = 100) -> Trade:
    return Trade(
        trade_id=9,
        price=price,
        quantity=quantity,
        side=1,
        taker_order_id=1,
        taker_user_id=1000,
        taker_open=taker_open,
        maker_order_id=2,
        maker_user_id=1001,
        maker_open=maker_open,
        maker_traceparent="",
    )


def closed(order_id: int, status: str, reason: str = "") -> Closed:
    return Closed(order_id=order_id, user_id=1000, side=1, status=status, reason=reason, quantity=0)


def test_a_resting_order_is_open() -> None:
    """An order that only rests is OPEN with nothing filled."""
    accepted = Accepted(order_id=1, user_id=1000, side=1, price=100, quantity=10)
    changes, executions = changes_of([event(accepted)])
    assert (changes[1].status, changes[1].filled_quantity, executions) == ("OPEN", 0, [])


def test_an_order_that_trades_and_rests_is_partially_filled() -> None:
    """Resting after a trade does not make an order OPEN again."""
    accepted = Accepted(order_id=1, user_id=1000, side=1, price=100, quantity=4)
    changes, _ = changes_of([event(trade(6, 4, 0), closed(2, "FILLED"), accepted)])
    assert (changes[1].status, changes[1].filled_quantity, changes[1].filled_value) == ("PARTIALLY_FILLED", 6, 600)
    assert changes[2].status == "FILLED"


def test_both_sides_of_a_trade_get_an_execution() -> None:
    """A trade is one execution for the taker and one, on the other side, for the maker."""
    _, executions = changes_of([event(trade(6, 0, 4))])
    assert [(e.order_id, e.side, e.quantity) for e in executions] == [(1, 1, 6), (2, 2, 6)]


def test_changes_of_several_events_add_up() -> None:
    """Two events on one order in one batch become one change with both fills and the last status."""
    changes, _ = changes_of([event(trade(3, 7, 7)), event(trade(2, 0, 5), closed(1, "CANCELLED", "ioc"), time_us=8)])
    change = changes[1]
    assert (change.filled_quantity, change.status, change.reason, change.updated_us) == (5, "CANCELLED", "ioc", 8)
