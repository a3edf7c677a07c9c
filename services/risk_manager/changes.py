"""What administrators set: in force with the next order, and recorded with who, when, and from what to what."""

import asyncio
import time
from collections.abc import Iterator, Sequence

from opentelemetry.trace import Span

from services.risk_manager import control_store
from services.risk_manager.controls import Subject
from services.risk_manager.limits import limit_fault
from services.risk_manager.reference import Reference
from services.risk_manager.state import RiskState
from shared.connections import Connection
from shared.contracts import risk
from shared.contracts.operations import Refused
from shared.contracts.risk import Scope
from shared.postgres import Database

Change = tuple[str, str | None, str | None]
"""A control's name, what it was and what it becomes; None is the default."""


class ControlChanges:
    """What the gateway asks for administrators."""

    def __init__(self, database: Database, reference: Reference, state: RiskState) -> None:
        self._database = database
        self._reference = reference
        self._state = state
        self._changing = asyncio.Lock()

    async def change(
        self, items: Sequence[risk.ControlsChange], spans: Sequence[Span]
    ) -> list[risk.Controls | Refused]:
        """Sets controls, all of an item or, where one is refused, none. The next order is judged by them.

        Raises Unavailable where it may have been done in part; the same again then does the rest.
        """
        await self._reference.ready()
        answers: list[risk.Controls | Refused] = []
        async with self._changing:
            for item, span in zip(items, spans, strict=True):
                fault = self._fault(item)
                if fault is None:
                    await self._set(item, span)
                answers.append(fault or self._reference.controls.controls(Subject(item.scope, item.id)))
        return answers

    async def controls(self, items: Sequence[risk.ControlsOf], _spans: Sequence[Span]) -> list[risk.Controls | Refused]:
        """What is in force for each account or firm, or for all."""
        return [
            self._unknown_firm(item.scope, item.id) or self._reference.controls.controls(Subject(item.scope, item.id))
            for item in items
        ]

    async def create_firm(self, items: Sequence[risk.NewFirm], spans: Sequence[Span]) -> list[risk.Controls | Refused]:
        """Makes firms without accounts, which may do as much as can be."""
        made: list[int | Refused] = []
        for item, span in zip(items, spans, strict=True):
            async with self._database.transaction() as connection:
                firm_id = await control_store.add_firm(connection, item.name)
                if firm_id is None:
                    made.append(Refused(code="firm_name_taken", detail="There is a firm of this name. Choose another."))
                    continue
                made.append(firm_id)
                subject = Subject(Scope.FIRM, firm_id)
                await self._record(connection, item.user_id, subject, [("name", None, item.name)], span)
        await self._reference.refresh_controls()
        controls = self._reference.controls
        return [one if isinstance(one, Refused) else controls.controls(Subject(Scope.FIRM, one)) for one in made]

    async def firms(self, items: Sequence[risk.FirmsQuery], _spans: Sequence[Span]) -> list[risk.Firms]:
        """All firms with what is in force for them."""
        return [risk.Firms(firms=self._reference.controls.firms())] * len(items)

    async def changes(
        self, items: Sequence[risk.ControlChangesQuery], _spans: Sequence[Span]
    ) -> list[risk.ControlChanges]:
        """The record, page by page."""
        async with self._database.connection() as connection:
            return [
                risk.ControlChanges(
                    changes=tuple(await control_store.load_changes(connection, item.before, item.limit))
                )
                for item in items
            ]

    async def _set(self, item: risk.ControlsChange, span: Span) -> None:
        subject = Subject(item.scope, item.id)
        changes = list(self._changes(item, subject))
        async with self._database.transaction() as connection:
            for name, value in item.limits.items():
                await control_store.set_limit(connection, subject, name, value)
            if item.blocked is not None:
                await control_store.set_blocked(connection, subject, item.blocked)
            if item.restricted_symbols is not None:
                await control_store.set_restricted(connection, subject, sorted(set(item.restricted_symbols)))
            if item.firm_id is not None:
                await control_store.set_firm(connection, item.id, item.firm_id)
            await self._record(connection, item.user_id, subject, changes, span)
        if item.firm_id is not None:
            await self._state.join({item.id: item.firm_id})
        await self._reference.refresh_controls()

    def _changes(self, item: risk.ControlsChange, subject: Subject) -> Iterator[Change]:
        """What the item changes, from what to what."""
        stored = self._reference.controls.stored
        own = stored.limits.get(subject, {})
        for name, value in item.limits.items():
            yield name, _text(own.get(name)), _text(value)
        if item.blocked is not None:
            yield "blocked", _text(subject in stored.blocked), _text(item.blocked)
        if item.restricted_symbols is not None:
            before = stored.restricted.get(subject, ())
            yield "restricted_symbols", " ".join(before), " ".join(sorted(set(item.restricted_symbols)))
        if item.firm_id is not None:
            yield "firm_id", _text(stored.memberships.get(item.id) or None), _text(item.firm_id or None)

    async def _record(
        self, connection: Connection, user_id: int, subject: Subject, changes: Sequence[Change], span: Span
    ) -> None:
        now_us = time.time_ns() // 1000
        trace_id = f"{span.get_span_context().trace_id:032x}"
        await control_store.record_changes(
            connection,
            [
                risk.ControlChange(
                    number=0,
                    time_us=now_us,
                    user_id=user_id,
                    scope=subject.scope,
                    id=subject.id,
                    name=name,
                    before=before,
                    after=after,
                    trace_id=trace_id,
                )
                for name, before, after in changes
            ],
        )

    def _fault(self, item: risk.ControlsChange) -> Refused | None:
        """Why this can't be set, None if it can."""
        unknown = [s for s in item.restricted_symbols or () if s not in self._reference.reference_prices]
        if unknown:
            known = ", ".join(sorted(self._reference.reference_prices)) or "none yet"
            return Refused(code="unknown_symbol", detail=f"{', '.join(unknown)}: what is traded here is {known}.")
        if item.blocked is not None and item.scope is Scope.ALL:
            return Refused(code="invalid_scope", detail="Kill switches are for accounts and firms. Halt the symbols.")
        if item.firm_id is not None and item.scope is not Scope.ACCOUNT:
            return Refused(code="invalid_scope", detail="Only an account belongs to a firm.")
        return (
            limit_fault(item.scope, item.limits)
            or self._unknown_firm(item.scope, item.id)
            or self._unknown_firm(Scope.FIRM, item.firm_id or 0)
        )

    def _unknown_firm(self, scope: Scope, firm_id: int) -> Refused | None:
        if scope is not Scope.FIRM or not firm_id or firm_id in self._reference.controls.stored.firms:
            return None
        return Refused(code="firm_not_found", detail="There is no such firm. GET /admin/firms lists them.")


def _text(value: int | bool | None) -> str | None:
    return None if value is None else str(value).lower()
