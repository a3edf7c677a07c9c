"""Two shards, a standby for each: who is killed is followed by its standby, quickly and with the same books.

Nothing happens twice, and one shard does not need the other.
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.exchange import Exchange, eventually, running_exchange
from tests.e2e.load import Load, assert_nothing_is_lost, traders
from tests.ports import free_ports

TAKEOVER_MAX_S = 3.0
ENGINES = ("matching-engine", "matching-engine-standby")
"""Those of the shard that trades AAPL."""

OTHER_ENGINES = ("matching-engine-1", "matching-engine-1-standby")
"""Those of the shard that trades MSFT, among others."""


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange of its own, with two shards and their standbys."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-standby-"))
    folder.chmod(0o755)
    ports = free_ports(4)
    more = {
        "MATCHING_ENGINE_SHARDS": "AAPL;*",
        "MATCHING_ENGINE_PORT": f"{ports[0]},{ports[1]}",
        "MATCHING_ENGINE_STANDBY_PORT": f"{ports[2]},{ports[3]}",
    }
    with running_exchange(folder / "home", **more) as running:
        running.ports |= {"MATCHING_ENGINE_PORT": ports[0], "MATCHING_ENGINE_STANDBY_PORT": ports[2]}
        yield running
    shutil.rmtree(folder)


def leaders(exchange: Exchange) -> list[str]:
    """The engines that say that they lead."""
    found = []
    for name in ENGINES:
        port = exchange.ports[name.replace("-", "_").upper() + "_PORT"]
        try:
            metrics = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=2, trust_env=False).text
        except httpx.TransportError:
            continue
        if re.search(r"^outcry_engine_leads\{.*\} 1\.0$", metrics, re.MULTILINE):
            found.append(name)
    return found


def test_the_standby_takes_over_within_three_seconds_and_nothing_is_lost(exchange: Exchange) -> None:
    """Each time the engine that leads is killed under load, orders flow again within 3 s, and the audit holds."""
    took_s = []
    with Load(exchange, traders(exchange), seed=3) as load:
        for _ in range(4):
            load.wait_for_orders(30)
            [leader] = eventually(lambda: leaders(exchange), bool)
            other = next(name for name in ENGINES if name != leader)
            # A standby that is just being started itself can't take over.
            assert eventually(lambda name=other: exchange.pid(name), bool)  # type: ignore[misc]
            before, killed_s = len(load.acknowledged), time.monotonic()
            exchange.kill(leader)
            eventually(lambda: leaders(exchange), lambda found, name=other: found == [name])  # type: ignore[misc]
            load.wait_for_orders(before + 5 - len(load.acknowledged))
            took_s.append(time.monotonic() - killed_s)
            ports = [exchange.ports[name.replace("-", "_").upper() + "_PORT"] for name in ENGINES]
            eventually(lambda ports=ports: all(is_ready(port) for port in ports), bool)  # type: ignore[misc]
    print("orders flowed again after", [f"{s:.2f} s" for s in took_s])
    assert max(took_s) < TAKEOVER_MAX_S, took_s
    assert 500 not in load.statuses, load.statuses
    assert_nothing_is_lost(exchange, load)


def test_when_one_shard_is_killed_the_other_goes_on(exchange: Exchange) -> None:
    """Its symbols trade and settle while the other one's engines are away; those come back with all their orders."""
    seller, buyer = exchange.user(AAPL=10, MSFT=10), exchange.user(cash=10_000)
    resting = seller.placed(symbol="MSFT", side="SELL", quantity=4, price=420)
    for name in OTHER_ENGINES:
        eventually(lambda name=name: exchange.pid(name), bool)  # type: ignore[misc]
        exchange.kill(name)
    seller.placed(symbol="AAPL", side="SELL", quantity=3, price=150)
    assert buyer.placed(symbol="AAPL", side="BUY", quantity=3, price=150)["status"] == "FILLED"
    assert exchange.settled(buyer) == {"USD": ("9550.00", "0.00"), "AAPL": ("3", "0")}
    bought = eventually(
        lambda: buyer.order(symbol="MSFT", side="BUY", quantity=4, price=420), lambda answer: answer.status_code == 201
    ).json()
    assert (bought["status"], bought["filled_quantity"]) == ("FILLED", 4), bought
    assert (
        eventually(lambda: seller.get(f"/v1/order/{resting['order_id']}"), lambda order: order["status"] == "FILLED")[
            "filled_quantity"
        ]
        == 4
    )
    ids = [int(trade["trade_id"]) for trade in exchange.traded(buyer, 2)]
    assert ids == sorted(ids, reverse=True)
    assert exchange.audit()["exit"] == 0


def is_ready(port: int) -> bool:
    """Whether the process there leads or follows."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
