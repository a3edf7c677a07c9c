"""Wallets as their owners see them: opening one, balances, statements."""

from collections.abc import Sequence

from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.ledger import no_wallet
from services.wallet_service.store import make_accounts, select_wallets
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.reports import Export
from shared.contracts.wallet import Transaction, Transactions, TransactionsOf, Wallet, WalletOf
from shared.export import export_csv
from shared.postgres import Database

NEWEST = 2**63 - 1


class Wallets:
    """Wallets in PostgreSQL. Methods serve an operation: they take its batch and the open span of each item."""

    def __init__(self, database: Database) -> None:
        self._database = database

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

    async def export(self, items: Sequence[TransactionsOf], spans: Sequence[Span]) -> list[Export | Refused]:
        """Each user's statement as CSV, newest first."""
        async with self._database.connection() as connection:
            return [
                await export_csv(
                    connection, spans, sql.EXPORT_TRANSFERS, item.user_id, item.before or NEWEST, limit=item.limit
                )
                for item in items
            ]
