"""Business figures from what services say on /metrics."""

import asyncio
from functools import partial
from typing import Any, cast

import pytest

from services.client_gateway import business_routes
from services.client_gateway.api import Nothing
from services.client_gateway.business_figures import figures_view, read_page
from services.client_gateway.settings import GatewaySettings

GATEWAY = read_page(
    "client-gateway",
    """# HELP outcry_orders_total Orders by outcome, and why not
outcry_orders_total{code="",outcome="accepted"} 6.0
outcry_orders_total{code="",outcome="repeated"} 1.0
outcry_orders_total{code="price_collar",outcome="refused"} 1.0
outcry_orders_total{code="insufficient_funds",outcome="refused"} 2.0
outcry_orders_created{code="",outcome="accepted"} 1.7957413047312372e+09
process_start_time_seconds 1.79574130001e+09
python_gc_objects_collected_total{generation="0"} 10
""",
)
REPORTING = read_page(
    "reporting",
    """outcry_trades_total{symbol="AAPL"} 3.0
outcry_traded_dollars_total{symbol="AAPL"} 5320.75
outcry_traded_dollars_total{symbol="A}\\"B"} 0.25
outcry_orders_closed_total{status="FILLED"} 4.0
outcry_filled_shares_total 70.0
outcry_unfilled_shares_total 30.0
outcry_stream_backlog{stream="executions"} 12.0
""",
)
WALLET = read_page(
    "wallet-service",
    """outcry_settlement_seconds_bucket{le="0.064"} 1.0
outcry_settlement_seconds_bucket{le="0.128"} 3.0
outcry_settlement_seconds_bucket{le="0.25"} 5.0
outcry_settlement_seconds_bucket{le="+Inf"} 5.0
outcry_settlement_seconds_count 5.0
outcry_settlement_seconds_sum 0.5625
""",
)


def test_figures_are_put_together_from_all_services() -> None:
    """Orders, fills, value, settlement and backlogs come from the services that count them, shares from their sums."""
    found = figures_view([GATEWAY, REPORTING, WALLET], [])
    assert found["orders"] == {"accepted": 6, "refused": 3, "repeated": 1}
    assert found["success_rate"] == 0.7
    assert [(one["code"], one["orders"]) for one in found["refusals"]] == [
        ("insufficient_funds", 2),
        ("price_collar", 1),
    ]
    assert (found["fill_ratio"], found["trades"], found["closed"]) == (0.7, 3, {"FILLED": 4})
    assert (found["value"], found["value_by_symbol"]) == ("5321.00", {'A}\\"B': "0.25", "AAPL": "5320.75"})
    assert found["settlement"] == {"trades": 5, "mean_ms": 112.5, "p50_ms": 128.0, "p95_ms": 250.0}
    assert found["backlog"] == [{"service": "reporting", "stream": "executions", "events": 12}]
    assert found["since"]["client-gateway"].startswith("2026-11-27T01:01:40")


def test_of_two_engines_the_leader_counts() -> None:
    """An engine that waits to take over knows the same orders; they are counted once."""
    leads = read_page("matching-engine", 'outcry_engine_leads 1.0\noutcry_open_orders{symbol="AAPL"} 15.0\n')
    waits = read_page("matching-engine", 'outcry_engine_leads 0.0\noutcry_open_orders{symbol="AAPL"} 14.0\n')
    for pages in ([leads, waits], [waits, leads]):
        assert figures_view(pages, [])["open_orders"] == {"AAPL": 15}


def test_engines_that_share_the_symbols_count_together() -> None:
    """Each of those that lead tells of its own symbols."""
    first = read_page("matching-engine", 'outcry_engine_leads{shard="0"} 1.0\noutcry_open_orders{symbol="AAPL"} 15.0\n')
    other = read_page("matching-engine", 'outcry_engine_leads{shard="1"} 1.0\noutcry_open_orders{symbol="MSFT"} 4.0\n')
    assert figures_view([first, other], [])["open_orders"] == {"AAPL": 15, "MSFT": 4}


def test_what_nobody_told_is_missing_and_said_so() -> None:
    """Before the first order, and from services that do not answer, there are no shares and no times."""
    found = figures_view([], ["wallet-service"])
    assert found["silent"] == ["wallet-service"]
    assert (found["success_rate"], found["fill_ratio"], found["value"]) == (None, None, "0.00")
    assert found["settlement"] == {"trades": 0, "mean_ms": None, "p50_ms": None, "p95_ms": None}


async def test_who_looks_at_once_shares_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many look within some seconds, each service is asked once; who comes later is told of later."""
    asked: list[str] = []

    async def page(service: str, _url: str) -> None:
        asked.append(service)
        await asyncio.sleep(0)

    monkeypatch.setattr(business_routes, "_page", page)
    routes = business_routes.BusinessRoutes(GatewaySettings())
    look = partial(routes.figures, cast(Any, None), Nothing())
    impatient, *others = [asyncio.create_task(look()) for _ in range(5)]
    await asyncio.sleep(0)
    impatient.cancel()
    bodies = {bytes(answer.body) for answer in await asyncio.gather(*others)}
    assert (len(bodies), sorted(asked)) == (1, sorted(business_routes.ASKED))
    await look()
    assert len(asked) == len(business_routes.ASKED)
    monkeypatch.setattr(business_routes, "SHARED_S", 0.0)
    await look()
    assert len(asked) == 2 * len(business_routes.ASKED)
