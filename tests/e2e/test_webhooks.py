"""Webhooks through the gateway, as a developer on this machine uses them."""

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.test_bad_input import assert_problem


class Hook:
    """An HTTP server on this machine that keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[tuple[Mapping[str, str], bytes]] = []
        self.status = 200
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((dict(self.headers.items()), body))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


def verify(secret: str, headers: Mapping[str, str], body: bytes) -> Any:
    """The recipe of docs/notifications.md. Raises ValueError unless the body is from who has the secret, and fresh."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    if not any(hmac.compare_digest(expected, given) for given in headers["webhook-signature"].split(" ")):
        raise ValueError("not from who has the secret")
    if abs(time.time() - int(headers["webhook-timestamp"])) > 300:
        raise ValueError("too old")
    return json.loads(body)


def buys(exchange: Exchange, user: User) -> dict[str, Any]:
    seller = exchange.user(AMZN=1)
    seller.placed(symbol="AMZN", side="SELL", quantity=1, price=181)
    return user.placed(symbol="AMZN", quantity=1, price=181)


def test_a_trade_reaches_the_webhook_in_a_linked_trace(exchange: Exchange, hook: Hook) -> None:
    """Signed, as the recipe of the documentation verifies it; its trace links to the order's and goes on there."""
    user = exchange.user(cash=1000)
    added = user.http.post("/notifications/webhooks", json={"url": hook.url, "kinds": ["trade"]})
    assert added.status_code == 201, added.text
    secret = added.json()["secret"]
    order = buys(exchange, user)
    eventually(lambda: len(hook.got), lambda found: found >= 1)
    headers, body = hook.got[0]
    told = verify(secret, headers, body)
    assert (told["type"], told["webhook_id"]) == ("notifications", added.json()["webhook_id"])
    (message,) = told["messages"]
    assert (message["order_id"], message["price"], message["trace_id"]) == (
        order["order_id"],
        "181.00",
        order["trace_id"],
    )
    with pytest.raises(ValueError, match="secret"):
        verify(secret, headers, body + b" ")
    delivery = headers["traceparent"].split("-")[1]
    (span,) = eventually(lambda: exchange.spans(delivery), bool)
    assert (span["service"], span["operationName"]) == ("notification", "deliver_webhook")
    assert [reference["traceID"] for reference in span["references"]] == [order["trace_id"]]
    listed = user.get("/notifications/webhooks")["webhooks"]
    assert [(w["url"], w["kinds"], w["failures"]) for w in listed] == [(hook.url, ["trade"], 0)]
    assert "secret" not in listed[0]
    assert user.http.delete(f"/notifications/webhooks/{listed[0]['webhook_id']}").status_code == 200
    assert user.get("/notifications/webhooks")["webhooks"] == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "webhooks", {"url": "nonsense"}, 422, "invalid_url"),
        ("POST", "webhooks", {"url": "https://10.0.0.1/"}, 422, "webhook_target_refused"),
        ("POST", "webhooks", {"url": "https://169.254.169.254/latest/meta-data"}, 422, "webhook_target_refused"),
        ("POST", "webhooks", {"url": "http://example.com/"}, 422, "invalid_url"),
        ("POST", "webhooks", {"url": "https://a\x00b/"}, 422, "invalid_url"),
        ("POST", "webhooks", {"url": "https://x/" + "y" * 3000}, 422, "invalid_field"),
        ("POST", "webhooks", {"url": "http://localhost/", "kinds": []}, 422, "invalid_field"),
        ("POST", "webhooks", {"url": "http://localhost/", "kinds": ["gossip"]}, 422, "invalid_kinds"),
        ("POST", "webhooks", {}, 422, "invalid_field"),
        ("DELETE", "webhooks/x", None, 404, "webhook_not_found"),
        ("DELETE", "webhooks/999999", None, 404, "webhook_not_found"),
        ("PUT", "email", {"address": "nonsense", "kinds": ["trade"]}, 422, "invalid_email"),
        ("PUT", "email", {"address": "a@b.example", "kinds": ["trade"]}, 422, "email_unavailable"),
        ("PUT", "email", {"address": "a@b.example"}, 422, "invalid_field"),
        ("GET", "email", None, 404, "email_not_set"),
        ("DELETE", "email", None, 404, "email_not_set"),
        ("POST", "email/confirm", {"code": "x"}, 422, "invalid_code"),
        ("GET", "dead-letters?limit=0", None, 422, "invalid_query"),
        ("POST", "dead-letters/x/redeliver", None, 404, "delivery_not_found"),
        ("POST", "dead-letters/999999/redeliver", None, 404, "delivery_not_found"),
    ],
)
def test_mistakes_are_named(
    exchange: Exchange, method: str, path: str, body: dict[str, Any] | None, status: int, code: str
) -> None:
    """Each mistake has its code, and nothing is registered."""
    user = exchange.shared_user
    assert_problem(user.http.request(method, f"/notifications/{path}", json=body), status, code)
    assert user.get("/notifications/webhooks")["webhooks"] == []


def test_without_dead_letters_there_is_nothing_to_redeliver(exchange: Exchange) -> None:
    """The list is empty, and all of it can be tried again."""
    user = exchange.shared_user
    assert user.get("/notifications/dead-letters") == {"dead_letters": [], "next_cursor": None}
    assert user.http.post("/notifications/dead-letters/redeliver").json() == {"count": 0}


def test_addresses_are_not_tried_out(exchange: Exchange) -> None:
    """Nobody has mail sent to one stranger after the other: setting an address is limited by the hour."""
    user = exchange.user()
    wish = {"address": "somebody@mail.example", "kinds": ["trade"]}
    answers = [user.http.put("/notifications/email", json=wish) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [422] * 5 + [429]
    assert_problem(answers[-1], 429, "too_many_addresses")
