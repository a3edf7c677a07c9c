"""Deposits, withdrawals and transfers between users: each once, however often it is sent."""

from collections.abc import Sequence

from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.announcing import Announcer
from services.wallet_service.ledger import WORLD, AccountKey, Ledger, no_wallet
from services.wallet_service.store import (
    lock_accounts,
    make_accounts,
    now_us,
    remove_accounts,
    select_wallets,
    write,
)
from shared.connections import Connection
from shared.contracts.events import FundsEvent
from shared.contracts.money import CASH
from shared.contracts.operations import Refused
from shared.contracts.wallet import Funding, TransferRequest, Wallet
from shared.outbox import Outbox
from shared.postgres import Database
from shared.tracing import traceparent_of

Movement = Funding | TransferRequest

REUSED = Refused(
    code="request_id_reused", detail="This request id moved something else before. Send another request under a new id."
)
NO_RECIPIENT = Refused(code="recipient_without_wallet", detail="The recipient has no wallet yet and must create one.")


class Movements:
    """Writes to the ledger and tells of it. Methods serve an operation: its batch, and the open span of each item."""

    def __init__(self, database: Database, outbox: Outbox, announcer: Announcer) -> None:
        self._database = database
        self._outbox = outbox
        self._announcer = announcer

    async def fund(self, items: Sequence[Funding], spans: Sequence[Span]) -> list[Wallet | Refused]:
        """Deposits and withdrawals."""
        return await self._book(items, spans)

    async def transfer(self, items: Sequence[TransferRequest], spans: Sequence[Span]) -> list[Wallet | Refused]:
        """Transfers between users."""
        return await self._book(items, spans)

    async def _book(self, items: Sequence[Movement], spans: Sequence[Span]) -> list[Wallet | Refused]:
        async with self._database.transaction() as connection:
            users = {item.user_id for item in items} | {other for item in items if (other := _other(item)) != WORLD}
            owners = await select_wallets(connection, (), users)
            refusals = {id(item): refusal for item in items if (refusal := _without_wallet(item, owners)) is not None}
            able = [item for item in items if id(item) not in refusals]
            keys = {key for item in able for key in _keys(item)}
            # A user's requests go one after another, whatever they move, so that none of them is carried out twice.
            keys |= {(item.user_id, CASH) for item in able}
            made = await make_accounts(connection, spans, keys)
            ledger = Ledger(await lock_accounts(connection, spans, keys))
            refused, moved = await self._move(connection, ledger, able, spans)
            await write(connection, spans, ledger)
            await remove_accounts(connection, made - {key for item in moved for key in _keys(item)})
            origins = {id(item): traceparent_of(span) for item, span in zip(items, spans, strict=True)}
            events = [_event(item, origins[id(item)]) for item in moved]
            entries = await self._outbox.append(connection, (), events) if events else []
            wallets = await select_wallets(connection, (), {item.user_id for item in able})
        self._outbox.committed(entries)
        self._announcer.moved(events)
        refusals |= refused
        return [refusals.get(id(item)) or wallets[item.user_id] for item in items]

    async def _move(
        self, connection: Connection, ledger: Ledger, items: Sequence[Movement], spans: Sequence[Span]
    ) -> tuple[dict[int, Refused], list[Movement]]:
        """Moves what has not been moved before. Answers refusals by the identity of their item, and what moved."""
        users, requests = [item.user_id for item in items], [item.request_id for item in items]
        rows = await sql.SELECT_REQUESTS.fetch(connection, spans, users, requests)
        done = {(row[0], row[1]): (row[2], row[3], row[4]) for row in rows}
        refusals: dict[int, Refused] = {}
        moved: list[Movement] = []
        for item in items:
            key, content = (item.user_id, item.request_id), (item.asset, _change(item), _other(item))
            if key in done:
                refusal = None if done[key] == content else REUSED
            else:
                refusal = ledger.fund(item, now_us()) if isinstance(item, Funding) else ledger.transfer(item, now_us())
                if refusal is None:
                    done[key] = content
                    moved.append(item)
            if refusal is not None:
                refusals[id(item)] = refusal
        if moved:
            await sql.INSERT_REQUESTS.fetch(
                connection,
                spans,
                [item.user_id for item in moved],
                [item.request_id for item in moved],
                [item.asset for item in moved],
                [_change(item) for item in moved],
                [_other(item) for item in moved],
            )
        return refusals, moved


def _other(item: Movement) -> int:
    return WORLD if isinstance(item, Funding) else item.to_user_id


def _keys(item: Movement) -> tuple[AccountKey, AccountKey]:
    return (item.user_id, item.asset), (_other(item), item.asset)


def _change(item: Movement) -> int:
    """What the movement adds to the user who asked for it."""
    return item.amount if isinstance(item, Funding) else -item.amount


def _without_wallet(item: Movement, owners: dict[int, Wallet]) -> Refused | None:
    if item.user_id not in owners:
        return no_wallet()
    return NO_RECIPIENT if _other(item) != WORLD and _other(item) not in owners else None


def _event(item: Movement, traceparent: str) -> FundsEvent:
    return FundsEvent(
        time_us=now_us(),
        traceparent=traceparent,
        user_id=item.user_id,
        asset=item.asset,
        amount=_change(item),
        unit_cost=item.unit_cost,
        to_user_id=_other(item),
    )
