"""The risk state in Valkey against a naive one in Python, and against the one that PostgreSQL would make of it."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from services.risk_manager import app as risk_app
from services.risk_manager import store
from services.risk_manager.effects import DAY_US, effects_of
from services.risk_manager.limits import Verdict
from services.risk_manager.state import RiskState
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, EngineEvent
from shared.contracts.operations import RISK
from shared.postgres import Database, migrate
from tests.fake_engine import accepted, closed, event, trade

MIGRATIONS: Path = risk_app.MIGRATIONS
POSITION, DAILY, OPEN_ORDERS = 80, 90_000, 6
LIMITS = (POSITION, DAILY, 1000, OPEN_ORDERS, 100_000)
NOT_HERE = (Verdict.PRICE_COLLAR, Verdict.ORDER_RATE)
USERS, SYMBOLS = (1, 2, 3), ("AAPL", "MSFT")
FIRST_ID = 1 << 60


class NaiveOrder:
    """An order as the naive state keeps it."""

    def __init__(self, user: int, symbol: str, side: Side, price: int, quantity: int) -> None:
        self.user, self.symbol, self.side, self.price, self.open = user, symbol, side, price, quantity


class NaiveState:
    """The limits written down as plainly as can be: everything is added up anew each time."""

    def __init__(self) -> None:
        self.orders: dict[int, NaiveOrder] = {}
        self.position: Counter[tuple[int, str]] = Counter()
        self.value: Counter[int] = Counter()
        self.released: set[int] = set()

    def check(self, order_id: int, order: NaiveOrder) -> Verdict:
        if order_id in self.orders:
            return Verdict.PASSED
        if order_id in self.released:
            return Verdict.RELEASED
        mine = [other for other in self.orders.values() if other.user == order.user]
        buys = sum(o.open for o in mine if (o.symbol, o.side) == (order.symbol, Side.BUY))
        if order.side == Side.BUY and self.position[order.user, order.symbol] + buys + order.open > POSITION:
            return Verdict.POSITION
        if self.value[order.user] + sum(o.open * o.price for o in mine) + order.open * order.price > DAILY:
            return Verdict.DAILY_VALUE
        if len(mine) + 1 > OPEN_ORDERS:
            return Verdict.OPEN_ORDERS
        self.orders[order_id] = order
        return Verdict.PASSED

    def fill(self, order_id: int, price: int, quantity: int) -> int:
        """What the order has left."""
        order = self.orders[order_id]
        order.open -= quantity
        self.position[order.user, order.symbol] += quantity if order.side == Side.BUY else -quantity
        self.value[order.user] += price * quantity
        if not order.open:
            del self.orders[order_id]
        return order.open


class Morning:
    """A seeded morning of orders, releases, fills and cancels, told to the real state and to the naive one."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.naive = NaiveState()
        self.resting: list[int] = []
        self.events: list[EngineEvent] = []
        self.number = FIRST_ID
        self.now_us = time.time_ns() // 1000

    def wish(self) -> tuple[int, NaiveOrder]:
        self.number += 1
        dice = self.dice
        order = NaiveOrder(
            dice.choice(USERS),
            dice.choice(SYMBOLS),
            dice.choice(list(Side)),
            dice.randrange(90, 110),
            dice.randrange(1, 60),
        )
        return self.number, order

    def tell(self, symbol: str, *reports: Any) -> None:
        self.events.append(event(len(self.events) + 1, *reports, symbol=symbol, time_us=self.now_us))

    def rest(self, order_id: int) -> None:
        order = self.naive.orders[order_id]
        self.tell(order.symbol, accepted(order_id, order.user, order.side, order.price, order.open))
        self.resting.append(order_id)

    def meet(self, order_id: int) -> None:
        """The order takes from a resting one of the other side, if there is one, and its rest goes."""
        taker = self.naive.orders[order_id]
        makers = [(m, self.naive.orders[m]) for m in self.resting]
        makers = [(m, o) for m, o in makers if o.symbol == taker.symbol and o.side != taker.side]
        if not makers:
            self.rest(order_id)
            return
        maker_id, maker = self.dice.choice(makers)
        quantity = min(taker.open, maker.open)
        maker_open, taker_open = (self.naive.fill(one, maker.price, quantity) for one in (maker_id, order_id))
        reports: list[Any] = [
            trade(
                len(self.events), (order_id, taker.user, taker_open), (maker_id, maker.user, maker_open),
                maker.price, quantity, taker.side,
            ),
            closed(order_id, taker.user, taker.side, "CANCELLED", taker_open),
        ]  # fmt: skip
        self.naive.orders.pop(order_id, None)
        if not maker_open:
            self.resting.remove(maker_id)
            reports.append(closed(maker_id, maker.user, maker.side))
        self.tell(taker.symbol, *reports)

    def cancel(self) -> None:
        if self.resting:
            order_id = self.resting.pop(self.dice.randrange(len(self.resting)))
            order = self.naive.orders.pop(order_id)
            self.tell(order.symbol, closed(order_id, order.user, order.side, "CANCELLED", order.open))


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def database(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    database = Database(database_url(RISK), "risk_manager", 1)
    await database.connect()
    await migrate(database, MIGRATIONS)
    async with database.connection() as connection:
        await connection.execute("INSERT INTO positions VALUES ($1, 0)", EXECUTIONS.name)
    yield database
    await database.close()


async def bring(state: RiskState, database: Database, events: list[EngineEvent]) -> None:
    """What the consumer does with a batch."""
    async with database.transaction() as connection:
        await state.apply(connection, (), events)
        await store.record(connection, (), effects_of(events))
        await connection.execute("UPDATE positions SET seq = $1", events[-1].seq)


async def snapshot(redis: Redis) -> dict[bytes, Any]:
    """All that counts in the state: without the rate, and without counts that are back at zero."""
    found: dict[bytes, Any] = {}
    async for key in redis.scan_iter(match="risk:state:*"):
        if await redis.type(key) == b"hash":
            fields = await redis.hgetall(key)
            kept = {name: value for name, value in fields.items() if name != b"due" and value != b"0"}
            found |= {key: kept} if kept else {}
        elif await redis.type(key) == b"string":
            found[key] = await redis.get(key)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_state_judges_as_a_naive_one_does_and_can_be_made_again(
    redis: Redis, database: Database, seed: int
) -> None:
    """Through a long morning each verdict is the naive one, and a rebuild from PostgreSQL gives the same state."""
    state, morning = RiskState(redis), Morning(seed)
    async with database.transaction() as connection:
        await state.rebuild(connection)
    verdicts: Counter[Verdict] = Counter()
    for _ in range(60):
        wishes = [morning.wish() for _ in range(morning.dice.randrange(1, 12))]
        if morning.dice.random() < 0.3:
            await state.release((), [wishes[0][0]])
            morning.naive.released.add(wishes[0][0])
        packed = [
            (str(i), str(o.user), o.symbol, int(o.side), True, o.price, o.open, o.price * o.open, 100, LIMITS, 0)
            for i, o in wishes
        ]
        answers = [Verdict(verdict) for verdict in (await state.check((), packed))[::3]]
        assert answers == [morning.naive.check(order_id, order) for order_id, order in wishes]
        verdicts.update(answers)
        before = len(morning.events)
        for (order_id, _), verdict in zip(wishes, answers, strict=True):
            if verdict == Verdict.PASSED:
                morning.dice.choice((morning.rest, morning.meet))(order_id)
            if morning.dice.random() < 0.3:
                morning.cancel()
        if events := morning.events[before:]:
            await bring(state, database, events)
    assert min(verdicts[v] for v in Verdict if v not in NOT_HERE) > 0
    carried = await snapshot(redis)
    assert carried[b"risk:state:position"] == b"%d" % len(morning.events)
    async with database.transaction() as connection:
        await state.rebuild(connection)
    assert await snapshot(redis) == carried


async def test_events_that_valkey_holds_are_passed_over(redis: Redis, database: Database) -> None:
    """A batch that begins before what Valkey holds and ends after it brings only what is new."""
    state = RiskState(redis)
    buys = [event(seq, trade(seq, (10 + seq, 1, 0), (20 + seq, 2, 0), 100, 5), time_us=DAY_US) for seq in (1, 2, 3)]
    async with database.transaction() as connection:
        await state.rebuild(connection)
        await state.apply(connection, (), buys[:2])
        await state.apply(connection, (), buys)
        await state.apply(connection, (), buys)
    assert await redis.hget("risk:state:user:1", "position:AAPL") == b"15"
    assert await redis.hget("risk:state:user:2", "position:AAPL") == b"-15"
    assert await state.position() == 3
