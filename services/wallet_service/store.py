"""What the ledger's rows have in common for all who read and change them: load a working set, write it back."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.ledger import Account, AccountKey, Hold, HoldState, Ledger
from shared.connections import Connection
from shared.contracts.wallet import Balance, Wallet

TRANSFER_COLUMNS = 12


def now_us() -> int:
    """Unix time in microseconds."""
    return time.time_ns() // 1000


async def make_accounts(connection: Connection, spans: Sequence[Span], keys: Iterable[AccountKey]) -> set[AccountKey]:
    """Makes the accounts that are missing, and answers those. Must be a transaction's first lock (see statements)."""
    users, assets = _columns(sorted(keys), 2)
    rows = await sql.INSERT_ACCOUNTS.fetch(connection, spans, users, assets)
    return {(row["user_id"], row["asset"]) for row in rows}


async def remove_accounts(connection: Connection, keys: Iterable[AccountKey]) -> None:
    """Takes accounts back that this transaction has made and not used: a refusal leaves nothing behind."""
    if keys := sorted(keys):
        await sql.DELETE_ACCOUNTS.fetch(connection, (), *_columns(keys, 2))


async def lock_accounts(connection: Connection, spans: Sequence[Span], keys: Iterable[AccountKey]) -> list[Account]:
    """The accounts that exist of these, locked until the transaction ends."""
    users, assets = _columns(sorted(keys), 2)
    return [_account(row) for row in await sql.LOCK_ACCOUNTS.fetch(connection, spans, users, assets)]


async def lock_users(connection: Connection, spans: Sequence[Span], users: Iterable[int]) -> list[Account]:
    """All accounts of these users, locked until the transaction ends."""
    return [_account(row) for row in await sql.LOCK_USERS.fetch(connection, spans, sorted(users))]


async def select_holds(connection: Connection, spans: Sequence[Span], order_ids: Iterable[int]) -> list[Hold]:
    """The holds (and bars) of these orders. Stable only while their accounts are locked."""
    return [
        Hold(row[0], row[1], row[2], row[3], row[4], HoldState(row[5]))
        for row in await sql.SELECT_HOLDS.fetch(connection, spans, sorted(order_ids))
    ]


async def write(connection: Connection, spans: Sequence[Span], ledger: Ledger) -> None:
    """Writes back a ledger whose accounts are locked. Placed holds are not its business."""
    if not ledger.changed and not ledger.transfers:
        return
    accounts = [(a.user_id, a.asset, a.balance, a.held) for a in ledger.accounts.values()]
    holds = [(hold.order_id, hold.unit_amount, hold.open_quantity, hold.state) for hold in ledger.changed.values()]
    await sql.WRITE.fetch(
        connection,
        spans,
        *_columns(accounts, 4),
        *_columns(holds, 4),
        *_columns(ledger.transfers, TRANSFER_COLUMNS),
    )


async def select_wallets(connection: Connection, spans: Sequence[Span], users: Iterable[int]) -> dict[int, Wallet]:
    """The wallets of these users, without those who have none."""
    balances: dict[int, list[Balance]] = {}
    for row in await sql.SELECT_WALLETS.fetch(connection, spans, sorted(users)):
        balance = Balance(asset=row["asset"], total=row["balance"], held=row["held"])
        balances.setdefault(row["user_id"], []).append(balance)
    return {user: Wallet(user_id=user, balances=tuple(owned)) for user, owned in balances.items()}


def _account(row: Any) -> Account:
    return Account(row[0], row[1], row[2], row[3])


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as the columns that ``unnest`` takes."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
