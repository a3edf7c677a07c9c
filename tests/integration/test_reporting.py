"""Reporting on a real PostgreSQL and Valkey, fed with the events of engine, order-manager and wallet."""

import random
import secrets
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from services.reporting.app import create_app
from services.reporting.positions import Holding
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS, Closed, EngineEvent, FundsEvent, OrderEvent, Trade
from shared.contracts.operations import REPORTING
from shared.contracts.reports import (
    EXPORT_TRADES,
    GET_DAYS,
    GET_POSITIONS,
    GET_STATISTICS,
    GET_USER_TRADES,
    DaysQuery,
    DaySummary,
    Position,
    Positions,
    ReportQuery,
    Statistics,
)
from shared.settings import ServiceSettings
from tests.services import RunningService, new_traceparent, running, service_settings

ANN, BOB, CAROL = 1000, 1001, 1002


@pytest.fixture
def settings(database_url: Callable[[str], str], redis_url: str) -> ServiceSettings:
    """Settings of reporting with a fresh database."""
    return service_settings(ServiceSettings, database_url(REPORTING), redis_url)


def trade(seq: int, taker: int, maker: int, quantity: int, price: int, side: Side = Side.BUY) -> Trade:
    return Trade(
        trade_id=seq,
        price=price,
        quantity=quantity,
        side=side,
        taker_order_id=seq * 10,
        taker_user_id=taker,
        taker_open=0,
        maker_order_id=seq * 10 + 1,
        maker_user_id=maker,
        maker_open=0,
        maker_traceparent=new_traceparent(),
    )


def event(seq: int, *reports: Trade | Closed, symbol: str = "AAPL") -> EngineEvent:
    return EngineEvent(
        seq=seq, time_us=seq, traceparent=new_traceparent(), symbol=symbol, order_id=seq * 10, reports=reports
    )


def deposit(user_id: int, quantity: int, unit_cost: int, asset: str = "AAPL") -> FundsEvent:
    return FundsEvent(
        time_us=1, traceparent=new_traceparent(), user_id=user_id, asset=asset, amount=quantity, unit_cost=unit_cost
    )


async def positions(service: RunningService, user_id: int, position: int) -> list[Position]:
    answer = await service.answer(GET_POSITIONS, ReportQuery(user_id=user_id, position=position))
    return list(answer.positions)


async def test_a_trade_moves_both_positions(settings: ServiceSettings) -> None:
    """The buyer has the shares at their price, the seller the profit over what they cost, both at the last price."""
    async with running(create_app, settings) as service:
        await service.send(FUNDS, [deposit(BOB, 10, 100), deposit(BOB, 10_000, 0, asset="USD")])
        await service.reached(FUNDS, 2)
        await service.send(EXECUTIONS, [event(1, trade(1, ANN, BOB, 4, 150)), event(2, trade(2, ANN, BOB, 1, 160))])
        ann, bob = await positions(service, ANN, 2), await positions(service, BOB, 2)
    assert ann == [Position(symbol="AAPL", quantity=5, cost=760, realised=0, last_price=160, fees=0)]
    assert bob == [Position(symbol="AAPL", quantity=5, cost=500, realised=260, last_price=160, fees=0)]


async def test_a_deposit_shows_at_once(settings: ServiceSettings) -> None:
    """Positions wait for deposits that are under way; until somebody trades a symbol its last price is 0."""
    async with running(create_app, settings) as service:
        assert await positions(service, ANN, 0) == []
        await service.send(FUNDS, [deposit(ANN, 10, 100), deposit(ANN, -3, 0)])
        assert await positions(service, ANN, 0) == [
            Position(symbol="AAPL", quantity=7, cost=700, realised=0, last_price=0, fees=0)
        ]


async def test_trades_are_listed_page_by_page(settings: ServiceSettings) -> None:
    """A user's trades come newest first, with their own side, role and profit, in pages and by symbol."""
    events = [event(seq, trade(seq, ANN, BOB, 1, 100), symbol="AAPL" if seq % 2 else "MSFT") for seq in range(1, 8)]
    async with running(create_app, settings) as service:
        await service.send(FUNDS, [deposit(BOB, 10, 40), deposit(BOB, 10, 40, asset="MSFT")])
        await service.reached(FUNDS, 2)
        await service.send(EXECUTIONS, events)
        first = await service.answer(GET_USER_TRADES, ReportQuery(user_id=BOB, position=7, limit=3))
        queries = [
            ReportQuery(user_id=BOB, before=first.trades[-1].trade_id, limit=3),
            ReportQuery(user_id=BOB, symbol="MSFT"),
            ReportQuery(user_id=CAROL),
            ReportQuery(user_id=ANN, limit=1),
        ]
        pages = [await service.answer(GET_USER_TRADES, query) for query in queries]
    assert [[found.trade_id for found in page.trades] for page in [first, *pages]] == [
        [7, 6, 5],
        [4, 3, 2],
        [6, 4, 2],
        [],
        [7],
    ]
    sold, bought = first.trades[0], pages[3].trades[0]
    assert (sold.order_id, sold.side, sold.role, sold.realised, sold.price) == (71, Side.SELL, "maker", 60, 100)
    assert (bought.order_id, bought.side, bought.role, bought.realised) == (70, Side.BUY, "taker", 0)


async def test_statistics_count_orders_and_trades(settings: ServiceSettings) -> None:
    """Orders taken in, those rejected before and by the engine, and both sides of trades are counted per user."""
    orders = [
        OrderEvent(
            time_us=1,
            traceparent=new_traceparent(),
            order_id=number,
            user_id=ANN,
            symbol="AAPL",
            side=Side.BUY,
            status=status,
        )
        for number, status in enumerate(["PENDING_NEW", "PENDING_NEW", "REJECTED", "PENDING_NEW"])
    ]
    refused = Closed(order_id=3, user_id=ANN, side=Side.BUY, status="REJECTED", reason="price_off_tick", quantity=1)
    async with running(create_app, settings) as service:
        await service.send(ORDER_EVENTS, orders)
        await service.send(EXECUTIONS, [event(1, refused), event(2, trade(1, ANN, BOB, 4, 150), refused)])
        await service.reached(ORDER_EVENTS, 4)
        ann, bob, carol = [
            await service.answer(GET_STATISTICS, ReportQuery(user_id=user_id, position=2))
            for user_id in (ANN, BOB, CAROL)
        ]
    assert ann == Statistics(
        order_count=3,
        rejected_count=3,
        trade_count=1,
        maker_count=0,
        bought_value=600,
        sold_value=0,
        bought_quantity=4,
        sold_quantity=0,
        fees=0,
    )
    assert (bob.trade_count, bob.maker_count, bob.sold_value, bob.sold_quantity) == (1, 1, 600, 4)
    assert carol.order_count == carol.trade_count == 0


async def test_batches_end_where_single_trades_do(settings: ServiceSettings) -> None:
    """Many trades of few users in few batches give the same positions as the rules applied one by one."""
    dice = random.Random(8347)
    events, expected = [], defaultdict[tuple[int, str], Holding](Holding)
    for seq in range(1, 401):
        taker, maker = dice.sample(range(1000, 1005), 2)
        side, symbol = dice.choice(list(Side)), dice.choice(["AAPL", "MSFT"])
        quantity, price = dice.randint(1, 500), dice.randint(1, 10**7)
        events.append(event(seq, trade(seq, taker, maker, quantity, price, side), symbol=symbol))
        buyer, seller = (taker, maker) if side == Side.BUY else (maker, taker)
        for user_id in (taker, maker):
            holding = expected[user_id, symbol]
            _ = holding.take_in(quantity, price) if user_id == buyer else holding.sell(quantity, price)
        assert buyer != seller
    async with running(create_app, settings) as service:
        await service.send(EXECUTIONS, events)
        found = {
            (user_id, position.symbol): Holding(position.quantity, position.cost, position.realised)
            for user_id in range(1000, 1005)
            for position in await positions(service, user_id, 400)
        }
    assert found == dict(expected)


async def test_streams_meet_without_loss(settings: ServiceSettings) -> None:
    """Deposits and trades of the same new positions, followed at the same time, add up and never block each other."""
    users = range(1000, 1020)
    symbols = ["AAPL", "MSFT", "NVDA"]
    deposits = [deposit(user, 100, 10, asset=symbol) for symbol in symbols for user in reversed(users)]
    pairs = [(taker, maker) for taker in users for maker in (1000, 1019) if taker != maker]
    meetings = [(symbol, *pair) for symbol in symbols for pair in pairs]
    trades = [
        event(seq, trade(seq, taker, maker, 1, 15), symbol=symbol)
        for seq, (symbol, taker, maker) in enumerate(meetings, 1)
    ]
    async with running(create_app, settings) as service:
        for start in range(0, 60, 10):
            await service.send(FUNDS, deposits[start : start + 10], after=start)
            await service.send(EXECUTIONS, trades[2 * start : 2 * start + 20], after=2 * start)
        await service.reached(FUNDS, 60)
        queries = [ReportQuery(user_id=user, position=len(trades)) for user in users]
        answers = [answer for answer in await service.calls(GET_POSITIONS, queries) if isinstance(answer, Positions)]
        ready = await service.get("/ready")
    found = [position for answer in answers for position in answer.positions]
    assert sum(position.quantity for position in found) == 60 * 100
    # Cost that came in (deposits, buys) = cost left + cost that went out (proceeds less profit).
    cost_in, proceeds = 60 * 100 * 10 + len(trades) * 15, len(trades) * 15
    assert sum(position.cost - position.realised for position in found) == cost_in - proceeds
    assert '"ready":true' in ready


async def test_sums_may_grow_beyond_64_bits(settings: ServiceSettings) -> None:
    """Absurdly expensive shares are added up exactly; they don't stop the stream for everybody."""
    async with running(create_app, settings) as service:
        await service.send(FUNDS, [deposit(ANN, 10**9, 10**15), deposit(ANN, 10**9, 10**15)])
        (position,) = await positions(service, ANN, 0)
    assert (position.quantity, position.cost) == (2 * 10**9, 2 * 10**24)


async def test_each_trade_has_a_span_in_the_takers_trace(settings: ServiceSettings) -> None:
    """``record_trade`` is a child of the engine's span, links to the maker's order, and shows its statements."""
    crossing = trade(1, ANN, BOB, 4, 1_500_000)
    matched = event(1, crossing)
    ordered = OrderEvent(
        time_us=1,
        traceparent=new_traceparent(),
        order_id=secrets.randbits(40),
        user_id=ANN,
        symbol="AAPL",
        side=Side.BUY,
        status="PENDING_NEW",
    )
    async with running(create_app, settings) as service:
        await service.send(EXECUTIONS, [matched])
        await service.send(ORDER_EVENTS, [ordered])
        await service.reached(EXECUTIONS, 1)
        await service.reached(ORDER_EVENTS, 1)
        below: dict[str, Any] = {
            "INSERT holding": {},
            "SELECT holding": {},
            "INSERT trade": {},
        }
        assert service.spans.tree(matched.traceparent) == {"record_trade": below}
        assert service.spans.tree(ordered.traceparent) == {"record_order": {"INSERT statistics": {}}}
        (span,) = [span for span in service.spans.of_trace(matched.traceparent) if span.name == "record_trade"]
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [crossing.maker_traceparent.split("-")[1]]
    assert (span.attributes or {})["order.price"] == "150.00"


DAY_US = 86_400_000_000


def sold(seq: int, day: int, price: int, symbol: str = "AAPL") -> EngineEvent:
    """Ann buys 2 from Bob on a day, and both pay for it: Ann 3, Bob gets 1 back."""
    met = msgspec.structs.replace(trade(seq, ANN, BOB, 2, price), taker_fee=3, maker_fee=-1)
    return msgspec.structs.replace(event(seq, met, symbol=symbol), time_us=day * DAY_US + seq)


async def test_days_add_up_what_was_traded_on_them(settings: ServiceSettings) -> None:
    """By day and symbol: trades, values, the profit that was realised, fees less rebates; and all of it in total."""
    async with running(create_app, settings) as service:
        await service.send(FUNDS, [deposit(BOB, 100, 40), deposit(BOB, 100, 40, asset="MSFT")])
        await service.reached(FUNDS, 2)
        events = [sold(1, 10, 50), sold(2, 10, 60), sold(3, 10, 70, symbol="MSFT"), sold(4, 12, 45)]
        await service.send(EXECUTIONS, events)

        async def days(user_id: int, first: int, last: int) -> list[DaySummary]:
            query = DaysQuery(user_id=user_id, first_day=first, last_day=last, position=4)
            return list((await service.answer(GET_DAYS, query)).days)

        bob = await days(BOB, 0, 20)
        assert [(d.day, d.symbol, d.trade_count, d.maker_count) for d in bob] == [
            (12, "AAPL", 1, 1),
            (10, "AAPL", 2, 2),
            (10, "MSFT", 1, 1),
        ]
        assert [(d.sold_quantity, d.sold_value, d.realised, d.fees) for d in bob] == [
            (2, 90, 10, -1),
            (4, 220, 60, -2),
            (2, 140, 60, -1),
        ]
        assert [(d.bought_value, d.realised, d.fees) for d in await days(ANN, 10, 10)] == [(220, 0, 6), (140, 0, 3)]
        assert await days(ANN, 11, 11) == []
        positions_of_ann = await positions(service, ANN, 4)
        statistics = await service.answer(GET_STATISTICS, ReportQuery(user_id=ANN, position=4))
        trades = await service.answer(GET_USER_TRADES, ReportQuery(user_id=BOB, position=4))
    assert [(p.symbol, p.cost, p.fees) for p in positions_of_ann] == [("AAPL", 310, 9), ("MSFT", 140, 3)]
    assert (statistics.trade_count, statistics.bought_value, statistics.fees) == (4, 450, 12)
    assert {t.fee for t in trades.trades} == {-1}


async def test_profit_that_comes_to_light_late_is_in_its_day(settings: ServiceSettings) -> None:
    """Shares that are seen to be sold before they are seen to come in: days and positions tell the same profit."""
    async with running(create_app, settings) as service:
        await service.send(EXECUTIONS, [event(1, trade(1, ANN, BOB, 2, 100))])
        await service.reached(EXECUTIONS, 1)
        await service.send(FUNDS, [deposit(BOB, 2, 70)])
        (position,) = await positions(service, BOB, 1)
        query = DaysQuery(user_id=BOB, first_day=0, last_day=1, position=1)
        days = (await service.answer(GET_DAYS, query)).days
    assert position.realised == sum(day.realised for day in days) == 60


async def test_a_gift_keeps_its_cost(settings: ServiceSettings) -> None:
    """Shares that go to another user leave at their average cost and arrive with it."""
    async with running(create_app, settings) as service:
        gift = msgspec.structs.replace(deposit(ANN, -4, 999), to_user_id=BOB)
        await service.send(FUNDS, [deposit(ANN, 10, 100), gift])
        ann, bob = await positions(service, ANN, 0), await positions(service, BOB, 0)
    assert [(p.quantity, p.cost, p.realised) for p in (*ann, *bob)] == [(6, 600, 0), (4, 400, 0)]


async def test_trades_as_csv_page_by_page(settings: ServiceSettings) -> None:
    """Exact decimals and UTC times, newest first; where a file is cut short it says where to go on."""
    async with running(create_app, settings) as service:
        await service.send(EXECUTIONS, [sold(seq, 20_000, 1_234_567 + seq) for seq in (1, 2, 3)])

        async def export(before: int, symbol: str = "") -> tuple[list[str], int]:
            query = ReportQuery(user_id=ANN, position=3, before=before, limit=2, symbol=symbol)
            file = await service.answer(EXPORT_TRADES, query)
            return file.content.decode().splitlines(), file.next_before

        first, following = await export(0)
        second, end = await export(following)
        none, nothing_more = await export(0, "NOPE")
    assert first[0] == "trade_id,order_id,symbol,side,price,quantity,value,role,realised,fee,time"
    assert first[1] == "3,30,AAPL,BUY,123.4570,2,246.9140,taker,0.0000,0.0003,2024-10-04T00:00:00.000003Z"
    assert (following, len(second), second[1].split(",")[0], end) == (2, 2, "1", 0)
    assert (len(none), nothing_more) == (1, 0)


async def test_days_are_made_from_trades_that_were_there_before(
    settings: ServiceSettings, database_url: Callable[[str], str]
) -> None:
    """An exchange that has traded already has its days, and the same statistics, after the change of its tables."""
    migrations = Path(create_app.__globals__["MIGRATIONS"])
    database = await asyncpg.connect(settings.database_url.get_secret_value())
    try:
        await database.execute((migrations / "0001_reports.sql").read_text())
        await database.execute(
            """CREATE TABLE migrations (name text PRIMARY KEY, applied_at timestamptz);
               INSERT INTO migrations VALUES ('0001_reports.sql', now());
               INSERT INTO trades VALUES (1000, 1, 'taker', 10, 'AAPL', 1, 50, 2, 0, 864000000001),
                                         (1000, 2, 'maker', 11, 'AAPL', 2, 60, 1, 10, 864000000002);
               INSERT INTO statistics VALUES (1000, 7, 1, 2, 1, 100, 60, 2, 1)"""
        )
    finally:
        await database.close()
    async with running(create_app, settings) as service:
        found = await service.answer(GET_STATISTICS, ReportQuery(user_id=ANN))
        query = DaysQuery(user_id=ANN, first_day=10, last_day=10)
        (day,) = (await service.answer(GET_DAYS, query)).days
    assert (found.order_count, found.rejected_count, found.trade_count, found.bought_value) == (7, 1, 2, 100)
    assert (day.bought_value, day.sold_value, day.realised, day.maker_count) == (100, 60, 10, 1)
