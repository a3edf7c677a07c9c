"""What a session is told of an order: each thing once, whichever way it is heard of first."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from services.fix_gateway import reports
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.names import TRACE_ID
from services.fix_gateway.reports import Order
from services.fix_gateway.wire import Fields, Message, message_text
from shared.errors import Problem

TIME = "2026-01-31T10:00:00.000000Z"


def view(*trades: tuple[int, int, str], **other: Any) -> dict[str, Any]:
    """An order to buy 10 as the API shows it, with trades of (id, quantity, price)."""
    fills = [
        {"trade_id": str(trade_id), "quantity": quantity, "price": price, "fee": "0.00", "time": TIME}
        for trade_id, quantity, price in trades
    ]
    return {
        "order_id": "77",
        "symbol": "AAPL",
        "side": "BUY",
        "order_type": "LIMIT",
        "time_in_force": "GTC",
        "price": "150.00",
        "stop_price": None,
        "trail_amount": None,
        "quantity": 10,
        "decremented_quantity": 0,
        "triggered": None,
        "status": "OPEN",
        "reason": "",
        "created_at": TIME,
        "updated_at": TIME,
        "trace_id": "ab",
        "fills": fills,
    } | other


def said(kind: str, **other: Any) -> dict[str, Any]:
    """An own message of the order."""
    return {"type": kind, "order_id": "77", "time_us": 1, "trace_id": "cd"} | other


def trade(trade_id: int, quantity: int, price: str, role: str = "maker") -> dict[str, Any]:
    return said("trade", trade_id=str(trade_id), quantity=quantity, price=price, fee="0.00", role=role)


def placed() -> Order:
    """An order that was told of as new."""
    order = reports.order_of(view(), "one")
    list(reports.by_view(order, view()))
    return order


def short(told: Iterable[Fields]) -> list[tuple[str, ...]]:
    """ExecType, OrdStatus, LeavesQty, CumQty of each report."""
    return [tuple(dict(fields)[tag] for tag in (150, 39, 151, 14)) for fields in told]


NEW = ("0", "0", "10", "0")


def test_a_new_order_is_new_first_and_then_trades() -> None:
    """The answer to an order that traded at once makes one report for each step, with the average price so far."""
    order = reports.order_of(view(), "one")
    told = list(reports.by_view(order, view((1, 4, "150.00"), (2, 6, "149.50"), status="FILLED")))
    assert short(told) == [NEW, ("F", "1", "6", "4"), ("F", "2", "0", "10")]
    last = dict(told[-1])
    assert (last[31], last[32], last[6], last[17], last[11], last[37]) == ("149.50", "6", "149.7", "2-1", "one", "77")


@pytest.mark.parametrize("status", ["OPEN", "FILLED"])
def test_own_messages_tell_nothing_twice(status: str) -> None:
    """What the answer told already makes no report when the messages about it come."""
    order = placed()
    fills = [(1, 4, "150.00")] + ([(2, 6, "150.00")] if status == "FILLED" else [])
    list(reports.by_view(order, view(*fills, status=status)))
    late = [said("order", status="OPEN", reason=""), *(trade(*fill) for fill in fills)]
    if status == "FILLED":
        late.append(said("order", status="FILLED", reason=""))
    assert [short(reports.by_message(order, message)) for message in late] == [[]] * len(late)


def test_views_tell_nothing_twice() -> None:
    """What messages told makes no report when an answer tells it again; what is new in it does."""
    order = placed()
    assert short(reports.by_message(order, trade(1, 4, "150.00"))) == [("F", "1", "6", "4")]
    assert short(reports.by_view(order, view((1, 4, "150.00")))) == []
    assert short(reports.by_view(order, view((1, 4, "150.00"), (5, 1, "150.00")))) == [("F", "1", "5", "5")]


def test_the_end_is_told_once_with_its_reason() -> None:
    """Cancelled, expired, or refused late; nothing is open any more."""
    for reason, status in (("cancelled", "4"), ("ioc", "4"), ("expired", "C")):
        order = placed()
        end = said("order", status="CANCELLED", reason=reason)
        told = list(reports.by_message(order, end))
        assert short(told) == [(status, status, "0", "0")]
        assert dict(told[0])[58] == reason
        assert short(reports.by_message(order, end)) == []
        assert short(reports.by_view(order, view(status="CANCELLED", reason=reason))) == []


def test_a_cancel_is_answered_with_both_names() -> None:
    """The report of a cancel has the request's ClOrdID, and the order's as OrigClOrdID."""
    order = placed()
    (report,) = reports.by_view(order, view(status="CANCELLED", reason="cancelled"), ended_by="two", asked_in="f" * 32)
    assert (TRACE_ID, "f" * 32) in report
    assert (dict(report)[11], dict(report)[41]) == ("two", "one")


def test_a_replace_renames_the_order() -> None:
    """From then on it has the request's ClOrdID; its own message tells nothing new, one of another's doing does."""
    order = placed()
    (report,) = reports.by_view(order, view(price="151.00", quantity=12), amended_by="two", asked_in="f" * 32)
    assert (TRACE_ID, "f" * 32) in report
    assert short([report]) == [("5", "0", "12", "0")]
    assert (dict(report)[11], dict(report)[41], dict(report)[44]) == ("two", "one", "151.00")
    assert short(reports.by_message(order, said("amended", price="151.00", quantity=12, open_quantity=12))) == []
    (other,) = reports.by_message(order, said("amended", price="152.00", quantity=11, open_quantity=11))
    assert (dict(other)[11], dict(other)[44], dict(other)[38], 41 in dict(other)) == ("two", "152.00", "11", False)


def test_two_replaces_are_told_once_each() -> None:
    """Messages about the first that come after the answer to the second do not take the order back."""
    order = placed()
    list(reports.by_view(order, view(price="151.00"), amended_by="two"))
    list(reports.by_view(order, view(price="152.00"), amended_by="three"))
    for price in ("151.00", "152.00"):
        assert short(reports.by_message(order, said("amended", price=price, quantity=10, open_quantity=10))) == []
    assert order.price == "152.00"


def test_a_replace_that_changes_nothing_is_answered_all_the_same() -> None:
    """Its report names it; no message will come of it."""
    order = placed()
    assert short(reports.by_view(order, view(), amended_by="two")) == [("5", "0", "10", "0")]
    assert order.amended == []


def test_self_trade_prevention_restates_the_quantity() -> None:
    """OrderQty is then what is left of it, so that LeavesQty is still OrderQty less CumQty."""
    order = placed()
    reduced = said("reduced", quantity=3, open_quantity=7)
    (report,) = reports.by_message(order, reduced)
    assert (dict(report)[150], dict(report)[38], dict(report)[151], dict(report)[378]) == ("D", "7", "7", "5")
    assert short(reports.by_message(order, reduced)) == []
    assert short(reports.by_view(order, view(decremented_quantity=3))) == []
    assert short(reports.by_view(order, view(decremented_quantity=5))) == [("D", "0", "5", "0")]


def test_a_stop_is_triggered_once() -> None:
    """Its trigger is its StopPx, and no price is told that it does not have."""
    stop = view(order_type="STOP", stop_price="151.00", price="158.55", triggered=False)
    order = reports.order_of(stop, "one")
    (new,) = reports.by_view(order, stop)
    assert (dict(new)[99], 44 in dict(new)) == ("151.00", False)
    assert short(reports.by_message(order, said("triggered", open_quantity=10))) == [("L", "0", "10", "0")]
    assert short(reports.by_view(order, stop | {"triggered": True})) == []


def test_refusals_have_our_code_and_fixs_reason() -> None:
    """Text begins with the code of the public API; what to do follows."""
    request = Message(message_text([(35, "D"), (11, "one"), (55, "NOPE"), (54, "1"), (38, "5"), (40, "2")]))
    told = dict(reports.rejected(request, Problem(422, "unknown_symbol", "symbol must be AAPL."), 0, ""))
    assert (told[150], told[39], told[103], told[37], told[151]) == ("8", "8", "1", "NONE", "0")
    assert told[58] == "unknown_symbol: symbol must be AAPL."
    cancel = Message(message_text([(35, "F"), (11, "two"), (41, "one")]))
    late = dict(reports.cancel_rejected(cancel, placed(), Problem(409, "order_not_open", "Too late."), 0, ""))
    assert (late[434], late[102], late[39], late[41]) == ("1", "0", "0", "one")


def test_a_ledger_knows_its_orders_after_a_restart(tmp_path: Path) -> None:
    """Names, what was told, what is on its way and the position of a copy are there when the file is opened again."""
    ledger = Ledger(tmp_path / "orders.sqlite")
    order = placed()
    assert ledger.begin("s", "one", "35=D\x0111=one\x01")
    assert not ledger.begin("s", "one", "")
    assert ledger.begin("t", "one", "")
    ledger.name("s", "one", "77")
    list(reports.by_message(order, trade(1, 4, "150.00")))
    ledger.put("s", order)
    ledger.begin("s", "lost", "35=D\x0111=lost\x01")
    ledger.move("s", 812, 2)
    ledger.close()
    again = Ledger(tmp_path / "orders.sqlite")
    assert (again.order_id("s", "one"), again.order_id("s", "other")) == ("77", None)
    assert list(again.open_orders("s")) == [order]
    assert list(again.open_orders("t")) == []
    assert [request.get(11) for request, _ in again.on_their_way("s")] == ["lost"]
    assert (again.position("s"), again.position("t")) == ((812, 2), None)
    again.close()
