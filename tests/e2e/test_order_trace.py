"""The way of an order and of a refused request, as their owner sees it over the API; the pages that show it."""

import re
from typing import Any

import httpx
import pytest

from tests.e2e.exchange import Exchange, User, eventually

STEPS = {"POST /v1/order", "check_balance", "validate_order", "create_order", "match_order", "settle_trade"}


def way(user: User, path: str) -> dict[str, Any]:
    """The answer of a trace route, as soon as every step is in it: each service sends its spans when it likes."""

    def look() -> httpx.Response:
        return user.http.get(path)

    def enough(answer: httpx.Response) -> bool:
        return answer.status_code == 200 and {span["name"] for span in answer.json()["spans"]} >= STEPS

    answer = eventually(look, enough)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_an_order_shows_its_own_way(exchange: Exchange) -> None:
    """The owner sees each step with its figures, and no id of anybody."""
    seller, buyer = exchange.user(NVDA=5), exchange.user(cash=10_000)
    seller.placed(symbol="NVDA", side="SELL", quantity=5, price=120)
    bought = buyer.placed(symbol="NVDA", quantity=5, price=120)
    found = way(buyer, f"/v1/order/{bought['order_id']}/trace")
    names = {span["name"] for span in found["spans"]}
    assert names >= STEPS
    top = found["spans"][0]
    assert (top["parent_id"], top["attributes"]["hold.amount"]) == ("", "600.00")
    assert top["attributes"]["risk.checks"] == 9
    assert found["explorer_url"].endswith(f"/trace/{bought['trace_id']}")
    # The number of an event may well be that of a user, by chance.
    told = {str(value) for span in found["spans"] for key, value in span["attributes"].items() if key != "event.seq"}
    assert not told & {str(seller.user_id), str(buyer.user_id), str(bought["order_id"])}
    assert not any(key.endswith(".id") for span in found["spans"] for key in span["attributes"])


def test_a_trace_can_be_waited_for(exchange: Exchange) -> None:
    """With `wait_ms` the first look finds the order's trace; a time that is none is refused."""
    buyer = exchange.user(cash=10_000)
    order = buyer.placed(symbol="NVDA", quantity=1, price=100)
    path = f"/v1/order/{order['order_id']}/trace"
    answer = buyer.http.get(path, params={"wait_ms": 10_000})
    assert answer.status_code == 200, answer.text
    assert answer.json()["trace_id"] == order["trace_id"]
    assert buyer.http.get(path, params={"wait_ms": "long"}).json()["code"] == "invalid_query"


def test_nobody_else_sees_it(exchange: Exchange) -> None:
    """Another user gets 404 for the order, and for the trace by its id."""
    buyer, other = exchange.user(cash=10_000), exchange.user()
    order = buyer.placed(symbol="NVDA", quantity=1, price=100)
    eventually(lambda: exchange.spans(order["trace_id"]), bool)
    assert other.http.get(f"/v1/order/{order['order_id']}/trace").json()["code"] == "order_not_found"
    assert other.http.get(f"/v1/trace/{order['trace_id']}").json()["code"] == "trace_not_found"


def test_a_trace_joined_by_another_stays_apart(exchange: Exchange) -> None:
    """Whoever continues a stranger's trace sees only the own part of it."""
    buyer, other = exchange.user(cash=10_000), exchange.user()
    order = buyer.placed(symbol="NVDA", quantity=1, price=100)
    joined = f"00-{order['trace_id']}-{'cd' * 8}-01"
    assert other.http.get("/auth/me", headers={"traceparent": joined}).status_code == 200
    found = eventually(
        lambda: other.http.get(f"/v1/trace/{order['trace_id']}"), lambda answer: answer.status_code == 200
    )
    assert "POST /v1/order" not in {span["name"] for span in found.json()["spans"]}


def test_a_refused_request_shows_where_it_was_refused(exchange: Exchange) -> None:
    """The trace id of a refusal leads to the step that said no."""
    user = exchange.user(cash=10)
    refused = user.order(symbol="NVDA", quantity=100, price=100)
    assert refused.status_code == 422
    path = f"/v1/trace/{refused.headers['X-Trace-Id']}"

    def refusals() -> set[str]:
        answer = user.http.get(path)
        spans = answer.json()["spans"] if answer.status_code == 200 else []
        return {span["attributes"].get("refusal.code", "") for span in spans}

    assert "insufficient_funds" in eventually(refusals, lambda codes: "insufficient_funds" in codes)


@pytest.mark.parametrize("trace_id", ["", "xyz", "ab" * 17, "..%2Fservices", "ü" * 32])
def test_a_bad_trace_id_is_refused(exchange: Exchange, trace_id: str) -> None:
    """Nothing that is not a trace id gets as far as the backend."""
    answer = exchange.shared_user.http.get(f"/v1/trace/{trace_id}")
    assert answer.status_code in (404, 422)
    assert answer.json()["code"] in ("not_found", "invalid_trace_id")


def test_the_page_is_there_with_or_without_node(exchange: Exchange) -> None:
    """/ is the desk under a strict policy where it is built, and otherwise says how to build it."""
    answer = exchange.http.get("/")
    assert answer.status_code == 200
    assets = re.findall(r'"(/assets/[^"]+)"', answer.text)
    if not assets:
        assert "make web" in answer.text
        return
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in assets:
        takes = {"Accept-Encoding": "gzip, br;q=0"}
        asset = exchange.http.get(path, headers=takes)
        assert asset.status_code == 200, path
        assert "immutable" in asset.headers["cache-control"]
        assert asset.headers.get("content-encoding") == (None if path.endswith(".woff2") else "gzip")
        kept = exchange.http.get(path, headers=takes | {"If-None-Match": asset.headers["etag"]})
        assert (kept.status_code, kept.content) == (304, b"")


@pytest.mark.parametrize("name", ["..%2Fdesk.html", "%2e%2e", "nothing.js", ".built", "%00"])
def test_no_other_file_is_served(exchange: Exchange, name: str) -> None:
    """/assets gives its own files and nothing beside them."""
    assert exchange.http.get(f"/assets/{name}").status_code == 404
