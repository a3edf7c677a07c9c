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
from services.risk_manager.state import POSITION_KEY
from shared.contracts.codes import OrderType, Side
from shared.contracts.events import EXECUTIONS
from shared.contracts.market import QUOTES_KEY
from shared.contracts.operations import RISK, Refused
from shared.contracts.risk import (
    CHANGE_CONTROLS,
    CREATE_FIRM,
    GET_CONTROLS,
    LIST_CONTROL_CHANGES,
    LIST_FIRMS,
    OPEN_RESERVATIONS,
    RELEASE_RISK,
    VALIDATE_AMEND,
    VALIDATE_ORDER,
    ControlChangesQuery,
    Controls,
    ControlsChange,
    ControlsOf,
    FirmsQuery,
    NewFirm,
    RiskCheck,
    RiskPassed,
    Scope,
)
from shared.contracts.wallet import ReleaseRequest, UnconfirmedSince
from shared.errors import Unavailable
from shared.settings import ServiceSettings
from tests.fake_engine import DAY_US, FakeEngine, accepted, amended, closed, event, trade
from tests.services import SECRETS, RunningService, new_traceparent, running, service_settings

DatabaseUrl = Callable[[str], str]
numbers = count(1 << 60)
"""Order ids as large as real ones, which Lua could not hold as numbers."""

ANNA, BEN, CARL, ADMIN = 1001, 1002, 1003, 7
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
        ({"exposure_limit_usd": 1499}, {}, "exposure_limit", "1499.00", "1500.00"),
        ({"credit_limit_usd": 1499}, {}, "credit_limit", "1499.00", "1500.00"),
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
        ({"exposure_limit_usd": 1600}, {"quantity": 11}, "exposure_limit"),
        ({"credit_limit_usd": 1600}, {"price": 161 * DOLLAR}, "credit_limit"),
        ({"duplicate_window_ms": 60_000}, {"quantity": 11}, ""),
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
            redis.delete(POSITION_KEY)
        await is_ready(service)
        assert not await passes(service, order(price=160 * DOLLAR, quantity=3))
        assert await passes(service, order(price=160 * DOLLAR, quantity=2))


async def test_an_order_within_its_limits_passes_with_its_trace(database_url: DatabaseUrl, redis_url: str) -> None:
    """An order within all limits passes, says how many it passed, and its trace shows the check in Valkey."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        check = order()
        assert await service.answer(VALIDATE_ORDER, check) == RiskPassed(order_id=check.order_id, checks=9)
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
    await connection.execute("INSERT INTO risk_manager.limits VALUES ('account', $1, 'order_quantity', 5)", ANNA)
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
        state = await service.redis.hgetall(f"risk-manager:state:user:{ANNA}")
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
        await service.redis.set(POSITION_KEY, 9)
        await service.redis.hset(f"risk-manager:state:user:{ANNA}", "position:AAPL", 60)
    async with risk_manager(url, redis_url, position_limit=10) as service:
        assert await service.redis.get(POSITION_KEY) == b"1"
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


async def change(service: RunningService, scope: Scope, number: int, **what: Any) -> Controls:
    """What an administrator sets."""
    item = ControlsChange(user_id=ADMIN, scope=scope, id=number, traceparent=new_traceparent(), **what)
    return await service.answer(CHANGE_CONTROLS, item)


async def firm_of(service: RunningService, *accounts: int) -> int:
    """A new firm with these accounts."""
    firm = await service.answer(CREATE_FIRM, NewFirm(user_id=ADMIN, name="Acme"))
    for account in accounts:
        await change(service, Scope.ACCOUNT, account, firm_id=firm.id)
    return firm.id


async def test_a_changed_limit_judges_the_next_order_and_is_recorded(database_url: DatabaseUrl, redis_url: str) -> None:
    """One account's limit changes at once, with who, when, from and to on record; a wrong one changes nothing."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        answer = await change(service, Scope.ACCOUNT, ANNA, limits={"order_quantity": 5})
        assert answer.limits["order_quantity"] == 5
        assert (await refused(service, order(quantity=6))).code == "order_quantity_limit"
        assert await passes(service, order(user_id=BEN, quantity=6))
        last = ControlsChange(
            user_id=ADMIN, scope=Scope.ACCOUNT, id=ANNA, limits={"order_quantity": None}, traceparent=new_traceparent()
        )
        await service.answer(CHANGE_CONTROLS, last)
        assert await passes(service, order(quantity=6))
        recorded = (await service.answer(LIST_CONTROL_CHANGES, ControlChangesQuery())).changes
    assert [(c.user_id, c.scope, c.id, c.name, c.before, c.after) for c in recorded] == [
        (ADMIN, Scope.ACCOUNT, ANNA, "order_quantity", "5", None),
        (ADMIN, Scope.ACCOUNT, ANNA, "order_quantity", None, "5"),
    ]
    assert recorded[0].trace_id == last.traceparent.split("-")[1]


NONSENSE: list[tuple[Scope, int, dict[str, Any], str]] = [
    (Scope.ACCOUNT, ANNA, {"limits": {"order_quantity": 5, "mood": 5}}, "invalid_limit"),
    (Scope.ACCOUNT, ANNA, {"limits": {"order_value": -1}}, "invalid_limit"),
    (Scope.FIRM, 1, {"limits": {"duplicate_window_ms": 5}}, "invalid_limit"),
    (Scope.ALL, 0, {"limits": {"order_value": 5}}, "invalid_limit"),
    (Scope.ALL, 0, {"blocked": True}, "invalid_scope"),
    (Scope.FIRM, 1, {"firm_id": 1}, "invalid_scope"),
    (Scope.FIRM, 99, {"blocked": True}, "firm_not_found"),
    (Scope.ACCOUNT, ANNA, {"firm_id": 99}, "firm_not_found"),
    (Scope.ACCOUNT, ANNA, {"restricted_symbols": ("AAPL", "NOPE")}, "unknown_symbol"),
]


async def test_what_makes_no_sense_changes_nothing(database_url: DatabaseUrl, redis_url: str) -> None:
    """A control that can't be is refused with its code, nothing is set and nothing recorded."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        await firm_of(service)
        known = (await service.answer(LIST_CONTROL_CHANGES, ControlChangesQuery())).changes
        for scope, number, what, code in NONSENSE:
            answer = await service.call(CHANGE_CONTROLS, ControlsChange(user_id=ADMIN, scope=scope, id=number, **what))
            assert isinstance(answer, Refused)
            assert answer.code == code
        assert (await service.answer(LIST_CONTROL_CHANGES, ControlChangesQuery())).changes == known
        assert await passes(service, order(quantity=6))


@pytest.mark.parametrize(
    ("limits", "code", "limit", "value"),
    [
        ({"order_quantity": 9}, "firm_order_quantity_limit", "9", "10"),
        ({"order_value": 1499 * DOLLAR}, "firm_order_value_limit", "1499.00", "1500.00"),
        ({"position": 19}, "firm_position_limit", "19", "20"),
        ({"exposure": 2999 * DOLLAR}, "firm_exposure_limit", "2999.00", "3000.00"),
        ({"credit": 2999 * DOLLAR}, "firm_credit_limit", "2999.00", "3000.00"),
        ({"daily_value": 2999 * DOLLAR}, "firm_daily_value_limit", "2999.00", "3000.00"),
        ({"open_orders": 1}, "firm_open_orders_limit", "1", "2"),
        ({"orders_per_second": 0}, "firm_order_rate_limit", "0", "1"),
    ],
)
async def test_a_firm_is_held_to_what_its_accounts_have_together(
    database_url: DatabaseUrl, redis_url: str, limits: dict[str, int], code: str, limit: str, value: str
) -> None:
    """One account's open order counts against its firm's limit for the other, and for nobody outside."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        firm_id = await firm_of(service, ANNA, BEN)
        assert await passes(service, order())
        changed = await change(service, Scope.FIRM, firm_id, limits=limits)
        assert limits.items() <= changed.limits.items()
        answer = await refused(service, order(user_id=BEN))
        assert (answer.code, answer.figures) == (code, {"limit": limit, "value": value})
        assert await passes(service, order(user_id=CARL))


async def test_what_an_account_has_goes_with_it_to_another_firm(database_url: DatabaseUrl, redis_url: str) -> None:
    """Open orders count for the firm of the moment, also over a restart."""
    url = database_url(RISK)
    async with risk_manager(url, redis_url) as service:
        firm_id = await firm_of(service, ANNA)
        await change(service, Scope.FIRM, firm_id, limits={"open_orders": 1})
        assert await passes(service, order())
        assert (await refused(service, order())).code == "firm_open_orders_limit"
        await change(service, Scope.ACCOUNT, ANNA, firm_id=0)
        assert await passes(service, order())
        await change(service, Scope.ACCOUNT, BEN, firm_id=firm_id)
        assert await passes(service, order(user_id=BEN))
        await change(service, Scope.ACCOUNT, ANNA, firm_id=firm_id)
        # What a change that was cut short leaves: the account is not where the table has it.
        await service.redis.hdel(f"risk-manager:state:user:{ANNA}", "firm")
        await service.redis.hset(f"risk-manager:state:firm:{firm_id}", "orders", 1)
    async with risk_manager(url, redis_url) as service:
        assert (await refused(service, order())).figures == {"limit": "1", "value": "4"}
        answer = await service.answer(GET_CONTROLS, ControlsOf(scope=Scope.FIRM, id=firm_id))
        assert answer.accounts == {ANNA: False, BEN: False}
        assert (await service.answer(LIST_FIRMS, FirmsQuery())).firms == (answer,)
        taken = await service.call(CREATE_FIRM, NewFirm(user_id=ADMIN, name="Acme"))
        assert isinstance(taken, Refused)
        assert taken.code == "firm_name_taken"


async def test_a_kill_switch_refuses_at_once(database_url: DatabaseUrl, redis_url: str) -> None:
    """An account is shut out by its own switch or by its firm's, until neither is thrown."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        firm_id = await firm_of(service, ANNA, BEN)
        assert (await change(service, Scope.FIRM, firm_id, blocked=True)).accounts == {ANNA: True, BEN: True}
        assert (await refused(service, order())).code == "firm_blocked"
        assert await passes(service, order(user_id=CARL))
        assert (await change(service, Scope.ACCOUNT, ANNA, blocked=True)).accounts == {ANNA: True}
        assert (await change(service, Scope.FIRM, firm_id, blocked=False)).accounts == {ANNA: True, BEN: False}
        assert (await refused(service, order())).code == "account_blocked"
        assert await passes(service, order(user_id=BEN))
        assert (await change(service, Scope.ACCOUNT, ANNA, blocked=False)).accounts == {ANNA: False}
        assert await passes(service, order())


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_restricted_symbol_is_not_traded(database_url: DatabaseUrl, redis_url: str, scope: Scope) -> None:
    """Orders and amendments of it are refused, for an account, a firm or all; other symbols are not."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        firm_id = await firm_of(service, ANNA)
        number = {Scope.ACCOUNT: ANNA, Scope.FIRM: firm_id, Scope.ALL: 0}[scope]
        resting = order()
        assert await passes(service, resting)
        assert (await change(service, scope, number, restricted_symbols=("AAPL",))).restricted_symbols == ("AAPL",)
        answer = await refused(service, order())
        assert (answer.code, answer.figures) == ("symbol_restricted", {"limit": scope, "value": "AAPL"})
        amended_order = order(order_id=resting.order_id, amended_from=10, quantity=5)
        assert isinstance(await service.call(VALIDATE_AMEND, amended_order), Refused)
        assert await passes(service, order(symbol="MSFT", price=400 * DOLLAR))
        assert await passes(service, order(user_id=BEN)) == (scope is not Scope.ALL)
        await change(service, scope, number, restricted_symbols=())
        assert await passes(service, order())


async def test_an_order_sent_twice_is_refused(database_url: DatabaseUrl, redis_url: str) -> None:
    """Within the window an order like another is a duplicate, unless the other came to nothing."""
    async with risk_manager(database_url(RISK), redis_url) as service:
        await change(service, Scope.ACCOUNT, ANNA, limits={"duplicate_window_ms": 60_000})
        first = order()
        assert await passes(service, first)
        answer = await refused(service, order())
        assert (answer.code, answer.figures["limit"]) == ("duplicate_order", "60000")
        assert 0 <= int(answer.figures["value"]) < 60_000
        for other in ({"quantity": 11}, {"price": 151 * DOLLAR}, {"side": Side.SELL}, {"user_id": BEN}):
            assert await passes(service, order(**other))
        await service.answer(RELEASE_RISK, ReleaseRequest(order_id=first.order_id, user_id=ANNA))
        assert await passes(service, order())
        # A market order's price is what the market made of it: another one is no difference.
        assert await passes(service, order(order_type=OrderType.MARKET))
        again = order(order_type=OrderType.MARKET, price=152 * DOLLAR)
        assert (await refused(service, again)).code == "duplicate_order"
        await change(service, Scope.ACCOUNT, ANNA, limits={"duplicate_window_ms": 50})
        await asyncio.sleep(0.06)
        assert await passes(service, order())


async def test_what_was_bought_is_exposure_until_it_is_sold(database_url: DatabaseUrl, redis_url: str) -> None:
    """Shares count at the last price, net bought value counts at what was paid, and a sale gives both back."""
    quote = '{"symbol":"AAPL","bid":0,"ask":0,"last":%d,"time_us":1}'
    async with risk_manager(database_url(RISK), redis_url) as service:
        await change(service, Scope.ACCOUNT, ANNA, limits={"exposure": 2500 * DOLLAR, "credit": 3500 * DOLLAR})
        now_us = time.time_ns() // 1000
        bought = event(1, trade(1, (7, ANNA, 0), (8, BEN, 0), 150 * DOLLAR, 10), time_us=now_us)
        await service.send(EXECUTIONS, [bought])
        await service.reached(EXECUTIONS, 1)
        await service.redis.hset(QUOTES_KEY, "AAPL", quote % (140 * DOLLAR))
        assert (await refused(service, order(quantity=8))).figures == {"limit": "2500.00", "value": "2600.00"}
        await change(service, Scope.ACCOUNT, ANNA, limits={"exposure": None})
        assert (await refused(service, order(quantity=14))).figures == {"limit": "3500.00", "value": "3600.00"}
        sold = event(2, trade(2, (9, BEN, 0), (10, ANNA, 0), 140 * DOLLAR, 10), time_us=now_us)
        await service.send(EXECUTIONS, [sold], after=1)
        await service.reached(EXECUTIONS, 2)
        await change(service, Scope.ACCOUNT, ANNA, limits={"exposure": 2100 * DOLLAR, "credit": 2200 * DOLLAR})
        assert await passes(service, order(quantity=14))
