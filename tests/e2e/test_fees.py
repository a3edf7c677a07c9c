"""Fees: what each side pays, what is held for them, who may set them."""

from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually

TERMS = "/admin/symbols/GOOGL/terms"


def set_fees(exchange: Exchange, maker_ppm: int, taker_ppm: int) -> None:
    answer = exchange.admin.http.post(TERMS, json={"maker_fee_ppm": maker_ppm, "taker_fee_ppm": taker_ppm})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["maker_fee_ppm"], answer.json()["taker_fee_ppm"]) == (maker_ppm, taker_ppm)


def entries(user: User, kind: str) -> list[tuple[str, str]]:
    return [(t["kind"], t["amount"]) for t in user.get("/wallet/transactions")["transactions"] if t["kind"] == kind]


def test_fees_are_held_paid_and_shown(exchange: Exchange) -> None:
    """A buy holds its fee on top; taker and maker pay theirs for each fill; a cheaper fill costs a smaller fee."""
    set_fees(exchange, 1_000, 2_500)
    try:
        seller, buyer = exchange.user(GOOGL=10), exchange.user(cash=10_000)
        offer = seller.placed(symbol="GOOGL", side="SELL", quantity=4, price=160)
        bought = buyer.placed(symbol="GOOGL", quantity=10, price=162)
        assert [(fill["quantity"], fill["fee"]) for fill in bought["fills"]] == [(4, "1.60")]
        assert bought["status"] == "PARTIALLY_FILLED"
        assert buyer.balances() == {"USD": ("9358.40", "974.43"), "GOOGL": ("4", "0")}
        assert entries(buyer, "fee") == [("fee", "-1.60")]
        paid = eventually(lambda: entries(seller, "fee"), bool)
        assert paid == [("fee", "-0.64")]
        sold = eventually(lambda: seller.get(f"/v1/order/{offer['order_id']}"), lambda order: bool(order["fills"]))
        assert [fill["fee"] for fill in sold["fills"]] == ["0.64"]
        larger = buyer.http.patch(f"/v1/order/{bought['order_id']}", json={"quantity": 12})
        assert larger.status_code == 200, larger.text
        assert buyer.balances()["USD"] == ("9358.40", "1299.24")
        busy = exchange.admin.http.post(TERMS, json={"taker_fee_ppm": 0})
        assert (busy.status_code, busy.json()["code"]) == (409, "book_not_empty")
        assert buyer.http.delete("/v1/orders").json()["cancelled"] == 1
        assert exchange.audit()["exit"] == 0, exchange.audit()
    finally:
        for user in (seller, buyer):
            user.http.delete("/v1/orders")
        set_fees(exchange, 0, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (TERMS, {"maker_fee_ppm": -10, "taker_fee_ppm": 0}, 422, "invalid_fees"),
        (TERMS, {"taker_fee_ppm": 10**7}, 422, "invalid_field"),
        (TERMS, {"price_band": -1}, 422, "invalid_price_band"),
        (TERMS, {"price_band": "Infinity"}, 422, "invalid_price_band"),
        (TERMS, {"colour": "red"}, 422, "invalid_field"),
        ("/admin/symbols/NOPE/terms", {}, 404, "unknown_symbol"),
    ],
)
def test_terms_that_make_no_sense_are_refused(
    exchange: Exchange, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    """Each mistake of an administrator has its code as well."""
    answer = exchange.admin.http.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


def test_only_administrators_set_fees(exchange: Exchange) -> None:
    """A user without the role is refused, and one without a token is not let in."""
    assert exchange.shared_user.http.post(TERMS, json={"taker_fee_ppm": 0}).json()["code"] == "admin_required"
    assert exchange.http.post(TERMS, json={"taker_fee_ppm": 0}).status_code == 401
