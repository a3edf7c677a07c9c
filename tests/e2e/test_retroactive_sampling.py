"""At 1 % head sampling with retroactive keeping, errors and slow requests are in the trace backend, whole."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.e2e.exchange import ADMIN, Exchange, User, eventually, running_exchange
from tests.e2e.test_traces import RESTS, order_tree, whole
from tests.e2e.trees import Tree, text, tree_of
from tests.guides import blocks, variables

SLOW_S = 0.6
GUIDE = next(block for block in blocks("tracing.md", "env") if "TRACING_RETROACTIVE" in block.text)
SAMPLING = variables(GUIDE) | {"TRACING_SLOW_MS": str(1000 * SLOW_S), "TRACING_SLOW_QUANTILE": "0"}
"""What the guide tells to set, and one measure of slowness that is the same on every machine."""


@pytest.fixture(scope="module")
def sampled() -> Iterator[Exchange]:
    """An exchange that keeps one trace of a hundred, and those with errors or that were slow."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-sampled-"))
    folder.chmod(0o755)
    with running_exchange(folder / "home", **SAMPLING, **ADMIN) as running:
        yield running
    shutil.rmtree(folder)


@contextmanager
def in_database(exchange: Exchange, before: str, after: str) -> Iterator[None]:
    """Runs statements as the administrator, and others at the end of the block."""
    loop = asyncio.new_event_loop()
    connection = loop.run_until_complete(asyncpg.connect(exchange.database_url()))
    try:
        loop.run_until_complete(connection.execute(before))
        yield
    finally:
        loop.run_until_complete(connection.execute(after))
        loop.run_until_complete(connection.close())
        loop.close()


def failing(exchange: Exchange, user: User) -> httpx.Response:
    """An order that the order-manager cannot write: its table is away."""
    there, away = "order_manager.orders", "ALTER TABLE order_manager.orders_away RENAME TO orders"
    with in_database(exchange, f"ALTER TABLE {there} RENAME TO orders_away", away):
        return user.order(symbol="TSLA", quantity=1, price=200)


def settled_tree(exchange: Exchange, trace_id: str) -> tuple[Tree, ...]:
    """The trees of a trace once no more spans have come for a while."""
    seen: list[int] = []

    def grown() -> bool:
        seen.append(len(exchange.spans(trace_id)))
        return len(seen) > 20 and seen[-1] > 0 and len(set(seen[-20:])) == 1

    assert eventually(grown, bool), f"{seen[-1:]} spans"
    return tree_of(exchange.spans(trace_id))


def test_an_error_is_kept_whole(exchange: Exchange, sampled: Exchange) -> None:
    """The trace of a failed order is what it is where everything is sampled, with services that saw no error."""
    trees = []
    for running in (exchange, sampled):
        answer = failing(running, running.user(cash=1000))
        assert answer.status_code == 503, answer.text
        trees.append(settled_tree(running, answer.headers["X-Trace-Id"]))
    always, kept = trees
    assert text(kept) == text(always)
    assert {"wallet-service check_balance", "risk-manager validate_order"} <= {name for name, _ in kept[0][1]}


def test_slow_orders_are_kept_whole_and_quick_ones_are_not(sampled: Exchange) -> None:
    """Orders that met a lock are there with all they brought about later; of the quick ones hardly any is."""
    user = sampled.user(cash=100_000)
    slow = [slowly(sampled, user) for _ in range(3)]
    quick = []
    for _ in range(40):
        begin = time.monotonic()
        order = user.placed(symbol="TSLA", quantity=1, price=200)
        if time.monotonic() - begin < SLOW_S:
            quick.append(order["trace_id"])
    for trace_id in slow:
        whole(sampled, trace_id, order_tree(*RESTS))
    assert len(quick) > 20
    assert len([trace_id for trace_id in quick if sampled.spans(trace_id)]) < 5


def slowly(exchange: Exchange, user: User) -> str:
    """Places an order while its table is locked; the trace id."""
    lock = "BEGIN; LOCK TABLE order_manager.orders IN ACCESS EXCLUSIVE MODE"
    with ThreadPoolExecutor(1) as pool:
        with in_database(exchange, lock, f"SELECT pg_sleep({1.5 * SLOW_S}); COMMIT"):
            placing = pool.submit(user.placed, symbol="TSLA", quantity=1, price=200)
        trace_id: str = placing.result()["trace_id"]
        return trace_id
