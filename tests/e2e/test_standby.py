"""A second engine takes over from one that was killed: quickly, with the same books, and nothing happens twice."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.exchange import Exchange, eventually, running_exchange
from tests.e2e.load import Load, assert_nothing_is_lost, traders
from tests.ports import free_port

TAKEOVER_MAX_S = 3.0
ENGINES = ("matching-engine", "matching-engine-standby")


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange of its own, with a standby."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-standby-"))
    folder.chmod(0o755)
    port = free_port()
    with running_exchange(folder / "home", MATCHING_ENGINE_STANDBY_PORT=str(port)) as running:
        running.ports["MATCHING_ENGINE_STANDBY_PORT"] = port
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
        if "outcry_engine_leads 1.0" in metrics:
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


def is_ready(port: int) -> bool:
    """Whether the process there leads or follows."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=2, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
