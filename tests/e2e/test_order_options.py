"""What an order may ask for beyond price and quantity: post-only, iceberg, self-trade prevention, an end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually


def levels(user: User, symbol: str, side: str) -> list[tuple[str, int]]:
    """Price and shown quantity of a side, as market-data tells it."""
    book = user.get("/marketdata/orderBook/L2", symbol=symbol)
    return [(level[0], int(level[1])) for level in book[side]]


def shows(user: User, symbol: str, side: str, wanted: tuple[str, int]) -> None:
    """Asserts that the level comes to show what is wanted, and nothing else."""
    price = wanted[0]
    found = eventually(
        lambda: [level for level in levels(user, symbol, side) if level[0] == price], lambda found: found == [wanted]
    )
    assert found == [wanted]


def in_seconds(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_an_iceberg_shows_one_slice_at_a_time(exchange: Exchange) -> None:
    """The book shows the slice only, all of the order trades, and all of it was held."""
    seller, buyer = exchange.user(MSFT=30), exchange.user(cash=20_000)
    order = seller.placed(symbol="MSFT", side="SELL", quantity=30, price=431, display_quantity=10)
    assert (order["display_quantity"], order["remaining_quantity"]) == (10, 30)
    assert seller.balances()["MSFT"] == ("30", "30")
    shows(seller, "MSFT", "asks", ("431.00", 10))
    bought = buyer.placed(symbol="MSFT", quantity=15, price=431)
    assert bought["status"] == "FILLED"
    shows(buyer, "MSFT", "asks", ("431.00", 5))
    buyer.placed(symbol="MSFT", quantity=15, price=431)
    assert exchange.settled(seller)["MSFT"] == ("0", "0")


def test_a_post_only_order_rests_or_is_refused(exchange: Exchange) -> None:
    """What would trade at once is refused with a code, holds nothing, and shows as rejected."""
    seller, buyer = exchange.user(MSFT=5), exchange.user(cash=5_000)
    seller.placed(symbol="MSFT", side="SELL", quantity=5, price=432)
    refused = buyer.order(symbol="MSFT", quantity=5, price=432, post_only=True)
    assert (refused.status_code, refused.json()["code"]) == (422, "would_trade")
    assert buyer.balances()["USD"] == ("5000.00", "0.00")
    assert [o["status"] for o in buyer.get("/v1/orders")["orders"]] == ["REJECTED"]
    resting = buyer.placed(symbol="MSFT", quantity=5, price=431.50, post_only=True)
    assert (resting["status"], resting["post_only"]) == ("OPEN", True)
    buyer.http.delete(f"/v1/order/{resting['order_id']}")
    seller.http.delete("/v1/order/" + seller.get("/v1/orders")["orders"][0]["order_id"])


@pytest.mark.parametrize(
    ("choice", "maker", "taker", "held"),
    [
        ("CANCEL_NEWEST", ("OPEN", 4), ("CANCELLED", 0), ("0.00", "4")),
        ("CANCEL_OLDEST", ("CANCELLED", 0), ("OPEN", 6), ("720.00", "0")),
        ("CANCEL_BOTH", ("CANCELLED", 0), ("CANCELLED", 0), ("0.00", "0")),
        ("DECREMENT", ("CANCELLED", 0), ("OPEN", 2), ("240.00", "0")),
    ],
)
def test_nobody_trades_with_themselves(
    exchange: Exchange, choice: str, maker: tuple[str, int], taker: tuple[str, int], held: tuple[str, str]
) -> None:
    """Meeting an order of one's own ends as chosen, and the holds are what the orders have left."""
    user = exchange.user(cash=5_000, NVDA=4)
    resting = user.placed(symbol="NVDA", side="SELL", quantity=4, price=120)
    placed = user.placed(symbol="NVDA", quantity=6, price=120, self_trade_prevention=choice)
    orders = {o["order_id"]: o for o in user.get("/v1/orders")["orders"]}
    for name in ("status", "reason", "remaining_quantity", "decremented_quantity", "self_trade_prevention"):
        assert orders[placed["order_id"]][name] == placed[name], "the answer told what a GET tells"
    for order_id, (status, left) in ((resting["order_id"], maker), (placed["order_id"], taker)):
        order = orders[order_id]
        assert order["status"] == status
        if status == "OPEN":
            assert order["remaining_quantity"] == left
    balances = user.balances()
    assert (balances["USD"][1], balances["NVDA"][1]) == held
    for order in orders.values():
        if order["status"] == "OPEN":
            assert user.http.delete(f"/v1/order/{order['order_id']}").status_code == 200
    assert user.balances() == {"USD": ("5000.00", "0.00"), "NVDA": ("4", "0")}


def test_a_dated_order_ends_by_itself(exchange: Exchange) -> None:
    """A GTD order ends, expired, within two seconds of its time, and its money is free."""
    buyer = exchange.user(cash=1_000)
    order = buyer.placed(symbol="TSLA", quantity=2, price=220, time_in_force="GTD", expires_at=in_seconds(2))
    assert order["status"] == "OPEN"
    ended = eventually(
        lambda: buyer.get(f"/v1/order/{order['order_id']}"), lambda found: found["status"] == "CANCELLED", 10
    )
    assert (ended["status"], ended["reason"]) == ("CANCELLED", "expired")
    assert exchange.settled(buyer)["USD"] == ("1000.00", "0.00")


def test_a_day_order_rests(exchange: Exchange) -> None:
    """A DAY order rests like any other until its day is over."""
    buyer = exchange.user(cash=1_000)
    order = buyer.placed(symbol="TSLA", quantity=2, price=220, time_in_force="DAY")
    assert (order["status"], order["time_in_force"]) == ("OPEN", "DAY")
    assert buyer.http.delete(f"/v1/order/{order['order_id']}").json()["status"] == "CANCELLED"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"post_only": True, "time_in_force": "IOC"}, "invalid_post_only"),
        ({"post_only": True, "order_type": "MARKET", "price": None}, "invalid_post_only"),
        ({"post_only": "yes"}, "invalid_field"),
        ({"display_quantity": 10}, "invalid_display_quantity"),
        ({"display_quantity": 0}, "invalid_display_quantity"),
        ({"display_quantity": 5, "time_in_force": "FOK"}, "invalid_display_quantity"),
        ({"display_quantity": "NaN"}, "invalid_display_quantity"),
        ({"self_trade_prevention": "NEVER"}, "invalid_self_trade_prevention"),
        ({"time_in_force": "GTD"}, "invalid_expires_at"),
        ({"time_in_force": "GTD", "expires_at": "2020-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"time_in_force": "GTD", "expires_at": "9999-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"time_in_force": "GTD", "expires_at": "2030-01-01T00:00:00"}, "invalid_expires_at"),
        ({"time_in_force": "GTD", "expires_at": "soon"}, "invalid_field"),
        ({"expires_at": "2030-01-01T00:00:00Z"}, "invalid_expires_at"),
        ({"order_type": "MARKET", "price": None, "time_in_force": "DAY"}, "invalid_time_in_force"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(exchange: Exchange, fields: dict[str, Any], code: str) -> None:
    """Each mistake has its code, and nothing is held."""
    user = exchange.shared_user
    before = user.balances()
    refused = user.order(**fields)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert user.balances() == before


def test_the_audit_holds_after_all_these(exchange: Exchange) -> None:
    """Holds, orders, books, reports and risk agree about icebergs, decrements and expiries too."""
    found = exchange.audit()
    assert found["exit"] == 0, found
