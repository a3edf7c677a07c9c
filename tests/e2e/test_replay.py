"""A day of market data leaves the exchange as a file and comes back through real sockets."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from websockets.asyncio.client import connect

from tests.e2e.exchange import PROJECT, Exchange, eventually
from tests.e2e.test_bad_input import assert_problem
from tests.market_client import FollowedBook
from tests.ports import free_port

SYMBOL = "NVDA"


def today() -> str:
    return time.strftime("%Y-%m-%d", time.gmtime())


@pytest.fixture(scope="module")
def day(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The file of a day on which something happened, and the orders that were in the book at the end."""
    seller = exchange.user(NVDA=100)
    buyer = exchange.user(cash=100_000)
    for number in range(10):
        seller.placed(symbol=SYMBOL, side="SELL", quantity=3, price=f"{130 + number}.00")
    for number in range(30):
        seller.placed(symbol=SYMBOL, side="SELL", quantity=1, price=f"{131 + number % 9}.50")
    buyer.placed(symbol=SYMBOL, quantity=8, price="131.00")
    iceberg = seller.placed(symbol=SYMBOL, side="SELL", quantity=20, price="129.50", display_quantity=5)
    buyer.placed(symbol=SYMBOL, quantity=7, price="129.50")

    def book() -> list[Any]:
        found: list[Any] = exchange.http.get(f"/marketdata/orderBook/L3?symbol={SYMBOL}").json()["asks"]
        return found

    expected = eventually(book, lambda rows: [iceberg["order_id"], "129.50", "3"] in rows)
    answer = exchange.http.get(f"/marketdata/events?date={today()}&symbol={SYMBOL}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    file = tmp_path_factory.mktemp("day") / "events.parquet"
    file.write_bytes(answer.content)
    exchange.fresh_users += [seller, buyer]
    return file, expected


@contextlib.contextmanager
def replaying(file: Path, *options: str) -> Iterator[str]:
    """`outcry replay-market`, once it serves; its socket's address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "outcry", "replay-market", str(file), "--port", str(port), *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert "Replay on" in process.stdout.readline()
        yield f"ws://127.0.0.1:{port}/ws"
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def asks_of(book: FollowedBook) -> list[Any]:
    return [[order_id, price, quantity] for order_id, side, price, quantity in book.queue() if side == "asks"]


async def played(url: str, expected: list[Any]) -> list[dict[str, Any]]:
    """All messages that lead to the book that there was at the end of the day; fails where they lead elsewhere."""
    book, heard = FollowedBook(), list[dict[str, Any]]()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(30), connect(url) as client:
            await client.send(json.dumps({"type": "subscribe", "channel": "L3", "symbol": SYMBOL}))
            while asks_of(book) != expected:
                message = json.loads(await client.recv())
                if message["type"] in ("snapshot", "update"):
                    heard.append(message)
                    book.hear(message)
    assert asks_of(book) == expected
    return heard


def test_the_file_tells_what_happened(day: tuple[Path, list[Any]]) -> None:
    """Orders, trades and prices of the day are in it with their types, and nobody's user id is."""
    with duckdb.connect() as connection:
        columns = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(day[0])]).fetchall()
        trades = connection.execute(
            "SELECT side, price::VARCHAR, quantity FROM read_parquet(?) WHERE kind = 'trade' ORDER BY trade_id",
            [str(day[0])],
        ).fetchall()
    assert [(name, kind) for name, kind, *_ in columns] == [
        *[("seq", "BIGINT"), ("time", "TIMESTAMP"), ("symbol", "VARCHAR"), ("kind", "VARCHAR"), ("order_id", "BIGINT")],
        *[("side", "VARCHAR"), ("price", "DECIMAL(18,4)"), ("quantity", "BIGINT"), ("trade_id", "BIGINT")],
        *[("session", "VARCHAR"), ("imbalance", "BIGINT")],
    ]
    assert trades[-5:] == [
        *[("BUY", "130.0000", 3), ("BUY", "131.0000", 3), ("SELL", "131.0000", 2)],
        *[("BUY", "129.5000", 5), ("BUY", "129.5000", 2)],
    ]


async def test_a_replay_ends_with_the_days_book_and_repeats_itself(day: tuple[Path, list[Any]]) -> None:
    """Through the same protocol the day leads to the same book; the same seed gives the same messages again."""
    file, expected = day
    with replaying(file, "--speed", "50", "--seed", "7") as url:
        first = await played(url, expected)
    with replaying(file, "--speed", "100", "--seed", "7") as url:
        second = await played(url, expected)
    # The first subscription begins the day: its first message may come by itself, or within the snapshot.
    shared = min(len(first), len(second))
    assert max(len(first), len(second)) - shared <= 1
    assert shared > 10
    assert first[-shared:] == second[-shared:]


async def test_what_a_replay_drops_is_healed(day: tuple[Path, list[Any]]) -> None:
    """Lost messages become fresh snapshots at the gateway, and the book at the end is right all the same."""
    file, expected = day
    with replaying(file, "--speed", "100", "--seed", "3", "--dropped", "0.4") as url:
        heard = await played(url, expected)
    assert [message["type"] for message in heard].count("snapshot") > 1


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 422, "invalid_query"),
        ("?date=yesterday", 422, "invalid_date"),
        ("?date=2026-13-01", 422, "invalid_date"),
        ("?date=1969-01-01", 404, "no_events"),
        ("?date=9999-12-31", 404, "no_events"),
        (f"?date={today()}&symbol=NOPE", 422, "unknown_symbol"),
    ],
)
def test_a_day_that_can_not_be_had_is_refused(exchange: Exchange, query: str, status: int, code: str) -> None:
    """A wrong day, one of which nothing is recorded and a wrong symbol are told apart."""
    assert_problem(exchange.http.get(f"/marketdata/events{query}"), status, code)
