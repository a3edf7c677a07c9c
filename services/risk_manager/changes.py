"""Limits of single accounts, as administrators set them: in force at once, and recorded with who and when."""

import time
from collections.abc import Sequence

from opentelemetry.trace import Span

from services.risk_manager import store
from services.risk_manager.limits import LIMIT_NAMES, limit_fault
from services.risk_manager.reference import Reference
from shared.contracts.operations import Refused
from shared.contracts.risk import AccountLimits, LimitsChange, LimitsOf
from shared.postgres import Database


class LimitChanges:
    """What the gateway asks for administrators."""

    def __init__(self, database: Database, reference: Reference) -> None:
        self._database = database
        self._reference = reference

    async def change(self, items: Sequence[LimitsChange], spans: Sequence[Span]) -> list[AccountLimits | Refused]:
        """Sets limits, all of an item or, where one is refused, none. The next order is judged by them."""
        faults = [limit_fault(item.limits) for item in items]
        now_us = time.time_ns() // 1000
        async with self._database.transaction() as connection:
            for item, fault, span in zip(items, faults, spans, strict=True):
                if fault is None:
                    trace_id = f"{span.get_span_context().trace_id:032x}"
                    await store.change_limits(connection, item, now_us, trace_id)
        await self._reference.refresh_limits()
        return [fault or self._limits_of(item.account_id) for item, fault in zip(items, faults, strict=True)]

    async def limits(self, items: Sequence[LimitsOf], _spans: Sequence[Span]) -> list[AccountLimits]:
        """The limits that are in force for each account."""
        return [self._limits_of(item.account_id) for item in items]

    def _limits_of(self, account_id: int) -> AccountLimits:
        limits = self._reference.limits_of(account_id)
        return AccountLimits(account_id=account_id, limits={name: getattr(limits, name) for name in LIMIT_NAMES})
