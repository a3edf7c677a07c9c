"""check_balance and release_hold: setting aside what an order can cost, and giving it back."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import asyncpg
import structlog
from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.ledger import LACKING, Account, AccountKey, Hold, HoldState, Ledger, no_wallet
from services.wallet_service.store import lock_users, now_us, select_holds, write
from shared.connections import Connection
from shared.consumer import Consumer
from shared.contracts.operations import Done, Refused
from shared.contracts.wallet import HoldPlaced, HoldRequest, OrderIds, ReleaseRequest, UnconfirmedSince
from shared.errors import Unavailable
from shared.faults import SLOW_WALLET
from shared.ids import first_at
from shared.postgres import Database

log = structlog.get_logger()

ATTEMPTS_MAX = 5
"""How often a decision is made anew because somebody else was quicker. Each time somebody else got further."""

SLOW_WALLET_S = 0.6

LATE_US = 30_000_000
"""How long after its order's id a hold may be placed at the latest: several times what any call may take."""

BUSY = Refused(code="wallet_busy", detail="Too much happens in this account at once. Send the order again.")


class Holds:
    """Holds in PostgreSQL. Methods serve an operation: they take its batch and the open span of each item.

    ``settled`` tells how far trades are settled. ``durable``: a hold is on disk before it is answered (see
    ``WalletSettings``). Releases always are.
    """

    def __init__(self, database: Database, settled: Consumer, *, durable: bool) -> None:
        self._database = database
        self._settled = settled
        self._durable = durable

    async def place(self, items: Sequence[HoldRequest], spans: Sequence[Span]) -> list[HoldPlaced | Refused]:
        """Holds what each order can cost, in the order of arrival.

        Who was told of a trade may spend what it brought at once: an order that lacks money waits for its settlement.
        """
        if SLOW_WALLET.on:
            await asyncio.sleep(SLOW_WALLET_S)
        answers = await self._place(items, spans)
        early = [i for i, answer in enumerate(answers) if _lacks(answer) and items[i].position > self._settled.position]
        if early:
            try:
                await self._settled.reached(max(items[i].position for i in early))
            except Unavailable as error:
                log.warning("settlement is late", error=str(error))
            again = await self._place([items[i] for i in early], [spans[i] for i in early])
            for i, answer in zip(early, again, strict=True):
                answers[i] = answer
        return answers

    async def _place(self, items: Sequence[HoldRequest], spans: Sequence[Span]) -> list[HoldPlaced | Refused]:
        """Reads, decides, writes, without a lock in between.

        The write takes only what is still there, and what it could not take is decided anew. So an account is locked
        for the length of one statement, and a lone order waits for two.
        """
        answers: dict[int, HoldPlaced | Refused] = {}
        waiting = list(range(len(items)))
        async with self._database.connection(durable=self._durable) as connection:
            for _ in range(ATTEMPTS_MAX):
                decided = await _try(connection, [items[i] for i in waiting], [spans[i] for i in waiting])
                answers |= {i: answer for i, answer in zip(waiting, decided, strict=True) if answer is not None}
                waiting = [i for i in waiting if i not in answers]
                if not waiting:
                    break
        return [answers.get(i, BUSY) for i in range(len(items))]

    async def release(self, items: Sequence[ReleaseRequest], spans: Sequence[Span]) -> list[Done | Refused]:
        """Gives back what is left of each order's hold; bars the orders that have none."""
        async with self._database.transaction() as connection:
            accounts = await lock_users(connection, spans, {item.user_id for item in items})
            holds = await select_holds(connection, spans, {item.order_id for item in items})
            owners = {item.order_id: item.user_id for item in items}
            ledger = Ledger(accounts, (hold for hold in holds if hold.user_id == owners[hold.order_id]))
            for hold in holds:
                ledger.close_hold(hold.order_id)
            await write(connection, spans, ledger)
            unknown = sorted(owners.keys() - {hold.order_id for hold in holds})
            if unknown:
                users = [owners[order_id] for order_id in unknown]
                await sql.INSERT_BARS.fetch(connection, spans, unknown, users, now_us())
        return [Done()] * len(items)

    async def open_between(self, items: Sequence[UnconfirmedSince], _spans: Sequence[Span]) -> list[OrderIds]:
        """Open holds that were placed in a window of time, the first thousand of them."""
        answers = []
        async with self._database.connection() as connection:
            for item in items:
                first = first_at(item.from_us - LATE_US)
                rows = await sql.SELECT_OPEN_HOLDS.fetch(connection, (), first, item.from_us, item.until_us)
                ids, users = tuple(row["order_id"] for row in rows), tuple(row["user_id"] for row in rows)
                answers.append(OrderIds(order_ids=ids, user_ids=users))
        return answers


def _lacks(answer: HoldPlaced | Refused) -> bool:
    return isinstance(answer, Refused) and answer.code in LACKING


async def _try(
    connection: Connection, items: Sequence[HoldRequest], spans: Sequence[Span]
) -> list[HoldPlaced | Refused | None]:
    """One round of ``place``. None for an order whose account, or whose id, changed between reading and writing."""
    ledger, wallets = await _read(connection, items, spans)
    answers = [ledger.place_hold(item) if item.user_id in wallets else no_wallet() for item in items]
    if not ledger.placed:
        return list(answers)
    new = {hold.order_id for hold in ledger.placed}
    try:
        lost = new - await _insert(connection, ledger.placed, spans)
    except asyncpg.UniqueViolationError:
        lost = new
    return [None if item.order_id in lost else answer for item, answer in zip(items, answers, strict=True)]


async def _read(connection: Connection, items: Sequence[HoldRequest], spans: Sequence[Span]) -> tuple[Ledger, set[int]]:
    """The accounts and known holds of these orders, and which users have a wallet at all."""
    keys = {(item.user_id, item.asset) for item in items}
    rows = await sql.SELECT_FOR_HOLD.fetch(
        connection,
        spans,
        [user_id for user_id, _ in keys],
        [asset for _, asset in keys],
        [item.order_id for item in items],
    )
    accounts, holds, wallets = [], [], set()
    for order_id, user_id, asset, balance, held, state, has_wallet in rows:
        if state:
            holds.append(Hold(order_id, user_id, asset, balance, held, HoldState(state)))
            continue
        accounts.append(Account(user_id, asset, balance, held))
        if has_wallet:
            wallets.add(user_id)
    return Ledger(accounts, holds), wallets


async def _insert(connection: Connection, holds: Sequence[Hold], spans: Sequence[Span]) -> set[int]:
    """Writes holds whose accounts still have enough. Answers the order ids of those."""
    needed: dict[AccountKey, int] = defaultdict(int)
    for hold in holds:
        needed[hold.user_id, hold.asset] += hold.amount
    rows = await sql.INSERT_HOLDS.fetch(
        connection,
        spans,
        [user for user, _ in needed],
        [asset for _, asset in needed],
        list(needed.values()),
        [hold.order_id for hold in holds],
        [hold.user_id for hold in holds],
        [hold.asset for hold in holds],
        [hold.unit_amount for hold in holds],
        [hold.open_quantity for hold in holds],
        now_us(),
    )
    return {row["order_id"] for row in rows}
