"""Wallets as their owners see them: opening one, deposits and withdrawals, balances, statements."""

from collections.abc import Sequence

from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.ledger import WORLD, Ledger, no_wallet
from services.wallet_service.store import lock_accounts, make_accounts, now_us, select_wallets, write
from shared.contracts.events import FundsEvent
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.wallet import Funding, Transaction, Transactions, TransactionsOf, Wallet, WalletOf
from shared.outbox import Outbox
from shared.postgres import Connection, Database
from shared.tracing import traceparent_of

NEWEST = 2**63 - 1

REUSED = Refused(
    code="request_id_reused", detail="This request id moved another amount before. Send a new amount under a new id."
)


class Fundings:
    """Wallets in PostgreSQL. Methods serve an operation: they take its batch and the open span of each item."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox

    async def create(self, items: Sequence[WalletOf], spans: Sequence[Span]) -> list[Wallet | Refused]:
        """Opens a wallet for cash for each user who has none."""
        users = {item.user_id for item in items}
        async with self._database.transaction() as connection:
            made = await make_accounts(connection, spans, {(user, CASH) for user in users})
            wallets = await select_wallets(connection, spans, users)
        return [
            Wallet(user_id=i.user_id, balances=wallets[i.user_id].balances, created=(i.user_id, CASH) in made)
            for i in items
        ]

    async def balances(self, items: Sequence[WalletOf], spans: Sequence[Span]) -> list[Wallet | Refused]:
        """All that each user owns."""
        async with self._database.connection() as connection:
            wallets = await select_wallets(connection, spans, {item.user_id for item in items})
        return [wallets.get(item.user_id) or no_wallet() for item in items]

    async def statement(self, items: Sequence[TransactionsOf], spans: Sequence[Span]) -> list[Transactions | Refused]:
        """A page of each user's transfers, newest first."""
        users, before, limits = (
            [i.user_id for i in items],
            [i.before or NEWEST for i in items],
            [i.limit for i in items],
        )
        async with self._database.connection() as connection:
            rows = await sql.SELECT_TRANSFERS.fetch(connection, spans, users, before, limits)
        pages: list[list[Transaction]] = [[] for _ in items]
        for number, *columns in (tuple(row) for row in rows):
            pages[number - 1].append(Transaction(**dict(zip(Transaction.__struct_fields__, columns, strict=True))))
        return [Transactions(transactions=tuple(page)) for page in pages]

    async def fund(self, items: Sequence[Funding], spans: Sequence[Span]) -> list[Wallet | Refused]:
        """Deposits and withdrawals, each once however often it is sent, and the events that tell of them."""
        async with self._database.transaction() as connection:
            owners = await select_wallets(connection, (), {item.user_id for item in items})
            known = [item for item in items if item.user_id in owners]
            keys = {(user, item.asset) for item in known for user in (item.user_id, WORLD)}
            await make_accounts(connection, spans, keys)
            ledger = Ledger(await lock_accounts(connection, spans, keys))
            refusals, moved = await self._move(connection, ledger, known, spans)
            await write(connection, spans, ledger)
            origins = {id(item): traceparent_of(span) for item, span in zip(items, spans, strict=True)}
            events = [_event(item, origins[id(item)]) for item in moved]
            entries = await self._outbox.append(connection, (), events) if events else []
            wallets = await select_wallets(connection, (), owners.keys())
        self._outbox.committed(entries)
        return [refusals.get(id(item)) or wallets.get(item.user_id) or no_wallet() for item in items]

    async def _move(
        self, connection: Connection, ledger: Ledger, items: Sequence[Funding], spans: Sequence[Span]
    ) -> tuple[dict[int, Refused], list[Funding]]:
        """Moves what has not been moved before. Answers refusals by the identity of their item, and what moved."""
        users, requests = [item.user_id for item in items], [item.request_id for item in items]
        rows = await sql.SELECT_FUNDINGS.fetch(connection, spans, users, requests)
        done = {(row["user_id"], row["request_id"]): (row["asset"], row["amount"]) for row in rows}
        refusals: dict[int, Refused] = {}
        moved: list[Funding] = []
        for item in items:
            key, content = (item.user_id, item.request_id), (item.asset, item.amount)
            if key in done:
                refusal = None if done[key] == content else REUSED
            else:
                refusal = ledger.fund(item, now_us())
                if refusal is None:
                    done[key] = content
                    moved.append(item)
            if refusal is not None:
                refusals[id(item)] = refusal
        if moved:
            await sql.INSERT_FUNDINGS.fetch(
                connection,
                spans,
                [item.user_id for item in moved],
                [item.request_id for item in moved],
                [item.asset for item in moved],
                [item.amount for item in moved],
            )
        return refusals, moved


def _event(item: Funding, traceparent: str) -> FundsEvent:
    return FundsEvent(
        time_us=now_us(),
        traceparent=traceparent,
        user_id=item.user_id,
        asset=item.asset,
        amount=item.amount,
        unit_cost=item.unit_cost,
    )
