"""Risk controls through the API: firms, their limits and kill switch, restricted symbols, the record of changes."""

import json
import secrets
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually


def firm_of(exchange: Exchange, *users: User) -> str:
    """A new firm with these users' accounts."""
    made = exchange.admin.http.post("/admin/firms", json={"name": f"Firm {secrets.token_hex(4)}"})
    assert made.status_code == 201, made.text
    firm_id: str = made.json()["firm_id"]
    for user in users:
        joined = exchange.admin.http.post(f"/admin/users/{user.user_id}/firm", json={"firm_id": firm_id})
        assert (joined.status_code, joined.json()["firm_id"]) == (200, firm_id), joined.text
    return firm_id


def set_to(exchange: Exchange, path: str, **body: Any) -> dict[str, Any]:
    answer = exchange.admin.http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_firm_limits_its_accounts_together(exchange: Exchange) -> None:
    """What one account bought leaves the other less of their firm's credit; the refusal says how much there is."""
    anna, ben = exchange.user(cash=10_000), exchange.user(cash=10_000)
    firm_id = firm_of(exchange, anna, ben)
    changed = set_to(exchange, f"/admin/firms/{firm_id}/limits", credit="500.00")
    assert changed["limits"]["credit"] == "500.00"
    anna.placed(symbol="TSLA", quantity=2, price=210)
    refused = ben.order(symbol="TSLA", quantity=1, price=210)
    assert (refused.status_code, refused.json()["code"]) == (422, "firm_credit_limit")
    assert refused.json()["figures"] == {"limit": "500.00", "value": "630.00"}
    set_to(exchange, f"/admin/users/{ben.user_id}/firm", firm_id=None)
    ben.placed(symbol="TSLA", quantity=1, price=210)


def test_the_kill_switch_of_a_firm_stops_all_its_accounts(exchange: Exchange) -> None:
    """All orders of all its accounts are gone with the answer, new ones refused; who leaves the firm trades again."""
    anna, ben, other = (exchange.user(cash=10_000) for _ in range(3))
    firm_id = firm_of(exchange, anna, ben)
    for user in (anna, ben, other):
        user.placed(symbol="TSLA", quantity=1, price=210)
        user.placed(symbol="META", quantity=1, price=490)
    switched = set_to(exchange, f"/admin/firms/{firm_id}/block", blocked=True)
    assert (switched["blocked"], switched["user_ids"]) == (True, [str(anna.user_id), str(ben.user_id)])
    for user in (anna, ben):
        assert exchange.settled(user)["USD"] == ("10000.00", "0.00")
        refused = user.order(symbol="TSLA", quantity=1, price=210)
        assert (refused.status_code, refused.json()["code"]) == (403, "firm_blocked")
    assert len(other.get("/v1/orders", status="OPEN")["orders"]) == 2
    set_to(exchange, f"/admin/users/{anna.user_id}/firm", firm_id=None)
    anna.placed(symbol="TSLA", quantity=1, price=210)
    set_to(exchange, f"/admin/firms/{firm_id}/block", blocked=False)
    ben.placed(symbol="TSLA", quantity=1, price=210)


def test_who_joins_a_stopped_firm_is_stopped(exchange: Exchange) -> None:
    """An account's orders are cancelled when it comes into a firm that is shut out."""
    user = exchange.user(cash=10_000)
    firm_id = firm_of(exchange)
    set_to(exchange, f"/admin/firms/{firm_id}/block", blocked=True)
    order = user.placed(symbol="TSLA", quantity=1, price=210)
    assert set_to(exchange, f"/admin/users/{user.user_id}/firm", firm_id=firm_id)["shut_out"] is True
    assert exchange.settled(user)["USD"] == ("10000.00", "0.00")
    path = f"/v1/order/{order['order_id']}"
    assert eventually(lambda: user.get(path)["status"], lambda status: status == "CANCELLED") == "CANCELLED"


def test_a_restricted_symbol_is_refused_and_the_rest_trades(exchange: Exchange) -> None:
    """The account can't order or amend it, can cancel what it has of it, and trades everything else."""
    user = exchange.user(cash=10_000)
    order = user.placed(symbol="TSLA", quantity=2, price=210)
    set_to(exchange, f"/admin/users/{user.user_id}/restrictions", symbols=["TSLA"])
    refused = user.order(symbol="TSLA", quantity=1, price=210)
    assert (refused.status_code, refused.json()["code"]) == (403, "symbol_restricted")
    assert refused.json()["figures"] == {"limit": "account", "value": "TSLA"}
    assert user.http.patch(f"/v1/order/{order['order_id']}", json={"quantity": 1}).status_code == 403
    user.placed(symbol="META", quantity=1, price=490)
    assert user.http.delete(f"/v1/order/{order['order_id']}").status_code == 200


def test_an_order_sent_twice_is_caught_where_that_is_asked_for(exchange: Exchange) -> None:
    """Within the window the same order is refused, and the same client_order_id still gets the first answer."""
    user = exchange.user(cash=10_000)
    set_to(exchange, f"/admin/users/{user.user_id}/limits", duplicate_window_ms=60_000)
    first = user.placed(symbol="TSLA", quantity=1, price=210, client_order_id="one")
    refused = user.order(symbol="TSLA", quantity=1, price=210)
    assert (refused.status_code, refused.json()["code"]) == (409, "duplicate_order")
    assert user.balances()["USD"] == ("10000.00", "210.00")
    again = user.order(symbol="TSLA", quantity=1, price=210, client_order_id="one")
    assert (again.status_code, again.json()["order_id"]) == (200, first["order_id"])


def test_changes_are_recorded_and_the_command_line_makes_them(exchange: Exchange) -> None:
    """Who changed what, from what to what, in which trace."""
    name = f"Firm {secrets.token_hex(4)}"
    made = exchange.outcry("admin", "firm", "create", name)
    assert made.returncode == 0, made.stderr
    firm_id = json.loads(made.stdout)["firm_id"]
    for value in ("250.00", "300.00"):
        limited = exchange.outcry("admin", "firm", "limits", firm_id, f"exposure={value}")
        assert json.loads(limited.stdout)["limits"]["exposure"] == value, limited.stderr
    newest = exchange.admin.get("/admin/control-changes", limit=1)["changes"][0]
    expected = {"scope": "firm", "id": firm_id, "name": "exposure", "from": "250.00", "to": "300.00"}
    assert expected.items() <= newest.items()
    assert newest["user_id"] == str(exchange.admin.user_id)
    told = exchange.outcry("admin", "control-changes", "--limit", "3")
    assert [c["name"] for c in json.loads(told.stdout)["changes"]] == ["exposure", "exposure", "name"], told.stderr


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/admin/firms", {"name": ""}, 422, "invalid_field"),
        ("POST", "/admin/firms/999999/block", {"blocked": True}, 404, "firm_not_found"),
        ("POST", "/admin/firms/x/block", {"blocked": True}, 404, "firm_not_found"),
        ("POST", "/admin/firms/999999/limits", {"credit": 1}, 404, "firm_not_found"),
        ("GET", "/admin/firms/999999/limits", None, 404, "firm_not_found"),
        ("POST", "/admin/firms/1/limits", {"price_collar_percent": 5}, 422, "invalid_limit"),
        ("POST", "/admin/users/1/firm", {"firm_id": "999999"}, 404, "firm_not_found"),
        ("POST", "/admin/users/1/firm", {"firm_id": "-1"}, 422, "invalid_field"),
        ("POST", "/admin/users/1/limits", {"credit": "4e15"}, 422, "invalid_limit"),
        ("POST", "/admin/users/1/restrictions", {"symbols": ["NOPE"]}, 422, "unknown_symbol"),
        ("POST", "/admin/restrictions", {"symbols": "TSLA"}, 422, "invalid_field"),
        ("GET", "/admin/control-changes?limit=0", None, 422, "invalid_query"),
    ],
)
def test_what_makes_no_sense_is_refused(
    exchange: Exchange, method: str, path: str, body: dict[str, Any] | None, status: int, code: str
) -> None:
    """Each mistake has its code, for administrators; everybody else is told that it is not for them."""
    answer = exchange.admin.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert exchange.shared_user.http.request(method, path, json=body).status_code in (403, 422)
