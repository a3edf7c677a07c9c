"""Wrong input gets a clear answer, as a problem with a code and a trace, and leaves nothing behind."""

from typing import Any

import httpx
import pytest

from tests.e2e.exchange import Exchange

GOOD = {"symbol": "AAPL", "side": "BUY", "order_type": "LIMIT", "quantity": 10, "price": 150.00}


def assert_problem(answer: Any, status: int, code: str) -> None:
    """RFC 9457, with our code, a sentence and the trace."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["detail"].endswith("."), "a sentence"
    assert body["trace_id"] == answer.headers["X-Trace-Id"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "malformed_json"),
        ("", 400, "malformed_json"),
        ('"text"', 422, "invalid_field"),
        ("[" * 100_000, 422, "invalid_field"),
        ('{"symbol": ' + "[" * 100_000, 422, "invalid_field"),
        ('{"symbol": "AAPL", "side": "BUY", "quantity": NaN, "price": 1}', 400, "malformed_json"),
        ('{"symbol": "AAPL", "side": "BUY", "quantity": 1e400, "price": 1}', 422, "invalid_quantity"),
        ('{"symbol": "\\ud800", "side": "BUY", "quantity": 1, "price": 1}', 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
    ],
)
def test_what_is_not_json_is_refused(exchange: Exchange, body: str | bytes, status: int, code: str) -> None:
    """Malformed bodies get 400 or 422, never a 500."""
    assert_problem(exchange.shared_user.http.post("/v1/order", content=body), status, code)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": 5}, "invalid_field"),
        ({"symbol": "NOPE"}, "unknown_symbol"),
        ({"symbol": "x" * 10_000}, "unknown_symbol"),
        ({"colour": "red"}, "invalid_field"),
        ({"quantity": 0}, "invalid_quantity"),
        ({"quantity": -1}, "invalid_quantity"),
        ({"quantity": 1.5}, "invalid_quantity"),
        ({"quantity": "NaN"}, "invalid_quantity"),
        ({"quantity": 10**30}, "invalid_quantity"),
        ({"quantity": True}, "invalid_field"),
        ({"quantity": None}, "invalid_field"),
        ({"price": 0}, "invalid_price"),
        ({"price": -150}, "invalid_price"),
        ({"price": "Infinity"}, "invalid_price"),
        ({"price": 150.00001}, "invalid_price"),
        ({"price": 150.001}, "price_off_tick"),
        ({"price": 10**18}, "invalid_price"),
        ({"price": "a lot"}, "invalid_field"),
        ({"side": "buy or sell"}, "invalid_side"),
        ({"order_type": "MAGIC"}, "invalid_order_type"),
        ({"time_in_force": "NOW"}, "invalid_time_in_force"),
        ({"client_order_id": "x" * 65}, "invalid_field"),
        ({"client_order_id": ""}, "invalid_field"),
        ({"client_order_id": "a\x00b"}, "invalid_field"),
    ],
)
def test_an_order_with_a_mistake_is_refused_by_name(exchange: Exchange, fields: dict[str, Any], code: str) -> None:
    """Each mistake has its code, and the wallet is as before."""
    user = exchange.shared_user
    before = user.balances()
    assert_problem(user.http.post("/v1/order", json=GOOD | fields), 422, code)
    assert user.balances() == before


@pytest.mark.parametrize(
    "body",
    [
        {"amount": -5},
        {"amount": 0},
        {"amount": "NaN"},
        {"amount": 10**30},
        {"amount": "0.00001"},
        {"amount": 0.5, "asset": "AAPL"},
    ],
)
def test_a_deposit_must_be_an_amount(exchange: Exchange, body: dict[str, Any]) -> None:
    """Nothing comes in that is not a positive amount of something."""
    user = exchange.shared_user
    before = user.balances()
    assert_problem(user.http.post("/wallet/add-funds", json=body), 422, "invalid_amount")
    assert user.balances() == before


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/order/12345", 404, "order_not_found"),
        ("GET", "/v1/order/zero", 404, "order_not_found"),
        ("DELETE", "/v1/order/99999999999999999999999", 404, "order_not_found"),
        ("GET", "/v1/orders?limit=0", 422, "invalid_query"),
        ("GET", "/v1/orders?limit=many", 422, "invalid_query"),
        ("GET", "/v1/orders?colour=red", 422, "invalid_query"),
        ("GET", "/v1/orders?status=LOST", 422, "invalid_status"),
        ("GET", "/v1/order", 422, "invalid_query"),
        ("GET", "/marketdata/orderBook/L2?symbol=NOPE", 422, "unknown_symbol"),
        ("GET", "/marketdata/candles?symbol=AAPL&interval=2m", 422, "invalid_interval"),
        ("GET", "/v1/orders?symbol=%00", 422, "invalid_query"),
        ("DELETE", "/notifications/webhooks/9223372036854775807", 404, "webhook_not_found"),
        ("POST", "/notifications/dead-letters/9223372036854775807/redeliver", 404, "delivery_not_found"),
        ("GET", "/reports/trades?format=pdf", 422, "invalid_format"),
        ("GET", "/nowhere", 404, "not_found"),
        ("PUT", "/v1/order", 405, "method_not_allowed"),
        ("POST", "/v1/orders", 400, "malformed_json"),
    ],
)
def test_a_wrong_address_or_query_is_refused(
    exchange: Exchange, method: str, path: str, status: int, code: str
) -> None:
    """What is not there, or can't be asked, is a problem like any other."""
    assert_problem(exchange.shared_user.http.request(method, path), status, code)


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_one_to_a_hundred_orders(exchange: Exchange, count: int) -> None:
    """An empty or an oversized batch is refused whole."""
    answer = exchange.shared_user.http.post("/v1/orders", json={"orders": [GOOD] * count})
    assert_problem(answer, 422, "invalid_field")


def test_an_oversized_body_is_refused(exchange: Exchange) -> None:
    """A body beyond the limit is not even read to its end."""
    assert_problem(exchange.shared_user.http.post("/v1/order", content=b" " * 300_000), 413, "body_too_large")


def test_an_oversized_body_without_a_length_is_refused(exchange: Exchange) -> None:
    """Chunks are counted as they come."""
    answer = exchange.shared_user.http.post("/v1/order", content=(b" " * 1000 for _ in range(300)))
    assert_problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("value", ["", "Bearer", "Bearer x", "Basic abc", "Bearer a.b.c"])
def test_without_a_good_token_nothing_is_served(exchange: Exchange, value: str) -> None:
    """A missing, malformed or forged token gets 401 and is told what to send."""
    answer = exchange.http.get("/wallet/balance", headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["code"] in ("token_required", "invalid_token")


def test_a_token_signed_by_somebody_else_is_refused(exchange: Exchange) -> None:
    """One changed character in the signature is enough."""
    token = exchange.shared_user.token
    changed = token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]
    assert_problem(exchange.http.get("/auth/me", headers={"Authorization": f"Bearer {changed}"}), 401, "invalid_token")


def test_a_token_is_worth_nothing_after_logging_out(exchange: Exchange) -> None:
    """Logging out revokes the token at once."""
    user = exchange.user()
    assert user.http.post("/auth/logout").status_code == 200
    assert_problem(user.http.get("/auth/me"), 401, "token_revoked")


def test_another_users_order_is_not_there(exchange: Exchange) -> None:
    """Somebody else's order can be neither seen nor cancelled: it is a 404 like any unknown one."""
    order = exchange.user(cash=1000).placed(symbol="TSLA", quantity=1, price=200)
    stranger = exchange.user()
    for method in ("GET", "DELETE"):
        assert_problem(stranger.http.request(method, f"/v1/order/{order['order_id']}"), 404, "order_not_found")


def test_a_cancelled_order_can_not_be_cancelled_again(exchange: Exchange) -> None:
    """The second cancel is told what the order is."""
    user = exchange.user(cash=1000)
    order = user.placed(symbol="TSLA", quantity=1, price=200)
    assert user.http.delete(f"/v1/order/{order['order_id']}").status_code == 200
    assert_problem(user.http.delete(f"/v1/order/{order['order_id']}"), 409, "order_not_open")


def test_a_wrong_password_is_refused_and_guessing_is_slowed(exchange: Exchange) -> None:
    """Guessing a password meets 401, and soon 429 with the time to wait."""
    name = exchange.user().name
    wrong = {"username": name, "password": "wrong horse"}
    answers = [exchange.http.post("/auth/login", json=wrong)]
    while answers[-1].status_code == 401:
        answers.append(exchange.http.post("/auth/login", json=wrong))
        assert len(answers) < 100, "guessing is never slowed"
    assert_problem(answers[0], 401, "invalid_credentials")
    assert_problem(answers[-1], 429, "too_many_attempts")
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_the_rate_limit_fires_and_says_when_to_come_back(exchange: Exchange) -> None:
    """A user who asks for too much gets 429 with Retry-After; the headers count down before."""
    user = exchange.user()
    seen: list[httpx.Response] = []
    while not seen or seen[-1].status_code == 200:
        seen.append(user.http.get("/auth/me"))
        assert len(seen) < 2000, "the limit never fired"
    assert int(seen[0].headers["X-RateLimit-Remaining"]) > int(seen[-2].headers["X-RateLimit-Remaining"])
    assert_problem(seen[-1], 429, "rate_limited")
    assert int(seen[-1].headers["Retry-After"]) >= 1
    assert seen[-1].headers["X-RateLimit-Limit"] == "300"


@pytest.mark.parametrize(
    ("port", "path"),
    [
        ("WALLET_SERVICE_PORT", "/internal/get_balance"),
        ("ORDER_MANAGER_PORT", "/internal/list_orders"),
        ("REPORTING_PORT", "/internal/get_trades"),
        ("MATCHING_ENGINE_PORT", "/internal/match_order"),
        ("USER_SERVICE_PORT", "/internal/authenticate"),
        ("RISK_MANAGER_PORT", "/internal/validate_order"),
        ("MARKET_DATA_PORT", "/internal/get_order_book"),
    ],
)
def test_behind_the_gateway_a_users_token_opens_nothing(exchange: Exchange, port: str, path: str) -> None:
    """The other services serve the exchange's own services alone."""
    user = exchange.shared_user
    url = f"http://127.0.0.1:{exchange.ports[port]}{path}"
    for headers in ({}, {"Authorization": f"Bearer {user.token}"}, {"Authorization": f"Service {user.token}"}):
        assert_problem_without_trace(user.http.post(url, json=[{"user_id": user.user_id}], headers=headers))


def assert_problem_without_trace(answer: Any) -> None:
    """Internal calls are traced per item, and here there is none."""
    assert (answer.status_code, answer.json()["code"]) == (401, "service_credential_required"), answer.text


def test_administrators_are_refused_as_clearly(exchange: Exchange) -> None:
    """A cursor may be as large as any; a firm's name holds nothing that can't be read; a count is no fraction."""
    admin = exchange.admin.http
    page = admin.get("/admin/control-changes?cursor=9223372036854775807")
    assert page.status_code == 200, page.text
    for name in ("\x00", "a\x00b", " ", "a\nb"):
        assert_problem(admin.post("/admin/firms", json={"name": name}), 422, "invalid_field")
    counted = admin.post("/admin/users/1001/limits", json={"open_orders": 1.5})
    assert_problem(counted, 422, "invalid_limit")
    assert counted.json()["detail"] == "open_orders must be a whole number."
