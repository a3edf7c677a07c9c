"""Withdrawals, transfers and corrections, as clients and administrators do them."""

import json
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.test_bad_input import assert_problem


def entries(user: User) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = user.get("/wallet/transactions")["transactions"]
    return found


def test_what_is_held_is_not_withdrawn(exchange: Exchange) -> None:
    """What an open order holds stays; the rest goes out once, however often the request is sent."""
    user = exchange.user(cash=1000)
    user.placed(symbol="TSLA", quantity=4, price=200)
    refused = user.http.post("/wallet/withdraw", json={"amount": "200.01"})
    assert_problem(refused, 422, "insufficient_funds")
    assert refused.json()["figures"] == {"asset": "USD", "required": "200.01", "available": "200.00"}
    for _ in range(2):
        answer = user.http.post("/wallet/withdraw", json={"amount": "150.00", "request_id": "rent"})
        assert answer.status_code == 200, answer.text
    assert user.balances()["USD"] == ("850.00", "800.00")
    assert [(e["kind"], e["amount"], e["balance_after"], e["request_id"]) for e in entries(user)[:1]] == [
        ("withdrawal", "-150.00", "850.00", "rent")
    ]


def test_cash_and_shares_go_to_another_user(exchange: Exchange) -> None:
    """Both statements tell of it, and shares keep what they had cost."""
    giver, receiver = exchange.user(cash=1000, AMZN=5), exchange.user()
    # Where Valkey was lost in an earlier test its streams are being filled again.
    eventually(lambda: giver.http.get("/reports/positions").status_code, lambda status: status == 200)
    bought = giver.get("/reports/positions")["positions"][0]["average_cost"]
    for _ in range(2):
        body = {"to": receiver.name, "amount": 2, "asset": "AMZN", "request_id": "gift"}
        assert giver.http.post("/wallet/transfer", json=body).status_code == 200
    moved = giver.http.post("/wallet/transfer", json={"to": receiver.name.upper(), "amount": "25.50"})
    assert moved.status_code == 200, moved.text
    assert receiver.balances() == {"AMZN": ("2", "0"), "USD": ("25.50", "0.00")}
    gave, got = entries(giver)[0], entries(receiver)[0]
    assert (gave["amount"], gave["other_user_id"]) == ("-25.50", str(receiver.user_id))
    assert (got["amount"], got["other_user_id"], got["request_id"]) == ("25.50", str(giver.user_id), None)
    (position,) = receiver.get("/reports/positions")["positions"]
    assert (position["quantity"], position["average_cost"], position["realised"]) == (2, bought, "0.00")


def test_an_administrator_takes_an_entry_back(exchange: Exchange) -> None:
    """By a counter-entry with a reason that the user reads; it is recorded, and its trace shows who asked for it."""
    user = exchange.user(cash=100)
    (deposit,) = entries(user)
    path = f"/admin/transactions/{deposit['transaction_id']}"
    body = {"reason": "paid in twice", "request_id": f"mend {deposit['transaction_id']}"}
    answers = [exchange.admin.http.post(f"{path}/correct", json=body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    assert answers[0].json() == answers[1].json()
    counter, earlier = entries(user)
    assert (counter["kind"], counter["amount"], counter["reason"]) == ("correction", "-100.00", "paid in twice")
    assert (counter["corrects"], earlier["corrected_by"]) == (deposit["transaction_id"], counter["transaction_id"])
    record = exchange.admin.get("/admin/actions/ledger", limit=1)["actions"][0]
    assert (record["user_id"], record["reason"]) == (str(exchange.admin.user_id), "paid in twice")
    steps = {"correct_entry", "INSERT correction"}
    spans = eventually(lambda: {s["operationName"] for s in exchange.spans(record["trace_id"])}, steps.issubset)
    assert steps <= spans
    again = exchange.admin.http.post(f"{path}/correct", json=body | {"request_id": "another"})
    assert_problem(again, 409, "already_corrected")
    assert_problem(user.http.post(f"{path}/correct", json=body), 403, "admin_required")


def test_the_command_line_knows_wallets_and_users(exchange: Exchange) -> None:
    """`outcry admin` finds a user, shows what they own, takes an entry back and tells who did it."""
    user = exchange.user(cash=70)
    found = json.loads(exchange.outcry("admin", "users", user.name).stdout)["users"]
    assert [u["user_id"] for u in found] == [str(user.user_id)]
    page = json.loads(exchange.outcry("admin", "statement", str(user.user_id)).stdout)
    entry = page["transactions"][0]["transaction_id"]
    booked = exchange.outcry("admin", "correct", entry, "--reason", "never arrived")
    assert json.loads(booked.stdout)["corrects"] == entry, booked.stderr
    assert user.balances()["USD"] == ("0.00", "0.00")
    revoked = exchange.outcry("admin", "revoke-tokens", str(user.user_id))
    assert json.loads(revoked.stdout)["username"] == user.name, revoked.stderr
    assert_problem(user.http.get("/wallet/balance"), 401, "token_revoked")


def test_a_password_reset_from_end_to_end(exchange: Exchange) -> None:
    """The old password is refused with what to do; the code sets a new one, which opens."""
    user = exchange.user()
    path = f"/admin/users/{user.user_id}/reset-password"
    code = exchange.admin.http.post(path).json()["code"]
    old = exchange.http.post("/auth/login", json={"username": user.name, "password": "correct horse"})
    assert_problem(old, 403, "password_reset_required")
    fresh = {"username": user.name, "code": code, "new_password": "battery staple"}
    assert exchange.http.post("/auth/reset-password", json=fresh).status_code == 200
    assert_problem(exchange.http.post("/auth/reset-password", json=fresh), 401, "invalid_reset_code")
    again = exchange.http.post("/auth/login", json={"username": user.name, "password": "battery staple"})
    user.http.headers["Authorization"] = f"Bearer {again.json()['token']}"
    changed = user.http.post(
        "/auth/change-password", json={"password": "battery staple", "new_password": "correct horse"}
    )
    assert changed.status_code == 200, changed.text
    assert_problem(user.http.get("/auth/me"), 401, "token_revoked")
    user.http.headers["Authorization"] = f"Bearer {changed.json()['token']}"
    assert user.get("/auth/me")["username"] == user.name
    done = exchange.admin.get("/admin/actions/users", limit=1)["actions"][0]
    assert (done["action"], done["account_id"]) == ("force_reset", str(user.user_id))


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/wallet/withdraw", {"amount": 0}, 422, "invalid_amount"),
        ("/wallet/withdraw", {"amount": -1}, 422, "invalid_amount"),
        ("/wallet/withdraw", {"amount": "NaN"}, 422, "invalid_amount"),
        ("/wallet/withdraw", {"amount": 10**6}, 422, "insufficient_funds"),
        ("/wallet/withdraw", {"amount": 1, "asset": "AMZN"}, 422, "insufficient_shares"),
        ("/wallet/withdraw", {"amount": 1, "asset": "GOLD"}, 422, "unknown_asset"),
        ("/wallet/withdraw", {"amount": 1, "request_id": "a\x00b"}, 422, "invalid_request_id"),
        ("/wallet/withdraw", {}, 422, "invalid_field"),
        ("/wallet/transfer", {"amount": 1}, 422, "invalid_field"),
        ("/wallet/transfer", {"amount": 1, "to": ""}, 422, "unknown_recipient"),
        ("/wallet/transfer", {"amount": 1, "to": "no \x00 body"}, 422, "unknown_recipient"),
        ("/wallet/transfer", {"amount": 1, "to": "x" * 200}, 422, "invalid_field"),
        ("/wallet/transfer", {"amount": 1.5, "to": "admin", "asset": "AAPL"}, 422, "invalid_amount"),
        ("/wallet/transfer", {"amount": 1, "to": "operator"}, 422, "recipient_without_wallet"),
        ("/auth/change-password", {"password": "x", "new_password": "yyyyyyy"}, 401, "invalid_credentials"),
        ("/auth/reset-password", {"username": "x", "code": "y", "new_password": "z"}, 422, "weak_password"),
        ("/auth/reset-password", {"username": "x", "code": "y"}, 422, "invalid_field"),
    ],
)
def test_a_movement_with_a_mistake_moves_nothing(
    exchange: Exchange, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    """Each mistake has its code, and the wallet is as before."""
    user = exchange.shared_user
    before = user.balances()
    assert_problem(user.http.post(path, json=body), status, code)
    assert user.balances() == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/admin/users?limit=0", None, 422, "invalid_query"),
        ("GET", "/admin/users?search=" + "x" * 40, None, 422, "invalid_query"),
        ("GET", "/admin/users/nobody", None, 404, "unknown_user"),
        ("GET", "/admin/users/999999999", None, 404, "unknown_user"),
        ("GET", "/admin/users/999999999/wallet", None, 422, "no_wallet"),
        ("POST", "/admin/users/999999999/revoke-tokens", None, 404, "unknown_user"),
        ("POST", "/admin/users/999999999/reset-password", None, 404, "unknown_user"),
        ("POST", "/admin/users/999999999/role", {"role": "admin"}, 404, "unknown_user"),
        ("POST", "/admin/users/1000/role", {"role": "king"}, 422, "invalid_role"),
        ("POST", "/admin/users/1000/role", {}, 422, "invalid_field"),
        ("GET", "/admin/transactions/x", None, 404, "transaction_not_found"),
        ("GET", "/admin/transactions/999999999", None, 404, "transaction_not_found"),
        ("POST", "/admin/transactions/1/correct", {"reason": "because"}, 422, "invalid_field"),
        ("POST", "/admin/transactions/1/correct", {"reason": "", "request_id": "a"}, 422, "invalid_field"),
        ("POST", "/admin/transactions/1/correct", {"reason": "a\x00b", "request_id": "a"}, 422, "invalid_field"),
        ("POST", "/admin/transactions/999999999/correct", {"reason": "why not", "request_id": "a"}, 404, None),
        ("GET", "/admin/actions/users?cursor=-1", None, 422, "invalid_query"),
        ("GET", "/admin/actions/ledger?limit=many", None, 422, "invalid_query"),
    ],
)
def test_administrators_are_told_their_mistakes(
    exchange: Exchange, method: str, path: str, body: dict[str, Any] | None, status: int, code: str | None
) -> None:
    """Each mistake has its code; everybody else is told that it is not for them."""
    answer = exchange.admin.http.request(method, path, json=body)
    assert_problem(answer, status, code or "transaction_not_found")
    assert exchange.shared_user.http.request(method, path, json=body).status_code in (403, 422)


def test_the_audit_holds_after_movements(exchange: Exchange) -> None:
    """Deposits, withdrawals, transfers and corrections are explained to the last cent and share."""
    found = exchange.audit()
    assert found["exit"] == 0, found
