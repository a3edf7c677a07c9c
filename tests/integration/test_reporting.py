"""Reporting on a real PostgreSQL and Valkey, fed with the events of engine, order-manager and wallet."""

import random
import secrets
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from services.reporting.app import create_app
from services.reporting.positions import Holding
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS, Closed, EngineEvent, FundsEvent, OrderEvent, Trade
from shared.contracts.operations import REPORTING
from shared.contracts.reports import (
    GET_POSITIONS,
    GET_STATISTICS,
    GET_USER_TRADES,
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
    assert ann == [Position(symbol="AAPL", quantity=5, cost=760, realised=0, last_price=160)]
    assert bob == [Position(symbol="AAPL", quantity=5, cost=500, realised=260, last_price=160)]


async def test_a_deposit_shows_at_once(settings: ServiceSettings) -> None:
    """Positions wait for deposits that are under way; until somebody trades a symbol its last price is 0."""
    async with running(create_app, settings) as service:
        assert await positions(service, ANN, 0) == []
        await service.send(FUNDS, [deposit(ANN, 10, 100), deposit(ANN, -3, 0)])
        assert await positions(service, ANN, 0) == [
            Position(symbol="AAPL", quantity=7, cost=700, realised=0, last_price=0)
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
            "INSERT statistics": {},
        }
        assert service.spans.tree(matched.traceparent) == {"record_trade": below}
        assert service.spans.tree(ordered.traceparent) == {"record_order": {"INSERT statistics": {}}}
        (span,) = [span for span in service.spans.of_trace(matched.traceparent) if span.name == "record_trade"]
    assert [f"{link.context.trace_id:032x}" for link in span.links] == [crossing.maker_traceparent.split("-")[1]]
    assert (span.attributes or {})["order.price"] == "150.00"
