"""The scenarios of `make load`, each for a moment and without its page."""

import json
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.exchange import PROJECT, Exchange, eventually
from tests.e2e.faults import metrics

pytestmark = pytest.mark.lessons

SYMBOL = "LOAD"
LEAST = {"/v1/order": 40, "/v1/orders": 1, "/auth/login": 2}
"""How often each route is asked for before the run is ended."""

SCENARIOS = ("Trader", "MarketMaker", "ReportReader", "LoginStorm", "OpeningAuction")


@pytest.fixture
def symbol(exchange: Exchange) -> Iterator[str]:
    """A symbol of its own, so that no other test meets what is traded here."""
    body = {"symbol": SYMBOL, "name": "Load", "tick_size": "0.01", "lot_size": 1, "reference_price": "100.00"}
    assert exchange.admin.http.post("/admin/symbols", json=body).status_code == 201
    yield SYMBOL
    assert exchange.admin.http.delete(f"/admin/symbols/{SYMBOL}").status_code == 200


def test_every_scenario_runs_without_a_failure(exchange: Exchange, symbol: str, tmp_path: Path) -> None:
    """Traders, makers, readers, logins and an auction: each does its part, and no answer is an error."""
    command = [
        *(sys.executable, "-m", "locust", "-f", str(PROJECT / "benchmarks" / "load.py"), *SCENARIOS),
        *("--headless", "--users", "5", "--spawn-rate", "20", "--stop-timeout", "60"),
        *("--host", exchange.url, "--json-file", str(tmp_path / "load"), "--only-summary", "--loglevel", "WARNING"),
    ]
    before = asked(exchange)
    with (
        (tmp_path / "output").open("w+") as output,
        subprocess.Popen(
            command,
            cwd=PROJECT,
            env=exchange.environment | {"LOAD_SYMBOLS": symbol},
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as locust,
    ):
        eventually(lambda: all_have_begun(exchange, before) or locust.poll() is not None, bool, 60)
        seen = auctions(exchange)
        locust.send_signal(signal.SIGTERM)
        status = locust.wait(60)
        output.seek(0)
        assert status == 0, output.read()
    assert seen[-2:] == ["CONTINUOUS", "OPENING_AUCTION"]
    rows = json.loads((tmp_path / "load.json").read_text())
    counts = {(row["method"], row["name"]): row["num_requests"] for row in rows}
    assert all(counts["POST", route] >= least for route, least in LEAST.items()), counts
    tape = exchange.http.get("/marketdata/trades", params={"symbol": symbol}).json()
    assert tape["trades"]


def asked(exchange: Exchange) -> Counter[str]:
    """How often the gateway was asked for each of the routes that the scenarios use."""
    found = Counter[str]()
    for route, count in re.findall(
        r'^outcry_http_request_seconds_count\{method="POST",route="([^"]+)",.*\} ([0-9.]+)$',
        metrics(exchange.ports["CLIENT_GATEWAY_PORT"]),
        re.MULTILINE,
    ):
        found[route] += int(float(count))
    return found


def all_have_begun(exchange: Exchange, before: Counter[str]) -> bool:
    """Whether every scenario has done its part, the auction too."""
    now = asked(exchange)
    return len(auctions(exchange)) > 1 and all(now[route] - before[route] >= least for route, least in LEAST.items())


def auctions(exchange: Exchange) -> list[str]:
    """The sessions that the symbol was turned to, newest first."""
    actions = exchange.admin.get("/admin/actions", limit=50)["actions"]
    return [a["detail"]["session"] for a in actions if a["symbol"] == SYMBOL and "session" in a["detail"]]
