"""The trees of the guide, read back from the trace backend and compared as wholes."""

import httpx
import pytest

from tests.e2e.exchange import Exchange, eventually
from tests.e2e.trees import Tree, text, tree, tree_of

LOGIN = tree(
    "client-gateway POST /auth/login",
    tree("user-service authenticate", tree("database SELECT user"), tree("jwt generate_token")),
)


def order_tree(*after: Tree) -> Tree:
    """The way of an order up to its answer, and what its event brought about: ``after``."""
    return tree(
        "client-gateway POST /v1/order",
        tree("user-service verify_token"),
        tree("wallet-service check_balance", tree("database SELECT account"), tree("database INSERT hold")),
        tree("risk-manager validate_order", tree("redis check_limits")),
        tree(
            "order-manager create_order",
            tree("database INSERT order"),
            tree("redis publish_event"),
            tree("reporting record_order", tree("database INSERT statistics")),
        ),
        tree("matching-engine match_order", tree("database INSERT journal"), tree("redis publish_event"), *after),
    )


RESTS = (
    tree("order-manager apply_execution", tree("database UPDATE order")),
    tree("risk-manager update_position", tree("database UPDATE exposures"), tree("redis apply_events")),
    tree("market-data update_book"),
    tree("notification notify_user", tree("database INSERT notification")),
)


def whole(exchange: Exchange, trace_id: str, expected: Tree) -> None:
    """Asserts that this trace is this tree and nothing else, once all its spans have arrived."""
    found = eventually(lambda: tree_of(exchange.spans(trace_id)), lambda trees: trees == (expected,))
    assert text(found) == text((expected,))


def test_a_login_is_one_whole_trace(exchange: Exchange) -> None:
    """Login goes through the user-service to the database and the token, and nowhere else."""
    user = exchange.user()
    answer = exchange.http.post("/auth/login", json={"username": user.name, "password": "correct horse"})
    assert answer.status_code == 200
    whole(exchange, answer.headers["X-Trace-Id"], LOGIN)


def test_a_resting_order_is_one_whole_trace(exchange: Exchange) -> None:
    """An order that rests shows every service on its way, and those that its event reached."""
    buyer = exchange.user(cash=1000)
    order = buyer.placed(symbol="TSLA", quantity=1, price=200)
    whole(exchange, order["trace_id"], order_tree(*RESTS))


def test_the_callers_context_is_continued(exchange: Exchange) -> None:
    """A client that traces itself finds its own trace continued."""
    buyer = exchange.user(cash=1000)
    mine = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
    answer = buyer.http.get("/wallet/balance", headers={"traceparent": mine})
    assert answer.headers["X-Trace-Id"] == "ab" * 16
    roots = eventually(lambda: exchange.spans("ab" * 16), lambda spans: len(spans) >= 3)
    gateway = next(span for span in roots if span["service"] == "client-gateway")
    assert gateway["references"][0]["spanID"] == "cd" * 8


def test_a_settlement_is_in_the_takers_trace_and_links_to_the_makers(exchange: Exchange) -> None:
    """Who made the trade happen sees its settlement; a link leads to the order it met."""
    seller, buyer = exchange.user(META=1), exchange.user(cash=1000)
    made = seller.placed(symbol="META", side="SELL", quantity=1, price=510)
    took = buyer.placed(symbol="META", quantity=1, price=510)
    assert took["fills"], took

    def settlements() -> list[dict[str, object]]:
        return [s for s in exchange.spans(took["trace_id"]) if s["operationName"] == "settle_trade"]

    settled = eventually(settlements, lambda spans: len(spans) == 1)
    assert len(settled) == 1
    links = [r["traceID"] for r in settled[0]["references"] if r["refType"] == "FOLLOWS_FROM"]  # type: ignore[attr-defined]
    assert links == [made["trace_id"]]


def test_no_span_of_a_trade_is_an_orphan(exchange: Exchange) -> None:
    """A trade's trace is one tree, with all nine services in it, however many spans it has."""
    seller, buyer = exchange.user(META=2), exchange.user(cash=2000)
    seller.placed(symbol="META", side="SELL", quantity=2, price=520)
    took = buyer.placed(symbol="META", quantity=2, price=520)

    def services_and_trees() -> tuple[int, int]:
        spans = exchange.spans(took["trace_id"])
        return len({span["service"] for span in spans}), len(tree_of(spans))

    assert eventually(services_and_trees, lambda found: found == (9, 1)) == (9, 1)


def test_order_spans_carry_the_orders_details(exchange: Exchange) -> None:
    """Symbol, side, type, quantity, price and user stand on the spans, as the guide lists them."""
    buyer = exchange.user(cash=1000)
    order = buyer.placed(symbol="TSLA", quantity=2, price=200)
    told = {"POST /v1/order", "create_order", "match_order"}
    spans = eventually(
        lambda: exchange.spans(order["trace_id"]), lambda found: told <= {span["operationName"] for span in found}
    )
    wanted = {
        "order.id": order["order_id"],
        "order.symbol": "TSLA",
        "order.side": "BUY",
        "order.type": "LIMIT",
        "order.quantity": 2,
        "order.price": "200.00",
        "user.id": str(buyer.user_id),
    }
    for operation in told:
        attributes = next(span["attributes"] for span in spans if span["operationName"] == operation)
        assert wanted.items() <= attributes.items()
    root = next(span["attributes"] for span in spans if span["operationName"] == "POST /v1/order")
    assert (root["http.request.method"], root["http.response.status_code"], root["span.kind"]) == (
        "POST",
        201,
        "server",
    )


def test_errors_name_their_trace(exchange: Exchange) -> None:
    """The trace id of an error's body is that of its header, and the trace tells the code."""
    answer = exchange.http.get("/v1/orders")
    assert answer.status_code == 401
    assert answer.json()["trace_id"] == answer.headers["X-Trace-Id"]
    spans = eventually(lambda: exchange.spans(answer.headers["X-Trace-Id"]), bool)
    assert spans[0]["attributes"]["error.code"] == "token_required"


@pytest.mark.parametrize("path", ["/api/services", "/api/services/client-gateway/operations", "/api/dependencies"])
def test_the_backend_knows_the_exchange(exchange: Exchange, path: str) -> None:
    """Services, operations and dependencies can be asked for as in Jaeger."""
    exchange.user(cash=1000).placed(symbol="TSLA", quantity=1, price=200)
    query = {"endTs": 4_000_000_000_000, "lookback": 4_000_000_000_000} if "dependencies" in path else {}

    def data() -> list[object]:
        found: list[object] = httpx.get(exchange.jaeger + path, params=query, trust_env=False).json()["data"]
        return found

    assert eventually(data, lambda found: len(found) >= 5)


def test_no_secret_is_in_any_span(exchange: Exchange) -> None:
    """Passwords, tokens and e-mail addresses that clients send are in no stored span."""
    secret = "pl4nted-s3cret"
    name = exchange.user().name
    exchange.http.post("/auth/login", json={"username": name, "password": secret})
    exchange.http.get("/auth/me", headers={"Authorization": f"Bearer {secret}"}, params={"token": secret})
    exchange.http.post(
        "/auth/register", json={"username": name + "_", "password": secret, "email": f"{secret}@example.org"}
    )
    last = exchange.http.get("/marketdata/symbols").headers["X-Trace-Id"]
    assert eventually(lambda: exchange.spans(last), bool)
    query = {"limit": "1500", "lookback": "1h"}
    for service in ("client-gateway", "user-service"):
        found = httpx.get(exchange.jaeger + "/api/traces", params=query | {"service": service}, trust_env=False).text
        assert found.count("traceID") > 3
        assert secret not in found
