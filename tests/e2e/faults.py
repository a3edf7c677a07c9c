"""What the lessons promise of a fault, as a test looks for it: requests that are timed, findings, alerts."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import httpx

from tests.e2e.exchange import Exchange, User, eventually
from tests.guides import blocks

PRICE = 150
ALERT_S = 60.0
CLOCKS_APART_US_MAX = 1_000_000
"""Much more than an alert takes: spans are sent within 2 s, rules judged each second."""


class Answer(NamedTuple):
    """A request that was answered: with what, after how many seconds, in which trace."""

    status: int
    took_s: float
    trace_id: str


def ask(send: Callable[[], httpx.Response]) -> Answer:
    """Sends a request and times it."""
    began = time.perf_counter()
    response = send()
    return Answer(response.status_code, time.perf_counter() - began, response.headers["X-Trace-Id"])


def ask_at_once(sends: Iterable[Callable[[], httpx.Response]], width: int = 4) -> list[Answer]:
    """Sends requests, ``width`` of them at a time."""
    with ThreadPoolExecutor(width) as pool:
        return list(pool.map(ask, sends))


@contextmanager
def faults(exchange: Exchange, *names: str) -> Iterator[int]:
    """Switches faults on as an administrator does, until they work; and off again. Gives the time, as alerts do."""
    began_ms = time.time_ns() // 1_000_000
    try:
        switch(exchange, names, on=True)
        yield began_ms
    finally:
        switch(exchange, names, on=False)


def switch(exchange: Exchange, names: Iterable[str], *, on: bool) -> None:
    """Returns once every service has said in its figures that it follows."""
    names = set(names)
    answer = exchange.admin.http.put("/admin/faults", json={"faults": dict.fromkeys(names, on)})
    assert answer.status_code == 200, answer.text
    for fault in answer.json()["faults"]:
        if fault["name"] in names:
            assert fault["on"] is on
            port = exchange.ports[f"{fault['service'].replace('-', '_').upper()}_PORT"]
            line = f'outcry_fault_on{{fault="{fault["name"]}"}} {float(on)}'
            assert says(port, line), fault


def says(port: int, line: str) -> bool:
    """Whether a service comes to have this line in its figures."""
    return eventually(lambda: line in metrics(port), bool)


def metrics(port: int) -> str:
    """The figures of a service."""
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=15, trust_env=False).text


def crossing(users: list[User], symbol: str = "AAPL") -> Iterator[Callable[[], httpx.Response]]:
    """Orders without end that trade with each other, of these users in turn; everybody buys and sells."""
    for number in itertools.count():
        user, side = users[number % len(users)], ("BUY", "SELL")[number // len(users) % 2]
        yield partial(user.order, symbol=symbol, side=side, quantity=1, price=PRICE)


def findings(exchange: Exchange, trace_id: str) -> list[dict[str, Any]]:
    """What the trace backend finds in a trace, nothing while it has none of it."""
    answer = httpx.get(f"{exchange.jaeger}/api/traces/{trace_id}/analysis", timeout=15, trust_env=False)
    found: list[dict[str, Any]] = answer.json()["findings"] if answer.status_code == 200 else []
    return found


def assert_found(
    exchange: Exchange,
    answers: Iterable[Answer],
    kind: str,
    service: str,
    operation: str,
    more: Callable[[], Iterable[Answer]] = tuple,
) -> None:
    """One of these traces comes to have this finding, or one of those that ``more`` brings until one has."""
    seen: dict[str, set[tuple[str, str, str]]] = {answer.trace_id: set() for answer in answers}
    wanted = (kind, service, operation)

    def look() -> bool:
        for trace_id in seen:
            seen[trace_id] = {(f["kind"], f["service"], f["operation"]) for f in findings(exchange, trace_id)}
            if wanted in seen[trace_id]:
                return True
        seen.update((answer.trace_id, set()) for answer in more())
        return False

    assert eventually(look, bool, ALERT_S), (wanted, seen)


def assert_insight(exchange: Exchange, since_ms: int, kind: str, service: str, operation: str) -> dict[str, Any]:
    """The traces since then come to say this together; gives what else is told of it."""
    wanted = (kind, service, operation)

    def look() -> dict[tuple[str, str, str], dict[str, Any]]:
        query = {"lookback": time.time_ns() // 1_000_000 - since_ms, "timeout": 20_000}
        answer = httpx.get(f"{exchange.jaeger}/api/insights", params=query, timeout=30, trust_env=False)
        return {(i["kind"], i["service"], i["operation"]): i for i in answer.json()["insights"]}

    seen = eventually(look, lambda found: wanted in found, ALERT_S)
    assert wanted in seen, (wanted, list(seen))
    return seen[wanted]


def firing(exchange: Exchange, since_ms: int | None = None) -> set[tuple[str, str, str | None]]:
    """The alerts that fire, and with ``since_ms`` those that have fired after that time: rule, service, operation."""
    alerts = [alert for alert in told(exchange, "/api/alerts") if alert["state"] == "firing"]
    if since_ms is not None:
        alerts += [alert for alert in told(exchange, "/api/alerts/history") if alert["resolved_ms"] >= since_ms]
    return {(alert["rule"], alert["service"], alert["operation"]) for alert in alerts}


def told(exchange: Exchange, path: str) -> list[dict[str, Any]]:
    """The alerts that the trace backend lists there."""
    answer = httpx.get(exchange.jaeger + path, timeout=15, trust_env=False)
    alerts: list[dict[str, Any]] = answer.json()["alerts"]
    return alerts


def assert_fires(
    exchange: Exchange,
    since_ms: int,
    rule: str,
    service: str,
    operation: str | None,
    meanwhile: Callable[[], object] | None = None,
) -> None:
    """This alert comes to fire, if it has not done so since then. ``meanwhile``: load that goes on until it does."""
    wanted = (rule, service, operation)

    def look() -> set[tuple[str, str, str | None]]:
        if meanwhile is not None:
            meanwhile()
        return firing(exchange, since_ms)

    seen = eventually(look, lambda found: wanted in found, ALERT_S)
    assert wanted in seen, (wanted, seen)


def assert_searched(exchange: Exchange, since_ms: int, *names: str) -> None:
    """What the lesson of each fault tells to search for finds a trace.

    A clock that is behind dates its spans before the fault began.
    """
    start_us = since_ms * 1000 - CLOCKS_APART_US_MAX
    for name in names:
        (search,) = blocks(f"lessons/{name}.md", "q")
        query = {"q": search.text, "start": str(start_us), "limit": "1"}
        assert eventually(partial(searched, exchange, query), bool), name


def searched(exchange: Exchange, query: dict[str, str]) -> list[dict[str, Any]]:
    """The traces that a search finds."""
    answer = httpx.get(f"{exchange.jaeger}/api/search", params=query, timeout=15, trust_env=False)
    traces: list[dict[str, Any]] = answer.json()["traces"]
    return traces


def slower(answers: Iterable[Answer], than_s: float) -> list[Answer]:
    """Those that took longer, the slowest first."""
    return sorted((answer for answer in answers if answer.took_s > than_s), key=lambda answer: -answer.took_s)
