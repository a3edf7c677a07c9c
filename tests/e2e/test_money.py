"""Money is right: what each kind of order moves, holds and gives back."""

from tests.e2e.exchange import Exchange, eventually


def test_a_trade_moves_shares_and_cash(exchange: Exchange) -> None:
    """After a trade the buyer has the shares, the seller the cash, and nothing is held."""
    seller, buyer = exchange.user(MSFT=10), exchange.user(cash=5000)
    seller.placed(symbol="MSFT", side="SELL", quantity=10, price=420)
    bought = buyer.placed(symbol="MSFT", side="BUY", quantity=10, price=420)
    assert (bought["status"], bought["average_price"]) == ("FILLED", "420.00")
    assert buyer.balances() == {"USD": ("800.00", "0.00"), "MSFT": ("10", "0")}
    sold = eventually(lambda: seller.get("/v1/orders")["orders"][0]["status"], lambda status: status == "FILLED")
    assert sold == "FILLED"
    seller.http.post("/wallet/create")
    assert exchange.settled(seller) == {"USD": ("4200.00", "0.00"), "MSFT": ("0", "0")}


def test_a_better_fill_returns_the_difference(exchange: Exchange) -> None:
    """Who bids 430 and gets 425 has paid 425, and holds nothing of the rest."""
    seller, buyer = exchange.user(MSFT=2), exchange.user(cash=1000)
    seller.placed(symbol="MSFT", side="SELL", quantity=2, price=425)
    bought = buyer.placed(symbol="MSFT", side="BUY", quantity=2, price=430)
    assert [(fill["price"], fill["quantity"]) for fill in bought["fills"]] == [("425.00", 2)]
    assert buyer.balances() == {"USD": ("150.00", "0.00"), "MSFT": ("2", "0")}


def test_a_resting_order_holds_and_a_cancel_releases(exchange: Exchange) -> None:
    """A resting buy holds its cost; cancelled, all of it is there again."""
    buyer = exchange.user(cash=1000)
    order = buyer.placed(symbol="TSLA", quantity=3, price=200)
    assert order["status"] == "OPEN"
    assert buyer.balances()["USD"] == ("1000.00", "600.00")
    cancelled = buyer.http.delete(f"/v1/order/{order['order_id']}").json()
    assert (cancelled["status"], cancelled["reason"]) == ("CANCELLED", "cancelled")
    assert buyer.balances()["USD"] == ("1000.00", "0.00")


def test_a_cancel_tells_what_is_read_afterwards(exchange: Exchange) -> None:
    """Right after a trade, or an amendment, or neither, a cancel answers with the order that a GET shows."""
    buyer, seller = exchange.user(cash=10_000), exchange.user(TSLA=9)
    for change in ("nothing", "a trade", "another price", "less"):
        order = buyer.placed(symbol="TSLA", quantity=5, price=210)
        path = f"/v1/order/{order['order_id']}"
        if change == "a trade":
            seller.placed(symbol="TSLA", side="SELL", quantity=2, price=210)
        elif change != "nothing":
            terms = {"price": 205, "quantity": 5} if change == "another price" else {"price": 210, "quantity": 1}
            assert buyer.http.patch(path, json=terms).status_code == 200
        cancelled = buyer.http.delete(path).json()
        read = buyer.get(path)
        assert cancelled["status"] == "CANCELLED", change
        assert cancelled | {"updated_at": ""} == read | {"updated_at": ""}, change
        assert buyer.http.delete(path).json()["code"] == "order_not_open"
    assert buyer.balances()["USD"] == ("9580.00", "0.00")


def test_the_rest_of_an_ioc_order_is_released(exchange: Exchange) -> None:
    """What an IOC order can't fill at once is cancelled, and its money is free."""
    seller, buyer = exchange.user(NVDA=3), exchange.user(cash=10_000)
    seller.placed(symbol="NVDA", side="SELL", quantity=3, price=130)
    order = buyer.placed(symbol="NVDA", quantity=10, price=130, time_in_force="IOC")
    assert (order["status"], order["filled_quantity"], order["remaining_quantity"]) == ("CANCELLED", 3, 7)
    assert buyer.balances() == {"USD": ("9610.00", "0.00"), "NVDA": ("3", "0")}


def test_a_fok_order_is_all_or_nothing(exchange: Exchange) -> None:
    """A FOK order that can't be filled whole trades nothing and holds nothing."""
    seller, buyer = exchange.user(META=3), exchange.user(cash=10_000)
    seller.placed(symbol="META", side="SELL", quantity=3, price=500)
    order = buyer.placed(symbol="META", quantity=4, price=500, time_in_force="FOK")
    assert (order["status"], order["reason"], order["filled_quantity"]) == ("CANCELLED", "fok", 0)
    assert buyer.balances() == {"USD": ("10000.00", "0.00")}
    assert seller.balances()["META"] == ("3", "3")


def test_a_market_order_takes_what_is_there(exchange: Exchange) -> None:
    """A market order walks the book and pays each maker's price."""
    seller, buyer = exchange.user(GOOGL=20), exchange.user(cash=10_000)
    seller.placed(symbol="GOOGL", side="SELL", quantity=10, price=165)
    seller.placed(symbol="GOOGL", side="SELL", quantity=10, price=166)
    order = buyer.placed(symbol="GOOGL", order_type="MARKET", quantity=15, price=None)
    assert order["status"] == "FILLED"
    assert [(f["price"], f["quantity"]) for f in order["fills"]] == [("165.00", 10), ("166.00", 5)]
    assert order["average_price"] == "165.3333"
    assert buyer.balances()["USD"] == ("7520.00", "0.00")


def test_nobody_spends_what_they_do_not_have(exchange: Exchange) -> None:
    """A second order that the rest can't pay for is refused with the figures, and the first one's hold stands."""
    buyer = exchange.user(cash=1000)
    buyer.placed(symbol="TSLA", quantity=4, price=225)
    refused = buyer.order(symbol="TSLA", quantity=1, price=200)
    assert refused.status_code == 422
    assert refused.json()["code"] == "insufficient_funds"
    assert refused.json()["figures"] == {"asset": "USD", "required": "200.00", "available": "100.00"}
    assert buyer.balances()["USD"] == ("1000.00", "900.00")


def test_nobody_sells_what_they_do_not_own(exchange: Exchange) -> None:
    """A sale of more shares than there are is refused."""
    seller = exchange.user(AMZN=5)
    refused = seller.order(symbol="AMZN", side="SELL", quantity=6, price=180)
    assert (refused.status_code, refused.json()["code"]) == (422, "insufficient_shares")


def test_a_refusal_by_risk_leaves_no_hold(exchange: Exchange) -> None:
    """An order that the risk-manager refuses gives its money back."""
    buyer = exchange.user(cash=100_000)
    refused = buyer.order(symbol="TSLA", quantity=1, price=9000)
    assert (refused.status_code, refused.json()["code"]) == (422, "price_collar")
    assert buyer.balances()["USD"] == ("100000.00", "0.00")


def test_a_client_order_id_counts_once(exchange: Exchange) -> None:
    """The same order sent twice is one order; another one under the same id is refused."""
    buyer = exchange.user(cash=1000)
    first = buyer.order(symbol="TSLA", quantity=4, price=225, client_order_id="mine-1")
    again = buyer.order(symbol="TSLA", quantity=4, price=225, client_order_id="mine-1")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["order_id"] == first.json()["order_id"]
    assert again.json()["status"] == first.json()["status"] == "OPEN", "no older than what was told"
    assert again.headers["Idempotent-Replay"] == "true"
    other = buyer.order(symbol="TSLA", quantity=1, price=225, client_order_id="mine-1")
    assert (other.status_code, other.json()["code"]) == (409, "client_order_id_reused")
    assert buyer.balances()["USD"] == ("1000.00", "900.00")
    assert buyer.get("/v1/order", client_order_id="mine-1")["order_id"] == first.json()["order_id"]


def test_a_deposit_counts_once(exchange: Exchange) -> None:
    """A deposit sent twice under one request_id pays in once."""
    user = exchange.user()
    for _ in range(2):
        user.http.post("/wallet/add-funds", json={"amount": "10.50", "request_id": "salary"})
    assert user.balances()["USD"] == ("10.50", "0.00")


def test_reports_follow_the_trades(exchange: Exchange) -> None:
    """Positions, profit and statistics are there as soon as the answer that told of the trade."""
    seller, buyer = exchange.user(AMZN=10), exchange.user(cash=10_000)
    seller.placed(symbol="AMZN", side="SELL", quantity=10, price=180)
    buyer.placed(symbol="AMZN", quantity=10, price=180)
    position = buyer.get("/reports/positions")["positions"][0]
    assert (position["symbol"], position["quantity"], position["average_cost"]) == ("AMZN", 10, "180.00")
    buyer.placed(symbol="AMZN", side="SELL", quantity=4, price=190)
    seller.http.post("/wallet/add-funds", json={"amount": 10_000})
    seller.placed(symbol="AMZN", quantity=4, price=190)
    trades = exchange.traded(buyer, 2)
    assert [(t["side"], t["role"], t["realised"]) for t in trades] == [
        ("SELL", "maker", "40.00"),
        ("BUY", "taker", "0.00"),
    ]
    assert buyer.http.get("/reports/trades", params={"format": "csv"}).text.count("\n") == 3


def test_a_batch_gives_each_order_its_own_answer(exchange: Exchange) -> None:
    """One bad order in a batch is refused by itself; the others are placed."""
    buyer = exchange.user(cash=1000)
    good = {"symbol": "TSLA", "side": "BUY", "quantity": 1, "price": 200}
    answer = buyer.http.post("/v1/orders", json={"orders": [good, good | {"side": "UP"}, {"wrong": 1}, good]})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 422, 422, 201]
    assert results[1]["problem"]["code"] == "invalid_side"
    assert results[2]["problem"]["code"] == "invalid_field"
    assert buyer.balances()["USD"] == ("1000.00", "400.00")


def test_the_audit_holds_after_all_this(exchange: Exchange) -> None:
    """The ledger, the holds, the orders, the executions and the books agree."""
    found = exchange.audit()
    assert found["exit"] == 0, found
