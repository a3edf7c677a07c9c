"""The risk state in Valkey against a naive one in Python, and against the one that PostgreSQL would make of it."""

import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from copy import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from services.risk_manager import app as risk_app
from services.risk_manager import control_store, store
from services.risk_manager.effects import DAY_US, effects_of
from services.risk_manager.limits import OF_FIRM, Limits, Verdict
from services.risk_manager.state import POSITION_KEY, RiskState
from shared.contracts.codes import OrderType, Side
from shared.contracts.events import EXECUTIONS, EngineEvent
from shared.contracts.operations import RISK
from shared.postgres import Database, migrate
from shared.valkey import Valkey
from tests.fake_engine import accepted, closed, event, trade

MIGRATIONS: Path = risk_app.MIGRATIONS
PRICES = {"AAPL": 100, "MSFT": 103}
LIMITS = Limits(
    position=80,
    daily_value=62_000,
    open_orders=5,
    orders_per_second=100_000,
    exposure=9_000,
    credit=8_000,
    price_collar_percent=1000,
    duplicate_window_ms=3_600_000,
)
FIRM_LIMITS = Limits(
    position=95, daily_value=110_000, open_orders=7, orders_per_second=100_000, exposure=11_500, credit=9_500
)
NOT_HERE = {Verdict.PRICE_COLLAR, Verdict.ORDER_RATE}
NOT_OF_FIRMS = {*NOT_HERE, Verdict.DUPLICATE, Verdict.PASSED, Verdict.RELEASED}
USERS, SYMBOLS, FIRMS = (1, 2, 3, 4), ("AAPL", "MSFT"), (0, 7, 8)
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
        self.net: Counter[int] = Counter()
        self.firm = dict.fromkeys(USERS, 0)
        self.recent: dict[tuple[Any, ...], int] = {}
        self.released: set[int] = set()

    def check(self, order_id: int, order: NaiveOrder) -> int:
        if order_id in self.orders:
            return Verdict.PASSED
        if order_id in self.released:
            return Verdict.RELEASED
        terms = (order.user, order.symbol, order.side, order.price, order.open)
        if terms in self.recent:
            return Verdict.DUPLICATE
        if verdict := self.judge({order.user}, LIMITS, order):
            return verdict
        firm = self.firm[order.user]
        if firm and (verdict := self.judge({user for user in USERS if self.firm[user] == firm}, FIRM_LIMITS, order)):
            return OF_FIRM + verdict
        self.orders[order_id] = order
        self.recent[terms] = order_id
        return Verdict.PASSED

    def judge(self, users: set[int], limits: Limits, order: NaiveOrder) -> Verdict:
        """The order against the limits of one account, or of all accounts of a firm together."""
        orders = [*(other for other in self.orders.values() if other.user in users), order]
        if order.side == Side.BUY:
            held = {symbol: sum(self.position[user, symbol] for user in users) for symbol in SYMBOLS}
            buys = [one for one in orders if one.side == Side.BUY]
            bought = sum(one.open * one.price for one in buys)
            if held[order.symbol] + sum(one.open for one in buys if one.symbol == order.symbol) > limits.position:
                return Verdict.POSITION
            if sum(self.net[user] for user in users) + bought > limits.credit:
                return Verdict.CREDIT
            if sum(max(held[symbol], 0) * PRICES[symbol] for symbol in SYMBOLS) + bought > limits.exposure:
                return Verdict.EXPOSURE
        if sum(self.value[user] for user in users) + sum(one.open * one.price for one in orders) > limits.daily_value:
            return Verdict.DAILY_VALUE
        return Verdict.OPEN_ORDERS if len(orders) > limits.open_orders else Verdict.PASSED

    def release(self, order_id: int) -> None:
        """An order that came to nothing is none that another could be sent twice of."""
        self.released.add(order_id)
        self.orders.pop(order_id, None)
        self.recent = {terms: other for terms, other in self.recent.items() if other != order_id}

    def fill(self, order_id: int, price: int, quantity: int) -> int:
        """What the order has left."""
        order = self.orders[order_id]
        order.open -= quantity
        self.position[order.user, order.symbol] += quantity if order.side == Side.BUY else -quantity
        self.value[order.user] += price * quantity
        self.net[order.user] += price * quantity if order.side == Side.BUY else -price * quantity
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
async def valkey(redis_url: str) -> AsyncIterator[Valkey]:
    client = Valkey(redis_url)
    yield client
    client.close()


@pytest.fixture
async def database(database_url: Callable[[str], str]) -> AsyncIterator[Database]:
    database = Database(database_url(RISK), "risk_manager", 1)
    await database.connect()
    await migrate(database, MIGRATIONS)
    async with database.connection() as connection:
        await connection.execute("INSERT INTO positions VALUES ($1, 0)", EXECUTIONS.name)
        await connection.execute("INSERT INTO firms OVERRIDING SYSTEM VALUE VALUES (7, 'Seven'), (8, 'Eight')")
    yield database
    await database.close()


async def bring(state: RiskState, database: Database, events: list[EngineEvent]) -> None:
    """What the consumer does with a batch."""
    async with database.transaction() as connection:
        await state.apply(connection, (), events)
        await store.record(connection, (), effects_of(events))
        await connection.execute("UPDATE positions SET seq = $1", events[-1].seq)


async def change_firm(state: RiskState, database: Database, morning: Morning) -> None:
    """An account goes to another firm, or to none, with all that it has."""
    user, firm = morning.dice.choice(USERS), morning.dice.choice(FIRMS)
    async with database.transaction() as connection:
        await control_store.set_firm(connection, user, firm)
    await state.join({user: firm})
    morning.naive.firm[user] = firm


async def release(state: RiskState, morning: Morning, order_id: int) -> None:
    """The order came to nothing."""
    await state.release((), [order_id])
    morning.naive.release(order_id)


async def snapshot(redis: Redis) -> dict[bytes, Any]:
    """All that counts in the state: without the rate, counts that are back at zero, and days without a value.

    An order's record is without the key under which it is looked for when it is sent twice.
    """
    found: dict[Any, Any] = {}
    async for key in redis.scan_iter(match="risk-manager:state:*"):
        if await redis.type(key) == b"hash":
            fields = await redis.hgetall(key)
            kept: dict[Any, Any] = {name: value for name, value in fields.items() if name != b"due" and value != b"0"}
            if b"value" not in kept:
                kept.pop(b"day", None)
            if key == b"risk-manager:state:orders":
                kept = {order_id: msgspec.msgpack.decode(record)[:5] for order_id, record in kept.items()}
            found |= {key: kept} if kept else {}
        elif await redis.type(key) == b"string":
            found[key] = await redis.get(key)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_state_judges_as_a_naive_one_does_and_can_be_made_again(
    redis: Redis, valkey: Valkey, database: Database, seed: int
) -> None:
    """Through a long morning each verdict is the naive one, and a rebuild from PostgreSQL gives the same state."""
    state, morning = RiskState(redis, valkey), Morning(seed)
    async with database.transaction() as connection:
        await state.rebuild(connection)
    verdicts: Counter[int] = Counter()
    for _ in range(150):
        if morning.dice.random() < 0.3:
            await change_firm(state, database, morning)
        wishes = [morning.wish() for _ in range(morning.dice.randrange(1, 12))]
        if morning.dice.random() < 0.3:
            wishes += [(wishes[0][0] + (1 << 32), copy(wishes[0][1]))]
            await release(state, morning, wishes[0][0])
        packed = [
            (
                *(str(order_id), str(o.user), o.symbol, int(o.side), int(OrderType.LIMIT), o.price, o.open),
                *(o.price * o.open, 0),
            )
            for order_id, o in wishes
        ]
        profiles = {
            str(o.user): (LIMITS.packed(), str(morning.naive.firm[o.user]), FIRM_LIMITS.packed()) for _, o in wishes
        }
        answers = (await state.check((), packed, profiles, PRICES))[::3]
        assert answers == [morning.naive.check(order_id, order) for order_id, order in wishes]
        verdicts.update(answers)
        before = len(morning.events)
        for (order_id, _), verdict in zip(wishes, answers, strict=True):
            if verdict == Verdict.PASSED:
                if morning.dice.random() < 0.2:
                    await release(state, morning, order_id)
                else:
                    morning.dice.choice((morning.rest, morning.meet))(order_id)
            if morning.dice.random() < 0.3:
                morning.cancel()
        if events := morning.events[before:]:
            await bring(state, database, events)
    assert min(verdicts[v] for v in Verdict if v not in NOT_HERE) > 0
    assert min(verdicts[OF_FIRM + v] for v in Verdict if v not in NOT_OF_FIRMS) > 0
    carried = await snapshot(redis)
    assert carried[POSITION_KEY.encode()] == b"%d" % len(morning.events)
    async with database.transaction() as connection:
        await state.rebuild(connection)
    assert await snapshot(redis) == carried


async def test_events_that_valkey_holds_are_passed_over(redis: Redis, valkey: Valkey, database: Database) -> None:
    """A batch that begins before what Valkey holds and ends after it brings only what is new."""
    state = RiskState(redis, valkey)
    buys = [event(seq, trade(seq, (10 + seq, 1, 0), (20 + seq, 2, 0), 100, 5), time_us=DAY_US) for seq in (1, 2, 3)]
    async with database.transaction() as connection:
        await state.rebuild(connection)
        await state.apply(connection, (), buys[:2])
        await state.apply(connection, (), buys)
        await state.apply(connection, (), buys)
    assert await redis.hget("risk-manager:state:user:1", "position:AAPL") == b"15"
    assert await redis.hget("risk-manager:state:user:2", "position:AAPL") == b"-15"
    assert await state.position() == 3
