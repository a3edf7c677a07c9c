"""Corrections: what was booked stays booked, and a counter-entry that names it takes it back."""

from collections.abc import Sequence

import asyncpg
import msgspec
from opentelemetry.trace import Span

from services.wallet_service import statements as sql
from services.wallet_service.announcing import Announcer
from services.wallet_service.ledger import WORLD, Ledger
from services.wallet_service.movements import REUSED
from services.wallet_service.store import lock_accounts, now_us, write
from shared.connections import Connection
from shared.contracts import wallet
from shared.contracts.events import FundsEvent
from shared.contracts.operations import Refused
from shared.contracts.wallet import Correction, CorrectionRecord, Entry
from shared.outbox import Outbox
from shared.postgres import Database
from shared.tracing import trace_id_of, traceparent_of

NEWEST = 2**63 - 1

UNKNOWN = Refused(code="transaction_not_found", detail="There is no such transaction.")


class Corrections:
    """For administrators. Methods serve an operation: they take its batch and the open span of each item."""

    def __init__(self, database: Database, outbox: Outbox, announcer: Announcer) -> None:
        self._database = database
        self._outbox = outbox
        self._announcer = announcer

    async def entries(self, items: Sequence[wallet.EntryOf], spans: Sequence[Span]) -> list[Entry | Refused]:
        """Single transfers, as the ledger has them."""
        async with self._database.connection() as connection:
            found = await _select(connection, spans, [item.transfer_id for item in items])
        return [found.get(item.transfer_id, UNKNOWN) for item in items]

    async def correct(self, items: Sequence[Correction], spans: Sequence[Span]) -> list[Entry | Refused]:
        """One transaction for each: corrections are few, and each looks at what the one before has done."""
        return [await self._correct(item, span) for item, span in zip(items, spans, strict=True)]

    async def corrections(
        self, items: Sequence[wallet.CorrectionsQuery], spans: Sequence[Span]
    ) -> list[wallet.Corrections]:
        """What administrators took back, newest first."""
        answers = []
        async with self._database.connection() as connection:
            for item in items:
                rows = await sql.SELECT_CORRECTIONS.fetch(connection, spans, item.before or NEWEST, item.limit)
                answers.append(wallet.Corrections(corrections=tuple(CorrectionRecord(**dict(row)) for row in rows)))
        return answers

    async def _correct(self, item: Correction, span: Span) -> Entry | Refused:
        try:
            return await self._once(item, span)
        except asyncpg.UniqueViolationError:
            # The same transfer, or the same request, came twice at once. What the other one did is seen now.
            return await self._once(item, span)

    async def _once(self, item: Correction, span: Span) -> Entry | Refused:
        async with self._database.transaction() as connection:
            answer, events = await self._book(connection, item, span)
            sent = await self._outbox.append(connection, (), events) if events else []
        self._outbox.committed(sent)
        self._announcer.moved(events)
        return answer

    async def _book(
        self, connection: Connection, item: Correction, span: Span
    ) -> tuple[Entry | Refused, list[FundsEvent]]:
        (row,) = await sql.SELECT_CORRECTION.fetch(connection, (span,), item.user_id, item.request_id) or (None,)
        if row is not None:
            done = await _select(connection, (span,), [row["transfer_id"]])
            return (done[row["transfer_id"]] if row["corrects"] == item.transfer_id else REUSED), []
        entry = (await _select(connection, (span,), [item.transfer_id])).get(item.transfer_id)
        if entry is None:
            return UNKNOWN, []
        keys = {(user, entry.asset) for user in (entry.debit_user, entry.credit_user)}
        ledger = Ledger(await lock_accounts(connection, (span,), keys))
        time_us = now_us()
        refusal = ledger.take_back(entry, time_us)
        if refusal is not None:
            return refusal, []
        await write(connection, (span,), ledger)
        (booked,) = await sql.INSERT_CORRECTION.fetch(
            connection,
            (span,),
            entry.transfer_id,
            item.user_id,
            item.request_id,
            item.reason,
            time_us,
            trace_id_of(span),
        )
        counter = msgspec.structs.replace(
            entry,
            transfer_id=booked["transfer_id"],
            kind="correction",
            debit_user=entry.credit_user,
            credit_user=entry.debit_user,
            time_us=time_us,
            corrects=entry.transfer_id,
        )
        return counter, [_event(counter, item, traceparent_of(span))]


async def _select(connection: Connection, spans: Sequence[Span], transfer_ids: Sequence[int]) -> dict[int, Entry]:
    rows = await sql.SELECT_ENTRIES.fetch(connection, spans, transfer_ids)
    return {row["transfer_id"]: Entry(**dict(row)) for row in rows}


def _event(counter: Entry, item: Correction, traceparent: str) -> FundsEvent:
    """The counter-entry as those who follow the wallet see it: from a user's side, whoever of the two is one."""
    comes_in = counter.debit_user == WORLD
    return FundsEvent(
        time_us=counter.time_us,
        traceparent=traceparent,
        user_id=counter.credit_user if comes_in else counter.debit_user,
        asset=counter.asset,
        amount=counter.amount if comes_in else -counter.amount,
        unit_cost=item.unit_cost,
        to_user_id=0 if comes_in else counter.credit_user,
    )
