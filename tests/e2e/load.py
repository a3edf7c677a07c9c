"""A bounded load from several users, whose every answer is kept, for tests that break something meanwhile."""

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.e2e.exchange import Exchange, User

SYMBOLS = ("AAPL", "MSFT")
PRICES = {"AAPL": 150, "MSFT": 420}


@dataclass
class Load:
    """Users who place orders that rest and orders that cross, until ``stop``."""

    exchange: Exchange
    users: list[User]
    seed: int
    acknowledged: list[dict[str, Any]] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    """Requests without any answer: the gateway itself was away."""

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._trade, args=(n,)) for n in range(len(self.users))]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def wait_for_orders(self, more: int, wait_s: float = 60) -> None:
        """Returns once this many more orders were acknowledged."""
        wanted, deadline = len(self.acknowledged) + more, time.monotonic() + wait_s
        while len(self.acknowledged) < wanted:
            assert time.monotonic() < deadline, f"no more orders are accepted: {self.statuses}"
            time.sleep(0.02)

    def _trade(self, number: int) -> None:
        dice, user = random.Random(self.seed * 100 + number), self.users[number]
        while not self._stop.is_set():
            symbol = dice.choice(SYMBOLS)
            price = PRICES[symbol] + dice.randrange(-3, 4)
            try:
                answer = user.order(symbol=symbol, side=dice.choice(("BUY", "SELL")), quantity=2, price=price)
            except httpx.TransportError:
                with self._lock:
                    self.broken += 1
                time.sleep(0.1)
                continue
            with self._lock:
                self.statuses[answer.status_code] = self.statuses.get(answer.status_code, 0) + 1
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json())
            time.sleep(0.01 if answer.status_code in (201, 422) else 0.1)


def traders(exchange: Exchange, count: int = 4) -> list[User]:
    """Users with enough cash and shares to go on for a while."""
    return [exchange.user(cash=1_000_000, AAPL=5000, MSFT=5000) for _ in range(count)]


def assert_nothing_is_lost(exchange: Exchange, load: Load) -> None:
    """Every acknowledged order can be read back by its owner, with at least the fills that it was told."""
    by_user: dict[int, dict[str, dict[str, Any]]] = {}
    for user in load.users:
        cursor = "0"
        orders: dict[str, dict[str, Any]] = {}
        while cursor:
            page = user.get("/v1/orders", cursor=cursor, limit=500)
            orders |= {order["order_id"]: order for order in page["orders"]}
            cursor = page["next_cursor"]
        by_user[user.user_id] = orders
    everything = {order_id: order for orders in by_user.values() for order_id, order in orders.items()}
    for told in load.acknowledged:
        found = everything[told["order_id"]]
        assert found["status"] != "REJECTED", (told, found)
        assert found["filled_quantity"] >= told["filled_quantity"], (told, found)
    audit = exchange.audit()
    assert audit["exit"] == 0, audit
    for user in load.users:
        # Other tests count on books without strangers' orders.
        assert user.http.delete("/v1/orders").status_code == 200
