"""Withdrawals, transfers between users, and corrections, on the real PostgreSQL and Valkey."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import msgspec
import pytest

from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, FUNDS, FundsEvent
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.wallet import (
    ADD_FUNDS,
    CORRECT_ENTRY,
    CREATE_WALLET,
    GET_ENTRY,
    GET_TRANSACTIONS,
    LIST_CORRECTIONS,
    TRANSFER_FUNDS,
    Correction,
    CorrectionsQuery,
    Entry,
    EntryOf,
    Funding,
    Transaction,
    TransactionsOf,
    TransferRequest,
    WalletOf,
)
from shared.ids import OrderIds
from shared.streams import FIELD
from tests.bank import Bank, started
from tests.fake_engine import closed, event, trade
from tests.services import new_traceparent

ANNA, BEN, OPERATOR = 1001, 1002, 1000
DOLLAR = 10_000


@pytest.fixture
async def bank(database_url: Callable[[str], str], redis_url: str) -> AsyncIterator[Bank]:
    async with started(database_url("wallet-service"), redis_url) as bank:
        for user in (ANNA, BEN):
            await bank.service.answer(CREATE_WALLET, WalletOf(user_id=user))
        yield bank
        await bank.check()


def gift(amount: int, request_id: str = "gift", **more: Any) -> TransferRequest:
    fields: dict[str, Any] = {"user_id": ANNA, "to_user_id": BEN, "asset": CASH} | more
    return TransferRequest(amount=amount, request_id=request_id, **fields)


def correction(transfer_id: int, request_id: str = "mend") -> Correction:
    return Correction(user_id=OPERATOR, transfer_id=transfer_id, reason="paid twice", request_id=request_id)


def code(answer: object) -> str:
    return answer.code if isinstance(answer, Refused) else ""


async def statement(bank: Bank, user_id: int) -> list[Transaction]:
    return list((await bank.service.answer(GET_TRANSACTIONS, TransactionsOf(user_id=user_id))).transactions)


async def told(bank: Bank, count: int) -> list[FundsEvent]:
    """The first events that left the wallet."""
    events: list[FundsEvent] = []
    while len(events) < count:
        answer: Any = await bank.service.redis.xread({FUNDS.name: f"{len(events)}-0"}, block=10_000)
        assert answer, "no more events"
        entries: Any = await bank.service.redis.xrange(FUNDS.name)
        events = [event for _, one in entries for event in msgspec.json.decode(one[FIELD], type=list[FundsEvent])]
    return events


async def test_a_transfer_moves_what_is_available_once(bank: Bank) -> None:
    """Both statements tell of it, held money stays, a repeated request moves nothing and another one is refused."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    await bank.hold(1, ANNA, CASH, 4 * DOLLAR, 1)
    too_much = await bank.service.call(TRANSFER_FUNDS, gift(6 * DOLLAR + 1))
    assert code(too_much) == "insufficient_funds"
    await asyncio.gather(*(bank.service.answer(TRANSFER_FUNDS, gift(6 * DOLLAR)) for _ in range(5)))
    assert code(await bank.service.call(TRANSFER_FUNDS, gift(1))) == "request_id_reused"
    assert await bank.owns(ANNA) == {CASH: (4 * DOLLAR, 4 * DOLLAR)}
    assert await bank.owns(BEN) == {CASH: (6 * DOLLAR, 0)}
    (gave, *_), (got,) = await statement(bank, ANNA), await statement(bank, BEN)
    assert (gave.kind, gave.amount, gave.other_user_id, gave.request_id) == ("transfer", -6 * DOLLAR, BEN, "gift")
    assert (got.kind, got.amount, got.other_user_id, got.request_id) == ("transfer", 6 * DOLLAR, ANNA, None)


async def test_shares_are_transferred_and_told_of(bank: Bank) -> None:
    """Shares go to a user who had none of them, and the event says from whom to whom."""
    await bank.fund(ANNA, "AAPL", 5)
    wanted = gift(3, asset="AAPL", unit_cost=150 * DOLLAR, traceparent=new_traceparent())
    await bank.service.answer(TRANSFER_FUNDS, wanted)
    assert (await bank.owns(BEN))["AAPL"] == (3, 0)
    event = (await told(bank, 2))[-1]
    assert (event.user_id, event.to_user_id, event.asset, event.amount) == (ANNA, BEN, "AAPL", -3)
    assert (event.unit_cost, event.traceparent[3:35]) == (150 * DOLLAR, wanted.traceparent[3:35])


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        (gift(0), "invalid_amount"),
        (gift(-5), "invalid_amount"),
        (gift(1, to_user_id=ANNA), "same_user"),
        (gift(1, to_user_id=4711), "recipient_without_wallet"),
        (gift(1, user_id=4711), "no_wallet"),
        (gift(1, asset="AAPL"), "insufficient_shares"),
    ],
)
async def test_what_can_not_be_transferred_moves_nothing(bank: Bank, wanted: TransferRequest, refusal: str) -> None:
    """Each mistake has its code, and nothing is written."""
    await bank.fund(ANNA, CASH, DOLLAR)
    counts = "SELECT (SELECT count(*) FROM transfers), (SELECT count(*) FROM accounts), (SELECT count(*) FROM requests)"
    before = await bank.database.fetchrow(counts)
    assert code(await bank.service.call(TRANSFER_FUNDS, wanted)) == refusal
    assert await bank.database.fetchrow(counts) == before


async def test_one_id_for_two_requests_at_once_carries_out_one(bank: Bank) -> None:
    """Two different requests of a user under one id, at the same moment: one of them moves something."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    deposit = Funding(user_id=ANNA, asset="AAPL", amount=5, request_id="one")
    answers = await asyncio.gather(
        bank.service.call(TRANSFER_FUNDS, gift(DOLLAR, "one")), bank.service.call(ADD_FUNDS, deposit)
    )
    assert sorted(map(code, answers)) == ["", "request_id_reused"]


async def test_what_a_sale_brought_can_be_withdrawn_at_once(bank: Bank) -> None:
    """Who was told of a trade takes out what it brought, although it is still being settled."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    await bank.fund(BEN, "AAPL", 1)
    await bank.hold(1, BEN, "AAPL", 1, 1)
    await bank.hold(2, ANNA, CASH, 100 * DOLLAR, 1)
    out = Funding(user_id=BEN, asset=CASH, amount=-100 * DOLLAR, request_id="out", position=1)
    waiting = asyncio.create_task(bank.service.answer(ADD_FUNDS, out))
    met = trade(1, (2, ANNA, 0), (1, BEN, 0), 100 * DOLLAR, 1)
    await bank.service.send(EXECUTIONS, [event(1, met, closed(2, ANNA, Side.BUY), closed(1, BEN, Side.SELL))])
    await waiting
    assert await bank.owns(BEN) == {"AAPL": (0, 0), CASH: (0, 0)}


async def test_a_correction_is_a_counter_entry(bank: Bank) -> None:
    """The earlier entry stays as it is, the new one names it with its reason, and both statements show it."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    await bank.service.answer(TRANSFER_FUNDS, gift(6 * DOLLAR))
    wrong = (await statement(bank, BEN))[0].transfer_id
    asked = correction(wrong)
    booked = [await bank.service.answer(CORRECT_ENTRY, asked) for _ in range(2)]
    assert booked[0] == booked[1]
    assert (booked[0].debit_user, booked[0].credit_user, booked[0].corrects) == (BEN, ANNA, wrong)
    assert (await bank.owns(ANNA), await bank.owns(BEN)) == ({CASH: (10 * DOLLAR, 0)}, {CASH: (0, 0)})
    counter, earlier = await statement(bank, BEN)
    assert (counter.kind, counter.amount, counter.reason, counter.corrects) == (
        "correction",
        -6 * DOLLAR,
        "paid twice",
        wrong,
    )
    assert (earlier.amount, earlier.balance_after, earlier.corrected_by) == (
        6 * DOLLAR,
        6 * DOLLAR,
        counter.transfer_id,
    )
    (record,) = (await bank.service.answer(LIST_CORRECTIONS, CorrectionsQuery())).corrections
    assert (record.user_id, record.corrects, record.reason) == (OPERATOR, wrong, "paid twice")


async def test_an_entry_is_corrected_once(bank: Bank) -> None:
    """Of several administrators at once one books; the others, and one id for two entries, are refused."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    await bank.fund(ANNA, CASH, 5 * DOLLAR)
    second, first = [t.transfer_id for t in await statement(bank, ANNA)]
    answers = [await bank.service.calls(CORRECT_ENTRY, [correction(first, f"id {n}")]) for n in range(3)]
    assert sorted(code(answer) for (answer,) in answers) == ["", "already_corrected", "already_corrected"]
    assert code(await bank.service.call(CORRECT_ENTRY, correction(second, "id 0"))) == "request_id_reused"
    assert await bank.owns(ANNA) == {CASH: (5 * DOLLAR, 0)}


async def test_a_correction_waits_for_money_that_is_spent(bank: Bank) -> None:
    """What the receiver no longer has available is not taken from them, with the figures."""
    await bank.fund(ANNA, CASH, 10 * DOLLAR)
    (deposit,) = await statement(bank, ANNA)
    await bank.hold(1, ANNA, CASH, 3 * DOLLAR, 1)
    refused = await bank.service.call(CORRECT_ENTRY, correction(deposit.transfer_id))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.figures["available"]) == ("not_available", "7.00")
    await bank.release(1, ANNA)
    await bank.service.answer(CORRECT_ENTRY, correction(deposit.transfer_id))
    assert await bank.owns(ANNA) == {CASH: (0, 0)}


async def test_a_correction_can_be_corrected(bank: Bank) -> None:
    """Taking a correction back books the first entry's movement again."""
    await bank.fund(ANNA, "AAPL", 5)
    (deposit,) = await statement(bank, ANNA)
    counter = await bank.service.answer(CORRECT_ENTRY, correction(deposit.transfer_id))
    again = await bank.service.answer(CORRECT_ENTRY, correction(counter.transfer_id, "second thoughts"))
    assert (await bank.owns(ANNA))["AAPL"] == (5, 0)
    assert (again.debit_user, again.credit_user) == (0, ANNA)
    assert [(e.user_id, e.amount, e.to_user_id) for e in await told(bank, 3)] == [
        (ANNA, 5, 0),
        (ANNA, -5, 0),
        (ANNA, 5, 0),
    ]


async def test_trades_and_unknown_entries_are_not_corrected(bank: Bank) -> None:
    """Neither leg of a trade is taken back, and what does not exist is not found."""
    await bank.fund(ANNA, CASH, 100 * DOLLAR)
    await bank.fund(BEN, "AAPL", 1)
    await bank.hold(1, BEN, "AAPL", 1, 1)
    await bank.hold(2, ANNA, CASH, 100 * DOLLAR, 1)
    met = trade(1, (2, ANNA, 0), (1, BEN, 0), 100 * DOLLAR, 1)
    await bank.service.send(EXECUTIONS, [event(1, met, closed(2, ANNA, Side.BUY), closed(1, BEN, Side.SELL))])
    await bank.owns(ANNA, 1)
    leg = (await statement(bank, BEN))[0]
    assert leg.other_user_id == 0
    assert code(await bank.service.call(CORRECT_ENTRY, correction(leg.transfer_id))) == "not_correctable"
    assert code(await bank.service.call(CORRECT_ENTRY, correction(4711))) == "transaction_not_found"
    entry = await bank.service.call(GET_ENTRY, EntryOf(transfer_id=leg.transfer_id))
    assert isinstance(entry, Entry)
    assert {entry.debit_user, entry.credit_user} == {ANNA, BEN}


async def test_old_holds_that_are_over_are_forgotten(database_url: Callable[[str], str], redis_url: str) -> None:
    """A service that starts deletes closed holds and bars of old orders; open ones and young ones stay."""
    url, young = database_url("wallet-service"), OrderIds().next()
    async with started(url, redis_url) as bank:
        await bank.fund(ANNA, CASH, 10 * DOLLAR)
        for order_id in (1, 2, young):
            await bank.hold(order_id, ANNA, CASH, DOLLAR, 1)
        for order_id in (1, 3, young):
            await bank.release(order_id, ANNA)
    async with started(url, redis_url) as bank:
        left = "SELECT array_agg(order_id ORDER BY order_id) FROM holds"
        for _ in range(500):
            found = await bank.database.fetchval(left)
            if len(found) == 2:
                break
            await asyncio.sleep(0.02)
        assert found == [2, young]
        assert await bank.owns(ANNA) == {CASH: (10 * DOLLAR, DOLLAR)}
        await bank.check()


async def test_the_ledger_is_only_added_to(bank: Bank) -> None:
    """The database itself refuses to change or to delete an entry."""
    await bank.fund(ANNA, CASH, DOLLAR)
    for change in ("UPDATE transfers SET amount = 2", "DELETE FROM transfers", "TRUNCATE transfers CASCADE"):
        with pytest.raises(asyncpg.RaiseError, match="counter-entry"):
            await bank.database.execute(change)


async def test_entries_of_a_stream_that_overlap_take_effect_once(bank: Bank) -> None:
    """A relay that starts anew may publish events again in an entry with newer ones: each is settled once."""
    await bank.fund(ANNA, CASH, 9 * DOLLAR)
    await bank.fund(BEN, "AAPL", 9)
    await bank.hold(1, BEN, "AAPL", 1, 9)
    await bank.hold(2, ANNA, CASH, DOLLAR, 9)
    met = [event(seq, trade(seq, (2, ANNA, 9 - seq), (1, BEN, 9 - seq), DOLLAR, 1)) for seq in range(1, 10)]
    await bank.service.send(EXECUTIONS, met[:3])
    await bank.service.reached(EXECUTIONS, 3)
    await bank.service.send(EXECUTIONS, met[:5])
    await bank.service.send(EXECUTIONS, met[4:], after=4)
    assert await bank.owns(ANNA, 9) == {"AAPL": (9, 0), CASH: (0, 0)}
    assert await bank.database.fetchval("SELECT count(*) FROM transfers WHERE kind = 'trade'") == 18


async def test_an_entry_that_does_not_follow_on_is_asked_for_again(bank: Bank) -> None:
    """After a gap, and before what is no list of events, nothing takes effect until the stream is published anew."""
    redis, key = bank.service.redis, EXECUTIONS.rewind_key
    await bank.fund(ANNA, CASH, 9 * DOLLAR)
    await bank.fund(BEN, "AAPL", 9)
    await bank.hold(1, BEN, "AAPL", 1, 9)
    await bank.hold(2, ANNA, CASH, DOLLAR, 9)
    met = [event(seq, trade(seq, (2, ANNA, 9 - seq), (1, BEN, 9 - seq), DOLLAR, 1)) for seq in range(1, 5)]
    for field, payload in ((b"e", msgspec.json.encode(met[0])), (FIELD, msgspec.json.encode(met[2:3]))):
        await redis.delete(EXECUTIONS.name, key)
        await redis.xadd(EXECUTIONS.name, {field: payload}, id="3-0")
        async with asyncio.timeout(10):
            while await redis.hget(key, "wallet-service") != b"0":
                await asyncio.sleep(0.01)
    await redis.delete(EXECUTIONS.name)
    await bank.service.send(EXECUTIONS, met)
    assert await bank.owns(ANNA, 4) == {"AAPL": (4, 0), CASH: (5 * DOLLAR, 5 * DOLLAR)}


async def test_a_batch_of_executions_is_settled_in_one_commit(bank: Bank) -> None:
    """Events that arrive together are settled by one transaction, with each trade's transfers in it."""
    count = 100
    await bank.fund(ANNA, CASH, count * DOLLAR)
    await bank.fund(BEN, "AAPL", count)
    await bank.hold(1, BEN, "AAPL", 1, count)
    await bank.hold(2, ANNA, CASH, DOLLAR, count)
    met = [
        event(seq, trade(seq, (2, ANNA, count - seq), (1, BEN, count - seq), DOLLAR, 1)) for seq in range(1, count + 1)
    ]
    await bank.service.send(EXECUTIONS, met)
    assert await bank.owns(ANNA, count) == {"AAPL": (count, 0), CASH: (0, 0)}
    row = await bank.database.fetchrow(
        "SELECT count(*) AS entries, count(DISTINCT xmin::text) AS commits FROM transfers WHERE kind = 'trade'"
    )
    assert row is not None
    assert (row["entries"], row["commits"]) == (2 * count, 1)
