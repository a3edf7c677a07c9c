"""The lessons: each fault, switched on under load, shows as its page says, and is gone when it is switched off.

Faults that do not disturb each other are on at the same time. After all of them the money is right.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import httpx
import pytest

from outcry.doctor_rules import clock, pairs
from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.faults import (
    Answer,
    ask,
    ask_at_once,
    assert_fires,
    assert_found,
    assert_insight,
    assert_searched,
    crossing,
    faults,
    findings,
    firing,
    slower,
    switch,
)

pytestmark = pytest.mark.lessons

GATEWAY = "client-gateway"
ORDER = "POST /v1/order"


@pytest.fixture
def traders(exchange: Exchange) -> list[User]:
    """Users who trade with each other."""
    return [exchange.user(cash=1_000_000, AAPL=1000) for _ in range(4)]


def healed(exchange: Exchange, send: Callable[[], httpx.Response], within_s: float, kind: str) -> None:
    """A request is answered quickly again, and its trace no longer shows what was wrong.

    On a busy machine one in a few may be slow for reasons of its own.
    """

    def attempt() -> tuple[Answer, set[str]]:
        answer = ask(send)
        assert eventually(lambda: exchange.spans(answer.trace_id), bool)
        return answer, {finding["kind"] for finding in findings(exchange, answer.trace_id)}

    def well(answer: Answer, kinds: set[str]) -> bool:
        return answer.status < 500 and answer.took_s < within_s and kind not in kinds

    last = eventually(attempt, lambda found: well(*found))
    assert well(*last), last


def test_reads_that_are_broken(exchange: Exchange) -> None:
    """N+1, a missing index, a retry storm and a cache stampede: each is found in its own request, and heals."""
    seller, buyer = (exchange.user(cash=1_000_000, AAPL=1000) for _ in range(2))
    sale = {"symbol": "AAPL", "side": "SELL", "quantity": 1, "price": 150}
    for _ in range(5):
        assert seller.http.post("/v1/orders", json={"orders": [sale] * 100}).status_code == 200
    assert buyer.placed(quantity=500)["filled_quantity"] == 500
    sends: dict[str, Callable[[], httpx.Response]] = {
        "trades": lambda: buyer.http.get("/reports/trades", params={"limit": 500}),
        "orders": lambda: buyer.http.get("/v1/orders"),
        "positions": lambda: buyer.http.get("/reports/positions"),
        "tickers": lambda: exchange.http.get("/marketdata/tickers"),
    }
    before = {name: sends[name]().json() for name in ("trades", "orders", "positions")}
    with faults(exchange, "n_plus_one", "missing_index", "retry_storm", "cache_stampede") as since_ms:
        trades, orders, positions = (
            ask_at_once([sends[name]] * 4, width=1) for name in ("trades", "orders", "positions")
        )
        tickers = ask_at_once([sends["tickers"]] * 24, width=12)
        assert {name: sends[name]().json() for name in before} == before
    assert_found(exchange, trades, "repeated_query", "reporting", "get_trades")
    assert_found(exchange, orders, "slow_query", "order-manager", "SELECT orders")
    assert_found(exchange, positions, "retry", GATEWAY, "reporting get_positions")
    assert slower(tickers, 0.3)
    assert_found(exchange, tickers, "slow_query", "market-data", "SELECT candles")
    assert_fires(exchange, since_ms, "SlowQuery", GATEWAY, "GET /reports/trades")
    assert_fires(exchange, since_ms, "SlowQuery", GATEWAY, "GET /v1/orders")
    assert_fires(exchange, since_ms, "SlowQuery", GATEWAY, "GET /marketdata/tickers")
    assert_fires(exchange, since_ms, "FailingCalls", GATEWAY, "reporting get_positions")
    assert_searched(exchange, since_ms, "n_plus_one", "missing_index", "retry_storm", "cache_stampede")
    healed(exchange, sends["trades"], 0.5, "repeated_query")
    healed(exchange, sends["orders"], 0.5, "slow_query")
    healed(exchange, sends["positions"], 0.5, "retry")
    healed(exchange, sends["tickers"], 0.15, "slow_query")


def test_a_pause_failures_and_noise(exchange: Exchange, traders: list[User]) -> None:
    """The engine's pause is a gap in an order's trace, a failing risk-manager its first error, a noisy user a rate."""
    ask_at_once(islice(crossing(traders), 40))
    with faults(exchange, "engine_pause", "risk_failures", "noisy_user") as since_ms:
        orders: list[Answer] = []
        flow = crossing(traders)

        def slow_ones() -> list[Answer]:
            asked = ask_at_once(islice(flow, 20))
            orders.extend(asked)
            return slower(asked, 0.2)

        while len(orders) < 60 or all(answer.status != 503 for answer in orders):
            slow_ones()
            assert len(orders) < 400, orders
        assert_found(exchange, slower(orders, 0.2), "unrecorded_time", GATEWAY, ORDER, slow_ones)
        assert_fires(exchange, since_ms, "BusyOperation", GATEWAY, "GET /wallet/balance")
        assert max(users_of(exchange, "GET /wallet/balance").values()) >= 80
        noise = assert_insight(exchange, since_ms, "noisy_caller", GATEWAY, "GET /wallet/balance")["details"]
        assert noise["attribute"] == "user.id"
        assert int(noise["value"]) not in {trader.user_id for trader in traders}
        assert_fires(exchange, since_ms, "SlowOrder", GATEWAY, ORDER, slow_ones)
    assert {answer.status for answer in orders} == {201, 503}
    failed = [answer for answer in orders if answer.status == 503]
    assert_found(exchange, failed, "error", "risk-manager", "validate_order")
    assert_fires(exchange, since_ms, "FailingOperation", "risk-manager", "validate_order")
    assert_searched(exchange, since_ms, "engine_pause", "risk_failures", "noisy_user")
    healed(exchange, next(crossing(traders)), 0.4, "unrecorded_time")


def users_of(exchange: Exchange, operation: str) -> dict[str, int]:
    """Whose requests the newest hundred traces of an operation are."""
    query: dict[str, Any] = {"service": GATEWAY, "operation": operation, "limit": 100}
    found = httpx.get(f"{exchange.jaeger}/api/traces", params=query, timeout=15, trust_env=False).json()["data"]
    users = [
        tag["value"] for trace in found for span in trace["spans"] for tag in span["tags"] if tag["key"] == "user.id"
    ]
    return {user: users.count(user) for user in users}


def test_a_slow_step_a_late_follower_and_traces_that_lie(exchange: Exchange, traders: list[User]) -> None:
    """A slow wallet and a slow consumer; then a hand-over without its context, and a clock that is behind."""
    with faults(exchange, "slow_wallet", "slow_consumer") as since_ms:
        orders = ask_at_once(islice(crossing(traders), 16))
        assert {answer.status for answer in orders} == {201}
        assert len(slower(orders, 0.5)) == len(orders)
        assert_found(exchange, orders, "unrecorded_time", "wallet-service", "check_balance")
        flow = crossing(traders)
        assert_found(
            exchange, orders, "queue_wait", "reporting", "record_trade", lambda: one_after_another(islice(flow, 10))
        )
        assert_fires(exchange, since_ms, "SlowStep", "wallet-service", "check_balance")
        assert_fires(exchange, since_ms, "LateEvents", "reporting", "record_trade")
    assert_searched(exchange, since_ms, "slow_wallet", "slow_consumer")
    with faults(exchange, "dropped_context", "clock_skew") as since_ms:
        orders = ask_at_once(islice(crossing(traders), 16))
        assert_found(exchange, orders, "clock_skew", "order-manager", "create_order")
        broken = assert_insight(exchange, since_ms, "broken_handover", GATEWAY, ORDER)["details"]
        assert (broken["callee"], broken["callee_operation"]) == ("risk-manager", "validate_order")
        assert_fires(exchange, since_ms, "ClockSkew", "order-manager", None)
        assert_fires(exchange, since_ms, "BrokenTraces", GATEWAY, None)
    whole = eventually(lambda: exchange.spans(orders[-1].trace_id), lambda spans: len(services_of(spans)) >= 7)
    assert f"{GATEWAY} → risk-manager" in pairs(orders[-1].trace_id, whole)[0].seen
    assert "order-manager behind" in clock(whole).seen
    assert_searched(exchange, since_ms, "dropped_context", "clock_skew")
    send = next(crossing(traders))
    healed(exchange, send, 0.5, "unrecorded_time")
    last = send()
    whole = eventually(
        lambda: exchange.spans(last.headers["X-Trace-Id"]),
        lambda spans: {"risk-manager", "reporting"} <= services_of(spans),
    )
    assert "risk-manager" in services_of(whole)
    assert clock(whole).fine, clock(whole)


def one_after_another(sends: Iterable[Callable[[], httpx.Response]]) -> list[Answer]:
    """The answers to orders that begin in turn, so that they come at any moment of a consumer's pauses."""
    with ThreadPoolExecutor(10) as pool:
        answers = []
        for send in sends:
            answers.append(pool.submit(ask, send))
            time.sleep(0.15)
        return [answer.result() for answer in answers]


def services_of(spans: list[dict[str, Any]]) -> set[str]:
    return {span["service"] for span in spans}


def until_503(send: Callable[[], httpx.Response]) -> list[Answer]:
    """The answers up to the first 503, or to the tenth."""
    answers: list[Answer] = []
    while len(answers) < 10 and all(answer.status != 503 for answer in answers):
        answers.append(ask(send))
    return answers


def test_locks_stalls_and_a_leak(exchange: Exchange, traders: list[User]) -> None:
    """Rows that stay locked, a Valkey that stalls, and a pool that leaks until nobody is answered any more."""
    reader = exchange.user()
    with faults(exchange, "leaking_pool") as since_ms, ThreadPoolExecutor(1) as beside:
        reading = beside.submit(until_503, lambda: reader.http.get("/notifications"))
        with faults(exchange, "lock_contention", "valkey_stalls"):
            flow = crossing(traders)

            def slow_ones() -> list[Answer]:
                return slower(ask_at_once(islice(flow, 20)), 0.12)

            assert_found(exchange, (), "slow_query", "wallet-service", "INSERT hold", slow_ones)
            assert_found(exchange, (), "slow_query", "risk-manager", "check_limits", slow_ones)
            assert_fires(exchange, since_ms, "SlowStep", "risk-manager", "validate_order", slow_ones)
            assert_fires(exchange, since_ms, "LateEvents", "wallet-service", "settle_trade", slow_ones)
        healed(exchange, next(flow), 0.4, "slow_query")
        read = reading.result()
        assert [answer.status for answer in read] == [200] * (len(read) - 1) + [503]
        assert_found(exchange, read[-1:], "error", GATEWAY, "notification get_notifications")
        assert_fires(exchange, since_ms, "FailingOperation", GATEWAY, "GET /notifications")
    assert_searched(exchange, since_ms, "leaking_pool", "lock_contention", "valkey_stalls")
    healed(exchange, lambda: reader.http.get("/notifications"), 2, "error")


def test_after_all_faults_the_money_is_right(exchange: Exchange) -> None:
    """Nothing is on, the alerts of what was broken first are over, and the audit holds."""
    switch(exchange, ["slow_wallet"], on=False)
    listed = exchange.admin.get("/admin/faults")["faults"]
    assert not [fault["name"] for fault in listed if fault["on"]]
    audit = exchange.audit()
    assert audit["exit"] == 0, audit
    over = eventually(lambda: firing(exchange), lambda found: not {f for f in found if f[0] == "FailingCalls"}, 60)
    assert not {alert for alert in over if alert[0] == "FailingCalls"}


def test_only_administrators_break_things(exchange: Exchange) -> None:
    """Others are refused, an unknown fault is refused by name, and nothing of such a request takes effect."""
    user = exchange.user()
    assert user.http.get("/admin/faults").status_code == 403
    assert user.http.put("/admin/faults", json={"faults": {"slow_wallet": True}}).status_code == 403
    body = {"faults": {"slow_wallet": True, "fast_wallet": True}}
    refused = exchange.admin.http.put("/admin/faults", json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_fault")
    assert "'fast_wallet'" in refused.json()["detail"]
    answer = exchange.admin.http.put("/admin/faults", json={"faults": {"n_plus_one": True}, "for_s": 0})
    assert answer.status_code == 422
    assert not any(fault["on"] for fault in exchange.admin.get("/admin/faults")["faults"])
