"""The scenarios of `make load`, each for a moment and without its page."""

import csv
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.exchange import PROJECT, Exchange, eventually

SYMBOL = "LOAD"
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
    done = subprocess.run(
        [
            *(sys.executable, "-m", "locust", "-f", str(PROJECT / "benchmarks" / "load.py"), *SCENARIOS),
            *("--headless", "--users", "9", "--spawn-rate", "20", "--run-time", "5s", "--stop-timeout", "20"),
            *("--host", exchange.url, "--csv", str(tmp_path / "load"), "--only-summary", "--loglevel", "WARNING"),
        ],
        cwd=PROJECT,
        env=exchange.environment | {"LOAD_SYMBOLS": symbol},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    with (tmp_path / "load_stats.csv").open() as file:
        counts = {(row["Type"], row["Name"]): int(row["Request Count"]) for row in csv.DictReader(file)}
    assert counts["POST", "/v1/order"] > 20, counts
    assert counts["POST", "/v1/orders"] >= 1, counts
    assert counts["POST", "/auth/login"] >= 2, counts
    assert counts["POST", "/admin/symbols/{symbol}/session"] >= 2, counts
    assert any(name.startswith("/reports/") for _, name in counts), counts
    tape = exchange.http.get("/marketdata/trades", params={"symbol": symbol})
    assert json.loads(tape.content)["trades"]
    session = eventually(
        lambda: exchange.http.get("/marketdata/session", params={"symbol": symbol}).json(),
        lambda found: found["session"] == "CONTINUOUS",
    )
    assert session["session"] == "CONTINUOUS"
