"""Insights that only many traces give: planted ones are found, and what only looks like them is not."""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jaegerlite import dependencies
from tests.unit.jaegerlite_kit import NS_PER_MS, Kit

HOUR_MS = 3_600_000
END_MS = 1_800_000_000_000
SERVER, CLIENT = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT


class Traffic:
    """Traces of several services, stored as each of them would send its spans."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self._random = random.Random(5)
        self._spans: dict[str, list[Span]] = defaultdict(list)

    def span(
        self,
        service: str,
        name: str,
        at_ms: float,
        duration_ms: float,
        parent: Span | None = None,
        *,
        kind: Span.SpanKind.ValueType = SERVER,
        **attributes: str | int,
    ) -> Span:
        """A span, `at_ms` before or after END_MS; without a parent it begins a trace."""
        start_ns = round((END_MS + at_ms) * NS_PER_MS)
        made = Span(
            trace_id=parent.trace_id if parent else self._random.randbytes(16),
            span_id=self._random.randbytes(8),
            parent_span_id=parent.span_id if parent else b"",
            name=name,
            kind=kind,
            start_time_unix_nano=start_ns,
            end_time_unix_nano=start_ns + round(duration_ms * NS_PER_MS),
        )
        for key, value in attributes.items():
            text = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
            made.attributes.add(key=key.replace("__", "."), value=text)
        self._spans[service].append(made)
        return made

    async def insights(self, lookback_ms: int = HOUR_MS) -> list[dict[str, Any]]:
        """What is found in all of it."""
        for service, spans in self._spans.items():
            self._kit.send(service, *spans)
        self._spans.clear()
        answer = await self._kit.get("/api/insights", endTs=END_MS, lookback=lookback_ms)
        assert answer["complete"]
        found: list[dict[str, Any]] = answer["insights"]
        return found


@pytest.fixture
async def traffic(tmp_path: Path) -> AsyncIterator[Traffic]:
    kit = Kit(tmp_path)
    yield Traffic(kit)
    await kit.http.aclose()
    kit.backend.tenant().close()


def kinds(found: list[dict[str, Any]]) -> set[str]:
    return {insight["kind"] for insight in found}


# Hand-overs


def _order(traffic: Traffic, at_ms: float, *, whole: bool, order: int, checked: int | None = None) -> None:
    """An order that the gateway has checked by risk, within its trace or beside it."""
    root = traffic.span("gateway", "POST /order", at_ms, 20, order__id=order)
    inside = root if whole else None
    traffic.span("risk", "check", at_ms + 5, 8, inside, order__id=order if checked is None else checked)


async def test_a_hand_over_that_lost_its_context_is_found(traffic: Traffic) -> None:
    """Where calls that were made within a trace begin traces of their own, both sides are named, with examples."""
    for number in range(30):
        _order(traffic, -60_000 + 1000 * number, whole=number < 20, order=number)
    (found,) = await traffic.insights()
    assert (found["kind"], found["service"], found["operation"]) == ("broken_handover", "gateway", "POST /order")
    assert found["details"] == {"callee": "risk", "callee_operation": "check", "share": pytest.approx(1 / 3, abs=1e-4)}
    assert (found["count"], len(found["example_trace_ids"])) == (10, 6)
    assert "10 of 30 calls" in found["summary"]


async def test_a_hand_over_that_was_whole_the_day_before_is_missed(traffic: Traffic) -> None:
    """Who calls whom is remembered from before the window; of many calls at a time each goes to its own caller."""
    for number in range(20):
        _order(traffic, -5 * HOUR_MS + 1000 * number, whole=True, order=number)
    for number in range(20):
        _order(traffic, -60_000 + 3 * number, whole=False, order=100 + number)
    (found,) = await traffic.insights()
    assert (found["kind"], found["count"], found["details"]["share"]) == ("broken_handover", 20, 1)


async def test_several_callers_may_lose_the_same_call(traffic: Traffic) -> None:
    """Each caller is told by itself where all of them hand over without the trace, however many calls there were."""
    for number in range(400):
        at_ms = -400_000 + 1000 * number
        for place, name in enumerate(("POST /order", "WS place")):
            root = traffic.span("gateway", name, at_ms + 300 * place, 20, order__id=2 * number + place)
            inside = root if number < 200 else None
            traffic.span("risk", "check", at_ms + 300 * place + 5, 8, inside, order__id=2 * number + place)
    found = await traffic.insights()
    assert {(one["operation"], one["count"], one["details"]["share"]) for one in found} == {
        ("POST /order", 200, 0.5),
        ("WS place", 200, 0.5),
    }


@pytest.mark.parametrize("peer", ["risk", "elsewhere"])
async def test_a_client_span_says_whom_it_called(traffic: Traffic, peer: str) -> None:
    """A client's call with nothing below it, which names the service whose roots lie within it, needs no history."""
    for number in range(10):
        root = traffic.span("gateway", "POST /order", -60_000 + 1000 * number, 20)
        traffic.span("gateway", "call", -59_998 + 1000 * number, 15, root, kind=CLIENT, peer__service=peer)
        traffic.span("risk", "check", -59_995 + 1000 * number, 8)
    found = await traffic.insights()
    assert kinds(found) == ({"broken_handover"} if peer == "risk" else set())


@pytest.mark.parametrize("case", ["others call it too", "of other orders", "side by side", "not called now and then"])
async def test_roots_that_are_no_lost_children_are_silent(traffic: Traffic, case: str) -> None:
    """A service that is called without traces as well, or beside others, or not each time, has lost no context."""
    for number in range(30):
        at_ms = -60_000 + 1000 * number
        if case == "side by side":
            traffic.span("gateway", "POST /order", at_ms, 20, user__id=7)
            traffic.span("risk", "check", at_ms + 5, 8, user__id=7)
        elif case == "of other orders":
            _order(traffic, at_ms, whole=number < 20, order=number, checked=number if number < 20 else 500 + number)
        else:
            _order(traffic, at_ms, whole=True, order=number)
            traffic.span("gateway", "POST /order", at_ms + 300, 20, order__id=1000 + number)
            if case == "others call it too":
                traffic.span("risk", "check", at_ms + 320 * (number % 3), 8)
    assert await traffic.insights() == []


async def test_spans_that_never_came_are_told(traffic: Traffic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where children name a parent of their own process that did not come, its service loses spans."""
    monkeypatch.setattr(dependencies, "OVERDUE_S", -1.0)
    for number in range(10):
        lost = Span(trace_id=bytes([1] * 16), span_id=bytes([2] * 7 + [number]))
        traffic.span("gateway", "SELECT", -60_000 + 1000 * number, 5, lost, kind=CLIENT)
    (found,) = await traffic.insights()
    assert (found["kind"], found["service"], found["count"]) == ("lost_spans", "gateway", 10)


# Callers


def _requests(
    traffic: Traffic, users: list[str], at_ms: float, every_ms: float, more: Mapping[str, Any] | None = None
) -> None:
    for number, user in enumerate(users):
        traffic.span("shop", "GET /cart", at_ms + number * every_ms, 2, user__id=user, **(more or {}))


EVERYBODY = [f"u{number % 40}" for number in range(400)]


async def test_a_caller_who_makes_a_burst_is_found(traffic: Traffic) -> None:
    """One user who makes most of the requests while there are many more than usual is named, with rate and time."""
    _requests(traffic, EVERYBODY, -HOUR_MS, 8_000)
    _requests(traffic, ["loud"] * 900, -120_000, 60)
    (found,) = await traffic.insights()
    assert (found["kind"], found["service"], found["operation"]) == ("noisy_caller", "shop", "GET /cart")
    details = found["details"]
    assert (details["attribute"], details["value"]) == ("user.id", "loud")
    assert details["share"] > 0.9 > 0.1 > details["usual_share"]
    assert details["start_ms"] <= END_MS - 120_000 < details["end_ms"]


async def test_a_burst_that_fills_the_window_is_known_by_the_time_before(traffic: Traffic) -> None:
    """Where the window has nothing else, the day before says what is usual."""
    _requests(traffic, EVERYBODY, -HOUR_MS, 8_000)
    _requests(traffic, ["loud"] * 600, -30_000, 50)
    assert kinds(await traffic.insights(lookback_ms=30_000)) == {"noisy_caller"}


@pytest.mark.parametrize("case", ["everybody", "always", "few", "product", "browser"])
async def test_a_share_that_is_usual_is_silent(traffic: Traffic, case: str) -> None:
    """A rush of all users, a large customer, a small burst, what many ask for, and their browser are nobody's noise."""
    usual, burst = EVERYBODY, ["loud"] * 900
    more: dict[str, Any] = {}
    if case == "everybody":
        burst = [f"u{number % 40}" for number in range(900)]
    elif case == "always":
        usual = [user if number % 2 else "loud" for number, user in enumerate(EVERYBODY)]
    elif case == "few":
        burst = ["loud"] * 60
    else:
        burst = [f"u{number % 40}" for number in range(900)]
        more = {"product__id": "p1"} if case == "product" else {"user_agent__name": "curl"}
    _requests(traffic, usual, -HOUR_MS, 8_000)
    _requests(traffic, burst, -120_000, 60, more)
    assert await traffic.insights() == []


@pytest.mark.parametrize("spread", [False, True])
async def test_a_caller_who_is_refused_most_is_found(traffic: Traffic, spread: bool) -> None:
    """One user with nearly all refusals of a service is named; refusals of everybody are not one caller's."""
    for number, user in enumerate(EVERYBODY):
        traffic.span("shop", "GET /cart", -HOUR_MS + 8_000 * number, 2, user__id=user)
        if number % 2:
            refused = user if spread else "u3"
            traffic.span(
                *("shop", "GET /cart", -HOUR_MS + 8_000 * number + 100, 2),
                user__id=refused,
                http__response__status_code=429,
            )
    found = await traffic.insights()
    assert kinds(found) == (set() if spread else {"refused_caller"})
    if not spread:
        assert (found[0]["details"]["attribute"], found[0]["details"]["value"]) == ("user.id", "u3")
