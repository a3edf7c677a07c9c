"""What administrators do: sessions, halts, auctions, the kill switch, and the record of it all."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.exchange import Exchange, User, eventually

SYMBOL = "META"


def turn(exchange: Exchange, session: str, **more: Any) -> httpx.Response:
    return exchange.admin.http.post(f"/admin/symbols/{SYMBOL}/session", json={"session": session} | more)


def book(user: User) -> dict[str, Any]:
    return user.get("/marketdata/orderBook/L2", symbol=SYMBOL)


def shows(user: User, **wanted: Any) -> dict[str, Any]:
    found = eventually(lambda: book(user), lambda found: wanted.items() <= found.items())
    assert wanted.items() <= found.items(), found
    return found


@pytest.fixture(autouse=True)
def trading_goes_on(exchange: Exchange) -> Iterator[None]:
    """Whatever a test does to the symbol, the next one finds it trading."""
    yield
    assert turn(exchange, "CONTINUOUS").status_code == 200


def test_an_auction_trades_at_one_price(exchange: Exchange) -> None:
    """Orders collect, the book shows what the auction would be, and opening it settles all trades at that price."""
    seller, low, high = exchange.user(META=10), exchange.user(cash=10_000), exchange.user(cash=10_000)
    assert turn(exchange, "OPENING_AUCTION", reference_price=500).status_code == 200
    seller.placed(symbol=SYMBOL, side="SELL", quantity=10, price=498)
    low.placed(symbol=SYMBOL, quantity=4, price=500)
    assert high.placed(symbol=SYMBOL, quantity=6, price=502)["status"] == "OPEN"
    refused = high.order(symbol=SYMBOL, quantity=1, price=None, order_type="MARKET")
    assert (refused.status_code, refused.json()["code"]) == (422, "not_in_this_session")
    shows(
        seller,
        session="OPENING_AUCTION",
        indication={"price": "500.00", "volume": 10, "imbalance": 0, "side": None},
    )
    assert turn(exchange, "CONTINUOUS").status_code == 200
    assert [t["price"] for t in exchange.traded(seller, 2)] == ["500.00", "500.00"]
    assert exchange.settled(high) == {"USD": ("7000.00", "0.00"), "META": ("6", "0")}
    assert exchange.settled(low) == {"USD": ("8000.00", "0.00"), "META": ("4", "0")}
    shows(seller, session="CONTINUOUS", indication=None)


def test_a_halt_lets_nobody_trade_and_everybody_cancel(exchange: Exchange) -> None:
    """Orders are refused and hold nothing; what rests can still be cancelled."""
    buyer = exchange.user(cash=10_000)
    resting = buyer.placed(symbol=SYMBOL, quantity=1, price=490)
    assert turn(exchange, "HALTED").status_code == 200
    refused = buyer.order(symbol=SYMBOL, quantity=1, price=490)
    assert (refused.status_code, refused.json()["code"]) == (422, "not_in_this_session")
    shows(buyer, session="HALTED")
    assert buyer.http.delete(f"/v1/order/{resting['order_id']}").json()["status"] == "CANCELLED"
    assert buyer.balances()["USD"] == ("10000.00", "0.00")


def test_the_close_ends_day_orders(exchange: Exchange) -> None:
    """When the session closes, DAY orders expire and others stay."""
    buyer = exchange.user(cash=10_000)
    day = buyer.placed(symbol=SYMBOL, quantity=1, price=490, time_in_force="DAY")
    stays = buyer.placed(symbol=SYMBOL, quantity=1, price=490)
    assert turn(exchange, "CLOSED").status_code == 200
    ended = eventually(lambda: buyer.get(f"/v1/order/{day['order_id']}"), lambda o: o["status"] == "CANCELLED")
    assert (ended["status"], ended["reason"]) == ("CANCELLED", "expired")
    assert buyer.get(f"/v1/order/{stays['order_id']}")["status"] == "OPEN"
    buyer.http.delete("/v1/orders")


def test_the_price_band_turns_into_an_auction(exchange: Exchange) -> None:
    """A trade beyond the band does not happen: the symbol turns to a volatility auction instead."""
    seller, buyer = exchange.user(META=2), exchange.user(cash=10_000)
    terms = f"/admin/symbols/{SYMBOL}/terms"
    assert turn(exchange, "CONTINUOUS", reference_price=500).status_code == 200
    assert exchange.admin.http.post(terms, json={"price_band": 10}).status_code == 200
    try:
        seller.placed(symbol=SYMBOL, side="SELL", quantity=2, price=515)
        order = buyer.placed(symbol=SYMBOL, quantity=2, price=515)
        assert (order["status"], order["filled_quantity"]) == ("OPEN", 0)
        shows(buyer, session="VOLATILITY_AUCTION")
        assert turn(exchange, "CONTINUOUS").status_code == 200
        assert exchange.settled(buyer)["META"] == ("2", "0")
    finally:
        assert exchange.admin.http.post(terms, json={"price_band": 0}).status_code == 200


def test_the_kill_switch_cancels_all_and_refuses_the_rest(exchange: Exchange) -> None:
    """A blocked account has no open order, holds nothing and places nothing, until it is let in again."""
    user = exchange.user(cash=10_000)
    for symbol, price in (("META", 490), ("TSLA", 210)):
        user.placed(symbol=symbol, quantity=1, price=price)
    block = f"/admin/users/{user.user_id}/block"
    assert exchange.admin.http.post(block, json={"blocked": True}).json()["blocked"] is True
    assert exchange.settled(user)["USD"] == ("10000.00", "0.00")
    refused = user.order(symbol="TSLA", quantity=1, price=210)
    assert (refused.status_code, refused.json()["code"]) == (403, "account_blocked")
    assert exchange.settled(user)["USD"] == ("10000.00", "0.00")
    assert exchange.admin.http.post(block, json={"blocked": False}).status_code == 200
    assert user.placed(symbol="TSLA", quantity=1, price=210)["status"] == "OPEN"
    user.http.delete("/v1/orders")


def test_limits_are_in_force_at_once(exchange: Exchange) -> None:
    """An account's own limit judges its next order, and null puts it back to the default."""
    user = exchange.user(cash=10_000)
    limits = f"/admin/users/{user.user_id}/limits"
    changed = exchange.admin.http.post(limits, json={"order_value": "250.00", "open_orders": 5})
    assert changed.status_code == 200, changed.text
    assert (changed.json()["limits"]["order_value"], changed.json()["limits"]["open_orders"]) == ("250.00", 5)
    refused = user.order(symbol="TSLA", quantity=2, price=210)
    assert (refused.status_code, refused.json()["code"]) == (422, "order_value_limit")
    assert refused.json()["figures"] == {"limit": "250.00", "value": "420.00"}
    assert exchange.admin.http.post(limits, json={"order_value": None}).status_code == 200
    assert exchange.admin.get(limits)["limits"]["order_value"] == "1000000.00"
    assert user.placed(symbol="TSLA", quantity=2, price=210)["status"] == "OPEN"
    user.http.delete("/v1/orders")


def test_every_action_is_recorded(exchange: Exchange) -> None:
    """Who did what, when and in which trace; the trace shows the engine doing it."""
    answer = turn(exchange, "PRE_OPEN")
    newest = exchange.admin.get("/admin/actions", limit=1)["actions"][0]
    assert (newest["action"], newest["symbol"], newest["detail"]["session"]) == ("set_session", SYMBOL, "PRE_OPEN")
    assert newest["user_id"] == str(exchange.admin.user_id)
    assert newest["trace_id"] == answer.headers["X-Trace-Id"]
    found = eventually(
        lambda: {span["operationName"] for span in exchange.spans(newest["trace_id"])},
        lambda names: {"set_session", "update_book"} <= names,
    )
    assert {"set_session", "update_book"} <= found


def test_the_command_line_does_the_same(exchange: Exchange) -> None:
    """`outcry admin` halts, sets limits and tells what was done; what is refused says why and fails."""
    halted = exchange.outcry("admin", "session", SYMBOL, "halted")
    assert (halted.returncode, json.loads(halted.stdout)["session"]) == (0, "HALTED"), halted.stderr
    limited = exchange.outcry("admin", "limits", "999999", "open_orders=5")
    assert json.loads(limited.stdout)["limits"]["open_orders"] == 5, limited.stderr
    assert json.loads(exchange.outcry("admin", "limits", "999999", "open_orders=").stdout)["limits"]["open_orders"] > 5
    done = exchange.outcry("admin", "actions", "--limit", "1")
    assert json.loads(done.stdout)["actions"][0]["symbol"] == SYMBOL, done.stderr
    refused = exchange.outcry("admin", "session", "NOPE", "HALTED")
    assert refused.returncode == 1
    assert refused.stderr.startswith("unknown_symbol")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", f"/admin/symbols/{SYMBOL}/session", {"session": "NAP"}, 422, "invalid_session"),
        ("POST", f"/admin/symbols/{SYMBOL}/session", {}, 422, "invalid_field"),
        (
            "POST",
            f"/admin/symbols/{SYMBOL}/session",
            {"session": "HALTED", "reference_price": -1},
            422,
            "invalid_reference_price",
        ),
        ("POST", "/admin/symbols/NOPE/session", {"session": "HALTED"}, 404, "unknown_symbol"),
        ("POST", "/admin/users/nobody/block", {"blocked": True}, 404, "unknown_user"),
        ("POST", "/admin/users/1/block", {"blocked": "yes"}, 422, "invalid_field"),
        ("POST", "/admin/users/1/limits", {}, 422, "nothing_to_change"),
        ("POST", "/admin/users/1/limits", {"order_value": -1}, 422, "invalid_limit"),
        ("POST", "/admin/users/1/limits", {"open_orders": 1.5}, 422, "invalid_limit"),
        ("POST", "/admin/users/1/limits", {"mood": 1}, 422, "invalid_field"),
        ("GET", "/admin/actions?limit=0", None, 422, "invalid_query"),
    ],
)
def test_what_makes_no_sense_is_refused(
    exchange: Exchange, method: str, path: str, body: dict[str, Any] | None, status: int, code: str
) -> None:
    """Each mistake has its code, for administrators; everybody else is told that it is not for them."""
    answer = exchange.admin.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    stranger = exchange.shared_user.http.request(method, path, json=body)
    assert stranger.status_code in (403, 422), stranger.text


def test_the_audit_holds_after_auctions_and_halts(exchange: Exchange) -> None:
    """Auctions settle like any other trade."""
    found = exchange.audit()
    assert found["exit"] == 0, found


def test_a_symbol_is_listed_traded_and_delisted(exchange: Exchange) -> None:
    """A new symbol trades at once; when it is delisted its orders end, money comes back, and nobody trades it."""
    listing = {"symbol": "ACME", "name": "Acme Corp.", "tick_size": "0.05", "lot_size": 10, "reference_price": 20}
    post = exchange.admin.http.post
    assert post("/admin/symbols", json=listing).status_code == 201
    assert post("/admin/symbols", json=listing).json()["code"] == "symbol_listed"
    seller, buyer = exchange.user(ACME=100), exchange.user(cash=10_000)
    seller.placed(symbol="ACME", side="SELL", quantity=30, price=20.05)
    assert buyer.placed(symbol="ACME", quantity=10, price=20.05)["status"] == "FILLED"
    assert buyer.placed(symbol="ACME", quantity=10, price=20)["status"] == "OPEN"
    shown = {row["symbol"]: row for row in buyer.get("/marketdata/symbols")["symbols"]}["ACME"]
    assert (shown["tick_size"], shown["lot_size"], shown["reference_price"]) == ("0.05", 10, "20.00")
    book = eventually(lambda: buyer.get("/marketdata/orderBook/L2", symbol="ACME"), lambda found: bool(found["bids"]))
    assert (book["bids"], book["asks"]) == ([["20.00", "10", 1]], [["20.05", "20", 1]])
    assert exchange.admin.http.delete("/admin/symbols/ACME").status_code == 200
    assert exchange.settled(seller)["ACME"] == ("90", "0")
    assert exchange.settled(buyer) == {"USD": ("9799.50", "0.00"), "ACME": ("10", "0")}
    ended = [(order["status"], order["reason"]) for order in seller.get("/v1/orders")["orders"]]
    assert ended == [("CANCELLED", "delisted")]
    refused = buyer.order(symbol="ACME", quantity=10, price=20)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_symbol")

    def symbols() -> set[str]:
        return {row["symbol"] for row in buyer.get("/marketdata/symbols")["symbols"]}

    assert "ACME" not in eventually(symbols, lambda found: "ACME" not in found)
    delisted, listed = exchange.admin.get("/admin/actions", limit=2)["actions"]
    assert (delisted["action"], listed["action"]) == ("delist_symbol", "list_symbol")
    assert (listed["detail"]["tick_size"], listed["detail"]["reference_price"]) == ("0.05", "20.00")
    assert exchange.audit()["exit"] == 0


def test_bad_listings_are_refused(exchange: Exchange) -> None:
    """What no book can be made for is refused with a code, and users can't list anything."""
    good = {"symbol": "EVIL", "name": "Evil Corp.", "tick_size": "0.01", "reference_price": 20}
    for wrong, code in (
        ({"symbol": "evil"}, "invalid_instrument"),
        ({"symbol": "USD"}, "invalid_instrument"),
        ({"name": ""}, "invalid_instrument"),
        ({"tick_size": 0}, "invalid_instrument"),
        ({"tick_size": "0.00001"}, "invalid_tick_size"),
        ({"tick_size": "1e40"}, "invalid_tick_size"),
        ({"reference_price": -1}, "invalid_instrument"),
        ({"reference_price": "20.005"}, "invalid_instrument"),
        ({"lot_size": 0}, "invalid_field"),
        ({"lot_size": "x"}, "invalid_field"),
        ({"surprise": 1}, "invalid_field"),
    ):
        answer = exchange.admin.http.post("/admin/symbols", json=good | wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, code), (wrong, answer.text)
    assert exchange.shared_user.http.post("/admin/symbols", json=good).status_code == 403
    assert exchange.shared_user.http.delete("/admin/symbols/AAPL").status_code == 403
    assert exchange.admin.http.delete("/admin/symbols/EVIL").status_code == 404


def test_business_figures_move_with_business(exchange: Exchange) -> None:
    """Administrators see orders by outcome, trades, value and settlement grow by what was traded; nobody else does."""
    before = exchange.admin.get("/admin/figures")
    seller, buyer = exchange.user(META=10), exchange.user(cash=10_000)
    seller.placed(symbol=SYMBOL, side="SELL", quantity=2, price=500)
    buyer.placed(symbol=SYMBOL, quantity=2, price=500)
    assert buyer.order(symbol=SYMBOL, quantity=1000, price=500).json()["code"] == "insufficient_funds"

    def grown(found: dict[str, Any]) -> bool:
        value = float(found["value"]) - float(before["value"])
        settled = found["settlement"]["trades"] - before["settlement"]["trades"]
        return value >= 1000 and settled >= 1

    after = eventually(lambda: exchange.admin.get("/admin/figures"), grown)
    assert grown(after), after
    assert after["orders"]["accepted"] >= before["orders"].get("accepted", 0) + 2
    assert after["orders"]["refused"] >= before["orders"].get("refused", 0) + 1
    assert "insufficient_funds" in [one["code"] for one in after["refusals"]]
    assert 0 < after["success_rate"] < 1
    assert SYMBOL in after["open_orders"]
    assert after["silent"] == []
    refused = buyer.http.get("/admin/figures")
    assert (refused.status_code, refused.json()["code"]) == (403, "admin_required")
