"""Finishes or undoes what a gateway left half-way, whichever gateway it was.

Three things can be left after a crash: a hold or a risk reservation without an order, and an order that the engine has
not answered for. None of them costs a write on the ordinary way; they are found by looking at what is older than any
order can be on its way.
"""

import asyncio
import time
from collections.abc import Sequence

import msgspec
import structlog

from services.client_gateway.placement import Placement
from shared.batching import Clients
from shared.contracts import engine, orders, risk, wallet
from shared.contracts.operations import Operation, Refused
from shared.errors import Unavailable

log = structlog.get_logger()


class Sweeper:
    """Sweeps every ``every_s`` what is older than ``after_s``."""

    def __init__(self, clients: Clients, placement: Placement, every_s: float, after_s: float) -> None:
        self._clients = clients
        self._placement = placement
        self._every_s = every_s
        self._after_us = int(after_s * 1_000_000)
        # From the beginning of time, once: what an earlier gateway left may be of any age.
        self._swept_until_us = 0

    async def run(self) -> None:
        """Sweeps for ever. A sweep that fails is done again, whole."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.sweep()
            except Unavailable as error:
                log.info("sweep is put off", error=str(error))
            except Exception:
                log.exception("sweep failed")

    async def sweep(self) -> None:
        """One round. Raises Unavailable when a service does not answer."""
        until_us = time.time_ns() // 1000 - self._after_us
        for order_id, (user_id, position) in list(self._placement.unreleased.items()):
            await self._placement.release(order_id, user_id, position=position)
        await self._settle_pending(until_us)
        window = wallet.UnconfirmedSince(from_us=self._swept_until_us, until_us=until_us)
        await self._release_orphans(wallet.OPEN_HOLDS, window)
        await self._release_orphans(risk.OPEN_RESERVATIONS, window)
        self._swept_until_us = until_us

    async def _release_orphans(
        self, operation: Operation[wallet.UnconfirmedSince, wallet.OrderIds], window: wallet.UnconfirmedSince
    ) -> None:
        found = await self._clients.call(operation, window)
        if isinstance(found, Refused):
            return
        failures = [
            orders.OrderFailure(order_id=order_id, user_id=user_id, reason="abandoned")
            for order_id, user_id in zip(found.order_ids, found.user_ids, strict=True)
        ]
        verdicts = await asyncio.gather(*(self._clients.call(orders.BURY_UNKNOWN, item) for item in failures))
        await self._release_dead(await self._void_dead(failures, verdicts), verdicts)

    async def _void_dead(
        self, failures: Sequence[orders.OrderFailure], verdicts: Sequence[orders.Verdict | Refused]
    ) -> list[orders.OrderFailure]:
        """What is no order may be an amendment that the engine has carried out: its hold is free only after that."""
        settled = []
        for failure, verdict in zip(failures, verdicts, strict=True):
            if isinstance(verdict, orders.Verdict) and verdict.dead:
                voided = await self._clients.call(engine.VOID_ORDER, engine.VoidOrder(order_id=failure.order_id))
                if isinstance(voided, engine.Voided):
                    failure = msgspec.structs.replace(failure, position=voided.position)
            settled.append(failure)
        return settled

    async def _settle_pending(self, until_us: int) -> None:
        """Orders on disk that the engine has not answered for: it has them, or it never will."""
        pending = await self._clients.call(orders.PENDING_ORDERS, orders.PendingBefore(until_us=until_us))
        if isinstance(pending, Refused) or not pending.order_ids:
            return
        voided = await asyncio.gather(
            *(self._clients.call(engine.VOID_ORDER, engine.VoidOrder(order_id=i)) for i in pending.order_ids)
        )
        failures = [
            orders.OrderFailure(
                order_id=order_id, user_id=user_id, reason="abandoned on its way", position=answer.position
            )
            for order_id, user_id, answer in zip(pending.order_ids, pending.user_ids, voided, strict=True)
            if isinstance(answer, engine.Voided) and not answer.known
        ]
        verdicts = await asyncio.gather(*(self._clients.call(orders.FAIL_ORDER, item) for item in failures))
        await self._release_dead(failures, verdicts)

    async def _release_dead(
        self, failures: Sequence[orders.OrderFailure], verdicts: Sequence[orders.Verdict | Refused]
    ) -> None:
        dead = [f for f, v in zip(failures, verdicts, strict=True) if isinstance(v, orders.Verdict) and v.dead]
        for failure in dead:
            await self._placement.release(failure.order_id, failure.user_id, position=failure.position)
        if dead:
            log.info("orders were left half-way and are undone", count=len(dead))
