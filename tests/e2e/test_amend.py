"""Changing an order, and cancelling all: what is held follows, refusals change nothing, the trace tells it."""

from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually


def amend(user: User, order: dict[str, Any], **terms: Any) -> Any:
    return user.http.patch(f"/v1/order/{order['order_id']}", json=terms)


def test_the_hold_follows_an_amendment(exchange: Exchange) -> None:
    """Dearer and larger holds more, cheaper and smaller holds less, and a cancel gives all of it back."""
    buyer = exchange.user(cash=10_000)
    order = buyer.placed(symbol="TSLA", quantity=3, price=210)
    assert buyer.balances()["USD"] == ("10000.00", "630.00")
    for terms, held in (
        ({"quantity": 5}, "1050.00"),
        ({"price": 212}, "1060.00"),
        ({"quantity": 2, "price": 215}, "430.00"),
        ({"price": 200}, "400.00"),
    ):
        amended = amend(buyer, order, **terms)
        assert amended.status_code == 200, amended.text
        assert amended.json()["status"] == "OPEN"
        assert buyer.balances()["USD"] == ("10000.00", held)
    assert (amended.json()["quantity"], amended.json()["price"]) == (2, "200.00")
    assert buyer.http.delete(f"/v1/order/{order['order_id']}").json()["status"] == "CANCELLED"
    assert buyer.balances()["USD"] == ("10000.00", "0.00")


def test_an_amended_order_may_trade_at_once(exchange: Exchange) -> None:
    """A bid that is moved up to an offer takes it, at the offer's price, and its rest stays open."""
    seller, buyer = exchange.user(AMZN=4), exchange.user(cash=10_000)
    seller.placed(symbol="AMZN", side="SELL", quantity=4, price=181)
    order = buyer.placed(symbol="AMZN", quantity=6, price=170)
    amended = amend(buyer, order, price=182).json()
    assert (amended["status"], amended["filled_quantity"], amended["average_price"]) == (
        "PARTIALLY_FILLED",
        4,
        "181.00",
    )
    assert buyer.balances() == {"USD": ("9276.00", "364.00"), "AMZN": ("4", "0")}
    assert amend(buyer, order, quantity=4).json()["code"] == "invalid_quantity"
    buyer.http.delete(f"/v1/order/{order['order_id']}")


def test_an_amendment_that_can_not_be_paid_changes_nothing(exchange: Exchange) -> None:
    """Without the money, or against a limit, the order and its hold stay as they were."""
    buyer = exchange.user(cash=1_000)
    order = buyer.placed(symbol="TSLA", quantity=4, price=210)
    for terms, code in (
        ({"quantity": 5}, "insufficient_funds"),
        ({"price": 9_000}, "insufficient_funds"),
        ({"price": 100, "quantity": 1}, "price_collar"),
        ({"quantity": 200_000}, "order_quantity_limit"),
    ):
        refused = amend(buyer, order, **terms)
        assert refused.status_code == 422, refused.text
        assert refused.json()["code"] in (code, "insufficient_funds"), refused.text
    found = buyer.get(f"/v1/order/{order['order_id']}")
    assert (found["quantity"], found["price"], found["status"]) == (4, "210.00", "OPEN")
    assert eventually(buyer.balances, lambda b: b["USD"][1] == "840.00")["USD"] == ("1000.00", "840.00")
    buyer.http.delete(f"/v1/order/{order['order_id']}")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({}, "nothing_to_amend"),
        ({"quantity": 0}, "invalid_quantity"),
        ({"quantity": 1.5}, "invalid_quantity"),
        ({"price": -1}, "invalid_price"),
        ({"price": 150.001}, "price_off_tick"),
        ({"price": "NaN"}, "invalid_price"),
        ({"colour": "red"}, "invalid_field"),
    ],
)
def test_terms_that_make_no_sense_are_refused(exchange: Exchange, terms: dict[str, Any], code: str) -> None:
    """Each mistake has its code."""
    user = exchange.shared_user
    order = user.placed(symbol="TSLA", quantity=1, price=210)
    refused = amend(user, order, **terms)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    user.http.delete(f"/v1/order/{order['order_id']}")


def test_only_an_open_order_of_ones_own_is_amended(exchange: Exchange) -> None:
    """A stranger's order is not there, and one that has ended has ended."""
    owner, stranger = exchange.user(cash=1_000), exchange.user(cash=1_000)
    order = owner.placed(symbol="TSLA", quantity=1, price=210)
    assert amend(stranger, order, quantity=2).json()["code"] == "order_not_found"
    owner.http.delete(f"/v1/order/{order['order_id']}")
    late = amend(owner, order, quantity=2)
    assert (late.status_code, late.json()["code"]) == (409, "order_not_open")


def test_cancel_all_ends_what_is_open(exchange: Exchange) -> None:
    """All orders of a symbol, or of all symbols, end and nothing is held; others' orders stay."""
    user, other = exchange.user(cash=10_000, NVDA=5), exchange.user(cash=1_000)
    tesla = [user.placed(symbol="TSLA", quantity=1, price=price) for price in (205, 206)]
    nvidia = user.placed(symbol="NVDA", side="SELL", quantity=5, price=150)
    stays = other.placed(symbol="TSLA", quantity=1, price=205)
    first = user.http.delete("/v1/orders", params={"symbol": "TSLA"}).json()
    assert (first["cancelled"], set(first["order_ids"])) == (2, {order["order_id"] for order in tesla})
    assert user.balances() == {"USD": ("10000.00", "0.00"), "NVDA": ("5", "5")}
    assert user.http.delete("/v1/orders").json() == {"cancelled": 1, "order_ids": [nvidia["order_id"]]}
    assert user.balances()["NVDA"] == ("5", "0")
    assert user.http.delete("/v1/orders").json() == {"cancelled": 0, "order_ids": []}
    assert user.http.delete("/v1/orders", params={"symbol": "NOPE"}).json()["code"] == "unknown_symbol"
    assert other.get(f"/v1/order/{stays['order_id']}")["status"] == "OPEN"
    other.http.delete("/v1/orders")


def test_an_amendment_is_one_trace(exchange: Exchange) -> None:
    """Hold, judgement, engine and what follows from the event are spans of the request's trace."""
    buyer = exchange.user(cash=10_000)
    order = buyer.placed(symbol="TSLA", quantity=3, price=210)
    trace_id = amend(buyer, order, quantity=4).headers["X-Trace-Id"]
    wanted = {
        ("wallet-service", "amend_hold"),
        ("risk-manager", "validate_amend"),
        ("matching-engine", "amend_order"),
        ("order-manager", "apply_execution"),
        ("wallet-service", "release_hold"),
        ("risk-manager", "update_position"),
        ("market-data", "update_book"),
        ("notification", "notify_user"),
    }
    found = eventually(
        lambda: {(span["service"], span["operationName"]) for span in exchange.spans(trace_id)},
        lambda spans: wanted <= spans,
    )
    assert wanted <= found
    buyer.http.delete("/v1/orders")


def test_the_audit_holds_after_all_amendments(exchange: Exchange) -> None:
    """Holds, orders, books and risk agree about what was amended."""
    found = exchange.audit()
    assert found["exit"] == 0, found
