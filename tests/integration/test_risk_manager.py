"""The risk-manager on the real PostgreSQL and Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg
import pytest
import redis as redis_sync

from services.risk_manager.app import create_app
from services.risk_manager.settings import RiskSettings
from shared.contracts.codes import OrderType, Side
from shared.contracts.events import EXECUTIONS
from shared.contracts.market import QUOTES_KEY
from shared.contracts.operations import RISK, Refused
from shared.contracts.risk import (
    CHANGE_LIMITS,
    OPEN_RESERVATIONS,
    RELEASE_RISK,
    VALIDATE_AMEND,
    VALIDATE_ORDER,
    LimitsChange,
    RiskCheck,
    RiskPassed,
)
from shared.contracts.wallet import ReleaseRequest, UnconfirmedSince
from shared.errors import Unavailable
from shared.settings import ServiceSettings
from tests.fake_engine import DAY_US, FakeEngine, accepted, amended, closed, event, trade
from tests.services import SECRETS, RunningService, new_traceparent, running, service_settings

DatabaseUrl = Callable[[str], str]
numbers = count(1 << 60)
"""Order ids as large as real ones, which Lua could not hold as numbers."""

ANNA, BEN = 1001, 1002
DOLLAR = 10_000


def order(
    user_id: int = ANNA, side: Side = Side.BUY, price: int = 150 * DOLLAR, quantity: int = 10, **more: Any
) -> RiskCheck:
    what = {
        "order_id": next(numbers),
        "symbol": "AAPL",
        "order_type": OrderType.LIMIT,
        "traceparent": new_traceparent(),
    }
    return RiskCheck(user_id=user_id, side=side, price=price, quantity=quantity, **{**what, **more})


@asynccontextmanager
async def risk_manager(url: str, redis_url: str, **limits: Any) -> AsyncIterator[RunningService]:
    """The service, with an engine that lists AAPL at a reference price of $150, once it is ready."""
    engine = FakeEngine()
    async with running(engine.create_app, service_settings(ServiceSettings, "", redis_url)) as engine_service:
        settings = service_settings(
            RiskSettings,
            url,
            redis_url,
            matching_engine_url=engine_service.url,
            service_secret=SECRETS[RISK],
            **limits,
        )
        async with running(create_app, settings) as service:
            await is_ready(service)
            yield service


async def is_ready(service: RunningService) -> None:
    """Returns once the service says that it can do its work."""
    async with asyncio.timeout(10):
        while True:
            if '"ready":true' in await service.get("/ready"):
                return
            await asyncio.sleep(0.02)


async def judge(service: RunningService, check: RiskCheck) -> RiskPassed | Refused:
    return await service.call(VALIDATE_ORDER, check)


async def passes(service: RunningService, check: RiskCheck) -> bool:
    return isinstance(await judge(service, check), RiskPassed)


async def refused(service: RunningService, check: RiskCheck) -> Refused:
    answer = await judge(service, check)
    assert isinstance(answer, Refused), answer
    return answer


@pytest.mark.parametrize(
    ("limits", "check", "code", "limit", "value"),
    [
        ({}, {"quantity": 100_001, "price": DOLLAR}, "order_quantity_limit", "100000", "100001"),
        ({}, {"quantity": 10_000}, "order_value_limit", "1000000.00", "1500000.00"),
        ({"position_limit": 9}, {}, "position_limit", "9", "10"),
        ({"daily_value_limit_usd": 1499}, {}, "daily_value_limit", "1499.00", "1500.00"),
        ({"open_orders_limit": 0}, {}, "open_orders_limit", "0", "1"),
        ({"orders_per_second_limit": 0}, {}, "order_rate_limit", "0", "1"),
        ({}, {"price": 180 * DOLLAR + 1}, "price_collar", "180.00", "180.0001"),
        ({}, {"price": 120 * DOLLAR - 1, "side": Side.SELL}, "price_collar", "120.00", "119.9999"),
    ],
)
async def test_each_limit_refuses_with_its_code_and_figures(
    database_url: DatabaseUrl,
    redis_url: str,
    limits: dict[str, int],
    check: dict[str, Any],
    code: str,
    limit: str,
    value: str,
) -> None:
    """An order over a limit is refused with that limit's code, the limit and the value that broke it."""
    async with risk_manager(database_url(RISK), redis_url, **limits) as service:
        answer = await refused(service, order(**check))
        assert (answer.code, answer.figures) == (code, {"limit": limit, "value": value})


@pytest.mark.parametrize(
    ("limits", "terms", "code"),
    [
        ({"position_limit": 12}, {"quantity": 13}, "position_limit"),
        ({"daily_value_limit_usd": 1600}, {"quantity": 11}, "daily_value_limit"),
        ({"daily_value_limit_usd": 1600}, {"price": 161 * DOLLAR}, "daily_value_limit"),
        ({"order_quantity_limit": 12}, {"quantity": 13}, "order_quantity_limit"),
        ({}, {"price": 200 * DOLLAR}, "price_collar"),
        ({"position_limit": 12}, {"quantity": 12}, ""),
        ({"daily_value_limit_usd": 1600, "open_orders_limit": 1}, {"price": 160 * DOLLAR}, ""),
        ({"orders_per_second_limit": 1}, {"quantity": 5}, "order_rate_limit"),
    ],
)
async def test_an_amendment_is_judged_by_what_it_adds(
    database_url: DatabaseUrl, redis_url: str, limits: dict[str, int], terms: dict[str, Any], code: str
) -> None:
    """10 shares at $150 are open: their new terms are held against each limit, and do not count twice."""
    async with risk_manager(database_url(RISK), redis_url, **limits) as service:
        check = order()
        assert await passes(service, check)
        answer = await service.call(VALIDATE_AMEND, order(order_id=check.order_id, amended_from=10, **terms))
        assert (answer.code if isinstance(answer, Refused) else "") == code


async def test_an_amended_order_counts_with_its_new_terms(database_url: DatabaseUrl, redis_url: str) -> None:
    """Once the engine has amended an order, its new price and quantity count, also after a rebuild."""
    url = database_url(RISK)
    async with risk_manager(url, redis_url, daily_value_limit_usd=2000) as service:
        check = order(quantity=5)
        assert await passes(service, check)
        terms = amended(check.order_id, ANNA, Side.BUY, 160 * DOLLAR, 10)
        rests = accepted(check.order_id, ANNA, Side.BUY, 150 * DOLLAR, 5)
        await service.send(EXECUTIONS, [event(1, rests), event(2, terms)])
        await service.reached(EXECUTIONS, 2)
        assert not await passes(service, order(price=160 * DOLLAR, quantity=3))
        with redis_sync.Redis.from_url(redis_url) as redis:
            redis.delete("risk:state:position")
        await is_ready(service)
        assert not await passes(service, order(price=160 * DOLLAR, quantity=3))
        assert await passes(service, order(price=160 * DOLLAR, quantity=2))


async def test_an_order_within_its_limits_passes_with_its_trace(database_url: DatabaseUrl, redis_url: str) -> None:
    """An order within all limits passes, says how many it passed, and its trace shows the check in Valkey."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        check = order()
        assert await service.answer(VALIDATE_ORDER, check) == RiskPassed(order_id=check.order_id, checks=7)
        assert service.spans.tree(check.traceparent) == {"validate_order": {"check_limits": {}}}
        unknown = await refused(service, order(symbol="NONE"))
        assert unknown.code == "unknown_symbol"


async def test_orders_of_one_batch_see_each_other(database_url: DatabaseUrl, redis_url: str) -> None:
    """Of many orders sent at once exactly as many pass as the limit has room for, and the same one passes again."""
    async with risk_manager(database_url(RISK), redis_url, position_limit=95) as service:
        checks = [order() for _ in range(20)]
        answers = await asyncio.gather(*(judge(service, check) for check in checks))
        passed = [check for check, answer in zip(checks, answers, strict=True) if isinstance(answer, RiskPassed)]
        assert len(passed) == 9
        again = await asyncio.gather(*(judge(service, check) for check in passed))
        assert all(isinstance(answer, RiskPassed) for answer in again)
        assert await passes(service, order(user_id=BEN, quantity=95)), "another account has limits of its own"


async def test_a_sale_is_never_held_against_the_position(database_url: DatabaseUrl, redis_url: str) -> None:
    """Selling makes a position smaller, so no position limit stands in its way."""
    async with risk_manager(database_url(RISK), redis_url, position_limit=0) as service:
        assert await passes(service, order(side=Side.SELL))


async def test_release_gives_back_and_bars(database_url: DatabaseUrl, redis_url: str) -> None:
    """A released order counts for nothing any more, and one that is released first can't be reserved afterwards."""
    async with risk_manager(database_url(RISK), redis_url, position_limit=10, open_orders_limit=1) as service:
        first, late = order(), order()
        await service.answer(VALIDATE_ORDER, first)
        assert (await refused(service, order())).code == "position_limit"
        for _ in range(2):
            await service.answer(RELEASE_RISK, ReleaseRequest(order_id=first.order_id, user_id=ANNA))
        await service.answer(RELEASE_RISK, ReleaseRequest(order_id=late.order_id, user_id=ANNA))
        assert (await refused(service, late)).code == "order_released"
        assert await passes(service, order())


async def test_order_rate_is_a_sliding_second(database_url: DatabaseUrl, redis_url: str) -> None:
    """No more orders pass than the rate allows, and a moment later the next one does."""
    async with risk_manager(database_url(RISK), redis_url, orders_per_second_limit=5) as service:
        answers = await asyncio.gather(*(judge(service, order()) for _ in range(12)))
        refusals = [answer.code for answer in answers if isinstance(answer, Refused)]
        assert refusals == ["order_rate_limit"] * 7
        async with asyncio.timeout(5):
            while True:
                if await passes(service, order()):
                    return
                await asyncio.sleep(0.02)


async def test_the_collar_follows_the_market(database_url: DatabaseUrl, redis_url: str) -> None:
    """The collar is around the last trade, else the middle of the book; market orders have none."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        quote = '{"symbol":"AAPL","bid":%d,"ask":%d,"last":%d,"volume":0}'
        await service.redis.hset(QUOTES_KEY, "AAPL", quote % (90 * DOLLAR, 110 * DOLLAR, 0))
        assert (await refused(service, order())).figures["limit"] == "120.00"
        await service.redis.hset(QUOTES_KEY, "AAPL", quote % (90 * DOLLAR, 110 * DOLLAR, 50 * DOLLAR))
        assert (await refused(service, order())).figures["limit"] == "60.00"
        assert await passes(service, order(order_type=OrderType.MARKET))


async def test_account_limits_override_the_defaults(database_url: DatabaseUrl, redis_url: str) -> None:
    """A row in the table of limits holds for its account alone."""
    url = database_url(RISK)
    async with risk_manager(url, redis_url):
        pass
    connection = await asyncpg.connect(url)
    await connection.execute("INSERT INTO risk_manager.limits VALUES ($1, 'order_quantity', 5)", ANNA)
    await connection.close()
    async with risk_manager(url, redis_url) as service:
        assert (await refused(service, order())).figures == {"limit": "5", "value": "10"}
        assert await passes(service, order(user_id=BEN))


async def test_fills_move_from_open_to_position_and_back_from_cancel(database_url: DatabaseUrl, redis_url: str) -> None:
    """What fills counts as position and traded value, what is cancelled counts no more."""
    async with risk_manager(database_url(RISK), redis_url, position_limit=10) as service:
        buy, sell = order(), order(user_id=BEN, side=Side.SELL, quantity=6)
        await service.answer(VALIDATE_ORDER, buy)
        await service.answer(VALIDATE_ORDER, sell)
        now_us = time.time_ns() // 1000
        events = [
            event(1, accepted(buy.order_id, ANNA, Side.BUY, buy.price, 10), order_id=buy.order_id, time_us=now_us),
            event(
                2,
                trade(1, (sell.order_id, BEN, 0), (buy.order_id, ANNA, 4), buy.price, 6, Side.SELL),
                closed(sell.order_id, BEN, Side.SELL),
                order_id=sell.order_id,
                time_us=now_us,
            ),
        ]
        await service.send(EXECUTIONS, events)
        await service.reached(EXECUTIONS, 2)
        assert (await refused(service, order(quantity=1))).figures == {"limit": "10", "value": "11"}
        await service.send(EXECUTIONS, [event(3, closed(buy.order_id, ANNA, Side.BUY, "CANCELLED", 4))], after=2)
        await service.reached(EXECUTIONS, 3)
        assert await passes(service, order(quantity=4))
        assert (await refused(service, order(quantity=1))).code == "position_limit"
        state = await service.redis.hgetall(f"risk:state:user:{ANNA}")
        assert state[b"value"] == b"%d" % (6 * buy.price)
        assert state[b"day"] == b"%d" % (now_us // DAY_US)
        assert service.spans.tree(events[1].traceparent) == {
            "update_position": {"apply_events": {}, "UPDATE exposures": {}, "UPDATE user_positions": {}}
        }


async def test_reservations_are_open_until_their_first_event(database_url: DatabaseUrl, redis_url: str) -> None:
    """The sweeper is told of each reservation of the window that no engine event has confirmed, and of no other."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        start_us = time.time_ns() // 1000
        first, second = order(), order(user_id=BEN)
        await service.answer(VALIDATE_ORDER, first)
        await service.answer(VALIDATE_ORDER, second)
        end_us = time.time_ns() // 1000 + 1
        window = UnconfirmedSince(from_us=start_us, until_us=end_us)
        found = await service.answer(OPEN_RESERVATIONS, window)
        assert set(zip(found.order_ids, found.user_ids, strict=True)) == {
            (first.order_id, ANNA),
            (second.order_id, BEN),
        }
        await service.send(EXECUTIONS, [event(1, accepted(first.order_id, ANNA, Side.BUY, first.price, 10))])
        await service.reached(EXECUTIONS, 1)
        assert (await service.answer(OPEN_RESERVATIONS, window)).order_ids == (second.order_id,)
        assert (await service.answer(OPEN_RESERVATIONS, UnconfirmedSince(from_us=0, until_us=start_us))).order_ids == ()


async def test_a_lost_valkey_is_made_again(database_url: DatabaseUrl, redis_url: str, valkey_server: Any) -> None:
    """After Valkey lost everything nothing passes unchecked: orders fail as unavailable until the limits hold again."""
    async with risk_manager(database_url(RISK), redis_url, position_limit=10) as service:
        buy = order()
        await service.answer(VALIDATE_ORDER, buy)
        await service.send(EXECUTIONS, [event(1, accepted(buy.order_id, ANNA, Side.BUY, buy.price, 10))])
        await service.reached(EXECUTIONS, 1)
        with redis_sync.Redis.from_url(valkey_server.server.url()) as admin:
            admin.flushall()
        async with asyncio.timeout(10):
            while True:
                try:
                    answer = await judge(service, order(quantity=1))
                    break
                except Unavailable:
                    await asyncio.sleep(0.02)
        assert isinstance(answer, Refused)
        assert answer.figures == {"limit": "10", "value": "11"}


async def test_a_restart_finds_the_two_states_apart(database_url: DatabaseUrl, redis_url: str) -> None:
    """When Valkey holds events that PostgreSQL does not, the start makes its state again, and events count once."""
    url = database_url(RISK)
    bought = event(1, trade(1, (7, ANNA, 0), (8, BEN, 0), 150 * DOLLAR, 6), closed(7, ANNA, Side.BUY))
    async with risk_manager(url, redis_url, position_limit=10) as service:
        await service.send(EXECUTIONS, [bought])
        await service.reached(EXECUTIONS, 1)
        await service.redis.set("risk:state:position", 9)
        await service.redis.hset(f"risk:state:user:{ANNA}", "position:AAPL", 60)
    async with risk_manager(url, redis_url, position_limit=10) as service:
        assert await service.redis.get("risk:state:position") == b"1"
        assert (await refused(service, order(quantity=5))).figures == {"limit": "10", "value": "11"}
        assert await passes(service, order(quantity=4))


async def test_events_that_postgres_lost_come_again(database_url: DatabaseUrl, redis_url: str) -> None:
    """When PostgreSQL comes back from a crash without its last commits, their events take effect once more, once."""
    url = database_url(RISK)
    async with risk_manager(url, redis_url, position_limit=10) as service:
        await service.send(EXECUTIONS, [event(1, trade(1, (7, ANNA, 0), (8, BEN, 0), 150 * DOLLAR, 6))])
        await service.reached(EXECUTIONS, 1)
        connection = await asyncpg.connect(url)
        # What a crash leaves when it comes before a relaxed commit is on disk.
        await connection.execute(
            "UPDATE risk_manager.positions SET seq = 0; DELETE FROM risk_manager.user_positions; "
            "DELETE FROM risk_manager.daily_values"
        )
        await service.send(EXECUTIONS, [event(2, accepted(9, ANNA, Side.BUY, 150 * DOLLAR, 4))], after=1)
        await service.reached(EXECUTIONS, 2)
        rows = await connection.fetch("SELECT user_id, quantity FROM risk_manager.user_positions ORDER BY user_id")
        await connection.close()
        assert [tuple(row) for row in rows] == [(ANNA, 6), (BEN, -6)]
        assert (await refused(service, order(quantity=1))).figures == {"limit": "10", "value": "11"}


def test_an_outage_of_valkey_fails_cleanly_and_passes(
    database_url: DatabaseUrl, redis_url: str, valkey_server: Any
) -> None:
    """While Valkey is away orders fail as unavailable; afterwards the limits hold as before."""

    async def before_and_during(service: RunningService) -> None:
        buy = order()
        await service.answer(VALIDATE_ORDER, buy)
        await service.send(EXECUTIONS, [event(1, accepted(buy.order_id, ANNA, Side.BUY, buy.price, 10))])
        await service.reached(EXECUTIONS, 1)
        valkey_server.running.kill()
        with pytest.raises(Unavailable):
            await judge(service, order(quantity=1))

    async def afterwards(service: RunningService) -> RiskPassed | Refused:
        async with asyncio.timeout(20):
            while True:
                try:
                    return await judge(service, order(quantity=1))
                except Unavailable:
                    await asyncio.sleep(0.05)

    # Valkey ends with the thread that started it, so it is started here, between two runs of the loop.
    with asyncio.Runner() as runner:
        manager = risk_manager(database_url(RISK), redis_url, position_limit=10)
        service = runner.run(manager.__aenter__())
        try:
            runner.run(before_and_during(service))
            valkey_server.running.start()
            answer = runner.run(afterwards(service))
        finally:
            runner.run(manager.__aexit__(None, None, None))
    assert isinstance(answer, Refused)
    assert answer.figures == {"limit": "10", "value": "11"}


async def test_a_changed_limit_judges_the_next_order_and_is_recorded(database_url: DatabaseUrl, redis_url: str) -> None:
    """One account's limit changes at once, with who and when on record; a wrong one changes nothing."""
    url = database_url(RISK)
    async with risk_manager(url, redis_url) as service:
        change = LimitsChange(user_id=7, account_id=ANNA, limits={"order_quantity": 5}, traceparent=new_traceparent())
        answer = await service.answer(CHANGE_LIMITS, change)
        assert answer.limits["order_quantity"] == 5
        assert (await refused(service, order(quantity=6))).code == "order_quantity_limit"
        assert await passes(service, order(user_id=BEN, quantity=6))
        wrong = await service.call(CHANGE_LIMITS, LimitsChange(user_id=7, account_id=ANNA, limits={"mood": 5}))
        assert isinstance(wrong, Refused)
        assert wrong.code == "invalid_limit"
        connection = await asyncpg.connect(url)
        rows = await connection.fetch("SELECT * FROM risk_manager.limit_changes")
        await connection.close()
    assert [(r["changed_by"], r["user_id"], r["name"], r["value"]) for r in rows] == [(7, ANNA, "order_quantity", 5)]
    assert rows[0]["trace_id"] == change.traceparent.split("-")[1]
