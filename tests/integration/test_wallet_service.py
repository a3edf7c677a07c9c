"""The wallet-service on the real PostgreSQL and Valkey."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from prometheus_client import REGISTRY

from services.wallet_service.imbalance import Imbalance
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, FUNDS, EngineEvent, FundsEvent
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.wallet import (
    ADD_FUNDS,
    CHECK_BALANCE,
    CREATE_WALLET,
    GET_TRANSACTIONS,
    OPEN_HOLDS,
    Funding,
    HoldPlaced,
    HoldRequest,
    Transaction,
    TransactionsOf,
    UnconfirmedSince,
    WalletOf,
)
from shared.postgres import Database
from shared.streams import FIELD
from tests.bank import Bank, numbers, started
from tests.fake_engine import closed, event, trade
from tests.services import RunningService, new_traceparent

DatabaseUrl = Callable[[str], str]

ANNA, BEN = 1001, 1002
DOLLAR = 10_000


@pytest.fixture
async def bank(database_url: DatabaseUrl, redis_url: str) -> AsyncIterator[Bank]:
    url = database_url("wallet-service")
    async with started(url, redis_url) as bank:
        yield bank
        await bank.check()


@asynccontextmanager
async def several(bank: Bank, number: int) -> AsyncIterator[list[Bank]]:
    """As many gateways: each sends batches of its own, so that they meet in the database."""
    shared = bank.service
    services = [RunningService(shared.url, shared.spans, shared.redis) for _ in range(number)]
    yield [Bank(service, bank.database) for service in services]
    for service in services:
        await service.close()


async def test_an_imbalance_shows(database_url: DatabaseUrl, redis_url: str) -> None:
    """The sum over all accounts is a figure per asset: nought while the books are right, else what is too much."""
    url = database_url("wallet-service")
    database = Database(url, "wallet_service", 1)
    imbalance = Imbalance(database, 60)

    async def shown() -> float | None:
        await imbalance.look()
        return REGISTRY.get_sample_value("outcry_ledger_imbalance", {"asset": CASH})

    async with started(url, redis_url) as bank:
        await bank.fund(ANNA, CASH, 5)
        assert await shown() == 0
        await bank.database.execute("UPDATE accounts SET balance = balance + 3 WHERE user_id = $1", ANNA)
        assert await shown() == 3
    await database.close()


async def test_wallet_is_made_once(bank: Bank) -> None:
    """Creating a wallet twice says so the second time and changes nothing."""
    first = await bank.service.answer(CREATE_WALLET, WalletOf(user_id=ANNA))
    second = await bank.service.answer(CREATE_WALLET, WalletOf(user_id=ANNA))
    assert (first.created, second.created) == (True, False)
    assert await bank.owns(ANNA) == {CASH: (0, 0)}


async def test_without_wallet_nothing_is_held_or_brought_in(bank: Bank) -> None:
    """Whoever has no wallet is told to create one, by the order and by the deposit alike."""
    funding = Funding(user_id=ANNA, asset=CASH, amount=1, request_id="r")
    for answer in (await bank.hold(1, ANNA, CASH, 1, 1), await bank.service.call(ADD_FUNDS, funding)):
        assert isinstance(answer, Refused)
        assert answer.code == "no_wallet"


async def test_funds_move_once_per_request(bank: Bank) -> None:
    """The same request id brings money in once, another amount under it is refused, and its event leaves once."""
    await bank.service.answer(CREATE_WALLET, WalletOf(user_id=ANNA))
    funding = Funding(user_id=ANNA, asset=CASH, amount=5 * DOLLAR, request_id="r", traceparent=new_traceparent())
    answers = await asyncio.gather(*(bank.service.answer(ADD_FUNDS, funding) for _ in range(8)))
    assert {wallet.balances[0].total for wallet in answers} == {5 * DOLLAR}
    other = await bank.service.call(ADD_FUNDS, msgspec.structs.replace(funding, amount=6 * DOLLAR))
    assert isinstance(other, Refused)
    assert other.code == "request_id_reused"
    await bank.service.redis.xread({FUNDS.name: "0"}, block=10_000)
    entries: Any = await bank.service.redis.xrange(FUNDS.name)
    (told,) = [event for _, fields in entries for event in msgspec.json.decode(fields[FIELD], type=list[FundsEvent])]
    assert (told.user_id, told.asset, told.amount) == (ANNA, CASH, 5 * DOLLAR)
    assert told.traceparent.split("-")[1] == funding.traceparent.split("-")[1]


async def test_withdrawal_takes_only_what_is_available(bank: Bank) -> None:
    """What an open order holds can't be withdrawn; the rest can, to the last unit."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    assert isinstance(await bank.hold(1, ANNA, CASH, 4 * DOLLAR, 1), HoldPlaced)
    too_much = Funding(user_id=ANNA, asset=CASH, amount=-6 * DOLLAR - 1, request_id="too much")
    answer = await bank.service.call(ADD_FUNDS, too_much)
    assert isinstance(answer, Refused)
    assert (answer.code, answer.figures["available"]) == ("insufficient_funds", "6.00")
    await bank.service.answer(ADD_FUNDS, Funding(user_id=ANNA, asset=CASH, amount=-6 * DOLLAR, request_id="fits"))
    assert await bank.owns(ANNA) == {CASH: (4 * DOLLAR, 4 * DOLLAR)}


async def test_hold_is_placed_once_and_released_once(bank: Bank) -> None:
    """Repeating a hold or a release, one after another or at once, gives the same answer and moves nothing more."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    answers = await asyncio.gather(*(bank.hold(1, ANNA, CASH, 30 * DOLLAR, 2) for _ in range(6)))
    assert set(map(repr, answers)) == {repr(HoldPlaced(order_id=1, amount=60 * DOLLAR, available=40 * DOLLAR))}
    await asyncio.gather(*(bank.release(1, ANNA) for _ in range(6)))
    assert await bank.owns(ANNA) == {CASH: (100 * DOLLAR, 0)}
    late = await bank.hold(1, ANNA, CASH, 30 * DOLLAR, 2)
    assert isinstance(late, Refused)
    assert late.code == "order_barred"


async def test_release_that_comes_first_bars_the_order(bank: Bank) -> None:
    """An order that was given up before its hold arrived never gets one."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    await bank.release(7, ANNA)
    answer = await bank.hold(7, ANNA, CASH, 1, 1)
    assert isinstance(answer, Refused)
    assert answer.code == "order_barred"


async def test_refusal_names_the_figures(bank: Bank) -> None:
    """Too little cash or too few shares is refused with what is required and what is available."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    cash = await bank.hold(1, ANNA, CASH, 5 * DOLLAR + 50, 2)
    shares = await bank.hold(2, ANNA, "AAPL", 1, 3)
    assert isinstance(cash, Refused)
    assert isinstance(shares, Refused)
    assert (cash.code, cash.figures["required"], cash.figures["available"]) == ("insufficient_funds", "10.01", "10.00")
    assert (shares.code, shares.figures) == (
        "insufficient_shares",
        {"asset": "AAPL", "required": "3", "available": "0"},
    )


async def test_orders_of_one_batch_see_each_other(bank: Bank) -> None:
    """Of many orders that arrive together, exactly as many are held as the account can pay for, the earliest first."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    answers = await asyncio.gather(*(bank.hold(i, ANNA, CASH, 3 * DOLLAR, 1) for i in range(1, 9)))
    assert [isinstance(answer, HoldPlaced) for answer in answers] == [True] * 3 + [False] * 5
    assert await bank.owns(ANNA) == {CASH: (10 * DOLLAR, 9 * DOLLAR)}


async def test_trade_settles_delivery_against_payment(bank: Bank) -> None:
    """The buyer gets the shares, the seller the cash, and what a better price saved is available again."""
    await bank.fund(ANNA, CASH, 1000 * DOLLAR)
    await bank.fund(BEN, "AAPL", 10)
    await bank.hold(1, BEN, "AAPL", 1, 10)
    await bank.hold(2, ANNA, CASH, 100 * DOLLAR, 4)
    met = event(1, trade(1, (2, ANNA, 0), (1, BEN, 6), 90 * DOLLAR, 4), closed(2, ANNA, Side.BUY), order_id=2)
    await bank.service.send(EXECUTIONS, [met])
    assert await bank.owns(ANNA, 1) == {"AAPL": (4, 0), CASH: (640 * DOLLAR, 0)}
    assert await bank.owns(BEN, 1) == {"AAPL": (6, 6), CASH: (360 * DOLLAR, 0)}
    cancelled = event(2, closed(1, BEN, Side.SELL, "CANCELLED", 6), order_id=1)
    await bank.service.send(EXECUTIONS, [cancelled], after=1)
    assert await bank.owns(BEN, 2) == {"AAPL": (6, 0), CASH: (360 * DOLLAR, 0)}
    assert bank.service.spans.tree(met.traceparent) == {
        "settle_trade": {"INSERT account": {}, "SELECT account": {}, "SELECT hold": {}, "INSERT transfer": {}}
    }
    (settle,) = [span for span in bank.service.spans.of_trace(met.traceparent) if span.name == "settle_trade"]
    maker = met.reports[0].maker_traceparent  # type: ignore[union-attr]
    assert [f"{link.context.trace_id:032x}" for link in settle.links] == [maker.split("-")[1]]
    assert list(bank.service.spans.tree(cancelled.traceparent)) == ["release_hold"]


async def test_what_a_trade_brought_can_be_spent_at_once(bank: Bank) -> None:
    """A user who was told of a sale is not refused because it is still being settled."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    await bank.fund(BEN, "AAPL", 1)
    await bank.hold(1, BEN, "AAPL", 1, 1)
    await bank.hold(2, ANNA, CASH, 100 * DOLLAR, 1)
    spend = HoldRequest(order_id=3, user_id=BEN, asset=CASH, unit_amount=100 * DOLLAR, quantity=1, position=1)
    waiting = asyncio.create_task(bank.service.answer(CHECK_BALANCE, spend))
    assert not (await asyncio.wait([waiting], timeout=0.3))[0]
    met = trade(1, (2, ANNA, 0), (1, BEN, 0), 100 * DOLLAR, 1)
    await bank.service.send(EXECUTIONS, [event(1, met, closed(2, ANNA, Side.BUY), closed(1, BEN, Side.SELL))])
    assert isinstance(await waiting, HoldPlaced)


async def test_event_takes_effect_once(database_url: DatabaseUrl, redis_url: str) -> None:
    """A service that starts again goes on after the last event it settled, though the stream still holds it."""
    url = database_url("wallet-service")
    async with started(url, redis_url) as bank:
        await bank.fund(ANNA, CASH, 100 * DOLLAR)
        await bank.fund(BEN, "AAPL", 1)
        await bank.hold(1, BEN, "AAPL", 1, 1)
        await bank.hold(2, ANNA, CASH, 100 * DOLLAR, 1)
        met = trade(1, (2, ANNA, 0), (1, BEN, 0), 100 * DOLLAR, 1)
        reports = (met, closed(2, ANNA, Side.BUY), closed(1, BEN, Side.SELL))
        await bank.service.send(EXECUTIONS, [event(1, *reports)])
        await bank.owns(ANNA, 1)
    async with started(url, redis_url) as bank:
        await bank.service.send(EXECUTIONS, [event(2)], after=1)
        assert await bank.owns(ANNA, 2) == {"AAPL": (1, 0), CASH: (0, 0)}
        await bank.check()


async def test_statement_has_running_balances_and_pages(bank: Bank) -> None:
    """A statement, read page by page, is every transfer once, newest first, each with the balance it left."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    for amount in (7, -3, 11, -20, 5):
        await bank.fund(ANNA, CASH, amount * DOLLAR)
    found: list[Transaction] = []
    while True:
        query = TransactionsOf(user_id=ANNA, limit=4, before=found[-1].transfer_id if found else 0)
        page = (await bank.service.answer(GET_TRANSACTIONS, query)).transactions
        if not page:
            break
        found += page
    assert [t.amount // DOLLAR for t in found] == [5, -20, 11, -3, 7, 100]
    assert [t.balance_after // DOLLAR for t in found] == [100, 95, 115, 104, 107, 100]
    assert {t.kind for t in found} == {"deposit", "withdrawal"}


async def test_open_holds_are_listed_by_their_time(bank: Bank) -> None:
    """The sweeper finds open holds placed in a window, and neither closed nor later ones."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    for order_id in (1, 2, 3):
        await bank.hold(order_id, ANNA, CASH, 1, 1)
    await bank.release(2, ANNA)
    third = await bank.database.fetchval("SELECT created_us FROM holds WHERE order_id = 3")
    found = await bank.service.answer(OPEN_HOLDS, UnconfirmedSince(from_us=0, until_us=third))
    assert (found.order_ids, found.user_ids) == ((1,), (ANNA,))


async def test_trace_of_a_hold(bank: Bank) -> None:
    """A check of a balance shows in its order's trace with the two statements it took."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    traceparent = new_traceparent()
    request = HoldRequest(order_id=1, user_id=ANNA, asset=CASH, unit_amount=1, quantity=1, traceparent=traceparent)
    await bank.service.answer(CHECK_BALANCE, request)
    assert bank.service.spans.tree(traceparent) == {"check_balance": {"SELECT account": {}, "INSERT hold": {}}}


async def test_nobody_spends_twice_whatever_runs_at_once(bank: Bank) -> None:
    """Hundreds of holds, releases, trades, deposits and withdrawals at once, over many connections, lose no unit."""
    users = range(2000, 2006)
    async with asyncio.timeout(60), several(bank, 4) as banks:
        await _crowd(bank, banks, users)


async def _crowd(bank: Bank, banks: Sequence[Bank], users: Sequence[int]) -> None:
    for user in users:
        await bank.fund(user, CASH, 300 * DOLLAR)
        await bank.fund(user, "AAPL", 30)
    chance = random.Random(7)
    sent = await asyncio.gather(*(_trader(each, user, chance) for user in users for each in banks[:2]))
    orders = [order for held in sent for order in held]
    events = _market(orders, chance)
    others = [work(each, user, chance) for user in users for each in banks for work in (_mover, _trader)]
    await asyncio.gather(bank.service.send(EXECUTIONS, events), *others)
    for user in users:
        await bank.owns(user, len(events))
    await bank.check()
    traded = await bank.database.fetchval("SELECT count(*) FROM transfers WHERE kind = 'trade'")
    assert traded == 2 * sum(1 for e in events if len(e.reports) == 3)
    assert traded > 20


async def _trader(bank: Bank, user: int, chance: random.Random) -> list[tuple[int, int, Side]]:
    """Holds that were placed, as (order id, user, side); some more are placed and given back again."""
    placed = []
    for _ in range(20):
        order_id, side = next(numbers), chance.choice((Side.BUY, Side.SELL))
        what: tuple[Any, ...] = (CASH, chance.randint(20, 40) * DOLLAR, 1) if side == Side.BUY else ("AAPL", 1, 1)
        answer = await bank.hold(order_id, user, *what)
        if isinstance(answer, HoldPlaced) and chance.random() < 0.3:
            await bank.release(order_id, user)
        elif isinstance(answer, HoldPlaced):
            placed.append((order_id, user, side))
    return placed


async def _mover(bank: Bank, user: int, chance: random.Random) -> None:
    """Deposits and withdrawals; the latter may be refused, which is as good."""
    for _ in range(15):
        request_id = f"funding {next(numbers)}"
        amount = chance.randint(-30, 30) or 1
        asset = chance.choice((CASH, "AAPL"))
        await bank.service.call(ADD_FUNDS, Funding(user_id=user, asset=asset, amount=amount, request_id=request_id))


def _market(orders: list[tuple[int, int, Side]], chance: random.Random) -> list[EngineEvent]:
    """Pairs buys with sells of other users at 20 dollars, and cancels the rest."""
    chance.shuffle(orders)
    buys = [order for order in orders if order[2] == Side.BUY]
    sells = [order for order in orders if order[2] == Side.SELL]
    events: list[EngineEvent] = []
    for (buy, buyer, _), (sell, seller, _) in zip(buys, sells, strict=False):
        met = trade(len(events) + 1, (buy, buyer, 0), (sell, seller, 0), 20 * DOLLAR, 1)
        reports = (closed(buy, buyer, Side.BUY), closed(sell, seller, Side.SELL))
        events.append(event(len(events) + 1, met, *reports, order_id=buy))
    for order_id, user, side in buys[len(sells) :] + sells[len(buys) :]:
        events.append(event(len(events) + 1, closed(order_id, user, side, "CANCELLED", 1), order_id=order_id))
    return events
