"""Orders that wait: stops, trailing stops, and pairs of which one cancels the other."""

from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually


def trade_at(exchange: Exchange, symbol: str, price: float) -> None:
    """Makes this the last price: two users trade one share there."""
    seller, buyer = exchange.user(**{symbol: 1}), exchange.user(cash=10_000)
    seller.placed(symbol=symbol, side="SELL", quantity=1, price=price)
    assert buyer.placed(symbol=symbol, quantity=1, price=price)["status"] == "FILLED"


def order_of(user: User, order: dict[str, Any]) -> dict[str, Any]:
    return user.get(f"/v1/order/{order['order_id']}")


def comes_to(user: User, order: dict[str, Any], status: str) -> dict[str, Any]:
    found = eventually(lambda: order_of(user, order), lambda found: found["status"] == status)
    assert found["status"] == status, found
    return found


def test_a_stop_sells_once_its_price_is_reached(exchange: Exchange) -> None:
    """It waits with its shares held and out of the book, and trades when somebody else trades at its trigger."""
    trade_at(exchange, "GOOGL", 165)
    holder, bidder = exchange.user(GOOGL=5), exchange.user(cash=10_000)
    bidder.placed(symbol="GOOGL", quantity=5, price=158)
    stop = holder.placed(symbol="GOOGL", side="SELL", order_type="STOP", quantity=5, price=None, stop_price=160)
    assert (stop["status"], stop["triggered"], stop["stop_price"], stop["price"]) == ("OPEN", False, "160.00", "152.00")
    assert holder.balances()["GOOGL"] == ("5", "5")
    assert ["160.00", "5"] not in holder.get("/marketdata/orderBook/L2", symbol="GOOGL")["asks"]
    trade_at(exchange, "GOOGL", 160)
    sold = comes_to(holder, stop, "FILLED")
    assert (sold["triggered"], sold["average_price"]) == (True, "158.00")
    assert exchange.settled(bidder)["GOOGL"] == ("5", "0")


def test_a_stop_limit_rests_at_its_limit(exchange: Exchange) -> None:
    """A buy holds its limit price while it waits, and rests there when it is triggered and finds nobody."""
    trade_at(exchange, "META", 500)
    buyer = exchange.user(cash=10_000)
    stop = buyer.placed(symbol="META", order_type="STOP_LIMIT", quantity=2, stop_price=510, price=512)
    assert buyer.balances()["USD"] == ("10000.00", "1024.00")
    larger = buyer.http.patch(f"/v1/order/{stop['order_id']}", json={"quantity": 3, "price": 511})
    assert larger.status_code == 200, larger.text
    assert buyer.balances()["USD"] == ("10000.00", "1533.00")
    trade_at(exchange, "META", 510)
    triggered = eventually(lambda: order_of(buyer, stop), lambda found: bool(found["triggered"]))
    assert (triggered["status"], triggered["triggered"], triggered["price"]) == ("OPEN", True, "511.00")
    shown = eventually(
        lambda: buyer.get("/marketdata/orderBook/L2", symbol="META")["bids"], lambda bids: "511.00" in str(bids)
    )
    assert "511.00" in str(shown)
    assert buyer.http.delete("/v1/orders").json()["cancelled"] == 1
    assert buyer.balances()["USD"] == ("10000.00", "0.00")


def test_a_trailing_stop_follows_the_price_up_and_sells_on_the_way_down(exchange: Exchange) -> None:
    """Five dollars below the highest price since it came, not below the price at which it came."""
    trade_at(exchange, "AMZN", 180)
    holder, bidder = exchange.user(AMZN=2), exchange.user(cash=10_000)
    stop = holder.placed(symbol="AMZN", side="SELL", order_type="TRAILING_STOP", quantity=2, price=None, trail_amount=5)
    assert (stop["status"], stop["trail_amount"], stop["stop_price"]) == ("OPEN", "5.00", None)
    trade_at(exchange, "AMZN", 190)
    bidder.placed(symbol="AMZN", quantity=2, price=184)
    trade_at(exchange, "AMZN", 186)
    assert order_of(holder, stop)["status"] == "OPEN"
    trade_at(exchange, "AMZN", 185)
    assert comes_to(holder, stop, "FILLED")["average_price"] == "184.00"


def test_one_cancels_the_other(exchange: Exchange) -> None:
    """A profit target and a stop on the same position: when the target trades, the stop is gone and holds nothing."""
    trade_at(exchange, "NVDA", 130)
    holder, buyer = exchange.user(NVDA=8), exchange.user(cash=10_000)
    target = holder.placed(symbol="NVDA", side="SELL", quantity=4, price=140)
    stop = holder.placed(
        symbol="NVDA", side="SELL", order_type="STOP", quantity=4, price=None, stop_price=120,
        linked_order_id=target["order_id"],
    )  # fmt: skip
    assert stop["linked_order_id"] == target["order_id"]
    assert holder.balances()["NVDA"] == ("8", "8")
    buyer.placed(symbol="NVDA", quantity=4, price=140)
    comes_to(holder, target, "FILLED")
    assert comes_to(holder, stop, "CANCELLED")["reason"] == "linked"
    assert exchange.settled(holder)["NVDA"] == ("4", "0")


def test_a_pair_is_of_one_user(exchange: Exchange) -> None:
    """Nobody links to somebody else's order, or to one that is not open; the refusal leaves nothing held."""
    owner, stranger = exchange.user(cash=1_000), exchange.user(cash=1_000)
    order = owner.placed(symbol="TSLA", quantity=1, price=210)
    for user, link in ((stranger, order["order_id"]), (owner, "4711")):
        refused = user.order(symbol="TSLA", quantity=1, price=209, linked_order_id=link)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_link"), refused.text
    assert stranger.balances()["USD"] == ("1000.00", "0.00")
    owner.http.delete("/v1/orders")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"order_type": "STOP"}, "price_not_allowed"),
        ({"order_type": "STOP", "price": None}, "stop_price_required"),
        ({"order_type": "STOP", "price": None, "stop_price": 0}, "invalid_stop_price"),
        ({"order_type": "STOP", "price": None, "stop_price": 150.001}, "stop_price_off_tick"),
        ({"order_type": "STOP", "price": None, "stop_price": 150, "time_in_force": "IOC"}, "invalid_time_in_force"),
        ({"order_type": "STOP_LIMIT", "price": None, "stop_price": 150}, "price_required"),
        ({"order_type": "STOP_LIMIT", "stop_price": 150, "trail_amount": 1}, "trail_amount_not_allowed"),
        ({"order_type": "TRAILING_STOP", "price": None}, "trail_amount_required"),
        (
            {"order_type": "TRAILING_STOP", "price": None, "trail_amount": "NaN"},
            "invalid_trail_amount",
        ),
        ({"stop_price": 150}, "stop_price_not_allowed"),
        ({"linked_order_id": "mine"}, "invalid_linked_order_id"),
        ({"linked_order_id": "9" * 19}, "invalid_linked_order_id"),
        ({"linked_order_id": "5", "time_in_force": "IOC"}, "invalid_linked_order_id"),
    ],
)
def test_a_stop_that_makes_no_sense_is_refused(exchange: Exchange, fields: dict[str, Any], code: str) -> None:
    """Each mistake has its code, and nothing is held."""
    user = exchange.shared_user
    before = user.balances()
    refused = user.order(**fields)
    assert (refused.status_code, refused.json()["code"]) == (422, code), refused.text
    assert user.balances() == before


def test_the_audit_holds_with_orders_that_wait(exchange: Exchange) -> None:
    """Waiting orders are open orders: in the engine, in risk, and with their holds."""
    waiting = exchange.user(TSLA=3)
    waiting.placed(symbol="TSLA", side="SELL", order_type="STOP", quantity=3, price=None, stop_price=100)
    found = exchange.audit()
    assert found["exit"] == 0, found
