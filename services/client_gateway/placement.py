"""The saga of an order: each step has its undo, and every step may be repeated.

``check_balance`` and ``validate_order`` run side by side, then the order goes on disk, then to the engine. When a step
refuses, what was done before is undone. When a step does not answer, nobody knows whether it was done: the engine is
asked to bar the order, which it does unless it has it. What can't be cleared up here is left to the sweeper.
"""

import asyncio
from dataclasses import dataclass

import structlog

from services.client_gateway.steps import Steps
from shared.batching import Clients, outcome
from shared.contracts import engine, orders, risk, wallet
from shared.contracts.money import amount_text
from shared.contracts.operations import Answer, Refused
from shared.errors import Problem, Unavailable
from shared.tracing import current_span, current_traceparent

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Placed:
    """How it ended: refused, matched, or ``known`` (this ``client_order_id`` was used before)."""

    refused: Refused | None = None
    matched: engine.Matched | None = None
    known: orders.Order | None = None


class Placement:
    """Takes orders through the services, and cleans up behind those that do not make it."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self.in_flight = 0
        self.unreleased: dict[int, tuple[int, int]] = {}
        """What is dead (id -> user, position) but could not be given back yet. The sweeper tries on."""

    async def place(self, steps: Steps) -> Placed:
        """The order's way. Raises Unavailable when it is given up because a service does not answer."""
        self.in_flight += 1
        try:
            return await self._place(steps)
        finally:
            self.in_flight -= 1

    async def _place(self, steps: Steps) -> Placed:
        call = self._clients.call
        holding, checking = call(wallet.CHECK_BALANCE, steps.hold), call(risk.VALIDATE_ORDER, steps.check)
        held, passed = await outcome(holding), await outcome(checking)
        if (failure := first_failure(held, passed)) is not None:
            await self._release(steps)
            return await self._refuse(steps, failure)
        _tell(steps.hold, passed)
        try:
            created = await call(orders.CREATE_ORDER, steps.order)
        except Unavailable:
            await self._give_up(steps, "order-manager did not answer")
            raise
        if isinstance(created, Refused):
            await self._release(steps)
            return Placed(refused=created)
        if created.order_id != steps.order.order_id:
            await self._release(steps)
            return Placed(known=created)
        return await self._match(steps)

    async def _match(self, steps: Steps) -> Placed:
        try:
            matched = await self._clients.call(engine.MATCH_ORDER, steps.order)
        except Unavailable as error:
            if not error.sent:
                await self._give_up(steps, "matching-engine is down")
                raise
            try:
                known = await self._clear_up(steps)
            except Unavailable as silence:
                raise _unsettled(steps.order.order_id) from silence
            if known is None:
                raise
            return Placed(known=known)
        if isinstance(matched, Refused):
            await self._give_up(steps, matched.code)
            return Placed(refused=matched)
        return Placed(matched=matched)

    async def _refuse(self, steps: Steps, failure: Refused | BaseException) -> Placed:
        """A refusal, unless the same order was accepted before: then it is that one's hold that is in the way."""
        if isinstance(failure, BaseException):
            raise failure
        if steps.order.client_order_id:
            earlier = await self._clients.call(
                orders.GET_ORDER,
                orders.OrderRef(
                    user_id=steps.order.user_id,
                    client_order_id=steps.order.client_order_id,
                    traceparent=current_traceparent(),
                ),
            )
            if isinstance(earlier, orders.Order):
                return Placed(known=earlier)
        return Placed(refused=failure)

    async def _clear_up(self, steps: Steps) -> orders.Order | None:
        """After silence from the engine: the order if it got there after all, None if it now never will.

        Raises Unavailable when the engine does not answer this either; then the sweeper settles it later.
        """
        order = steps.order
        voided = await self._clients.call(
            engine.VOID_ORDER, engine.VoidOrder(order_id=order.order_id, symbol=order.symbol)
        )
        if isinstance(voided, Refused):
            return None
        if not voided.known:
            await self._give_up(steps, "matching-engine did not answer", voided.position)
            return None
        found = await self._clients.call(
            orders.GET_ORDER,
            orders.OrderRef(
                user_id=order.user_id,
                order_id=order.order_id,
                position=voided.position,
                traceparent=current_traceparent(),
            ),
        )
        return found if isinstance(found, orders.Order) else None

    async def _give_up(self, steps: Steps, reason: str, position: int = 0) -> None:
        """Writes an order off that is not in the engine, and gives its money back."""
        failure = orders.OrderFailure(
            order_id=steps.order.order_id,
            user_id=steps.order.user_id,
            reason=reason,
            position=position,
            traceparent=current_traceparent(),
        )
        try:
            verdict = await self._clients.call(orders.FAIL_ORDER, failure)
        except Unavailable as error:
            log.warning("order is left to the sweeper", order_id=steps.order.order_id, error=str(error))
            return
        if isinstance(verdict, orders.Verdict) and verdict.dead:
            await self._release(steps)

    async def _release(self, steps: Steps) -> None:
        await self.release(steps.order.order_id, steps.order.user_id, current_traceparent())

    async def release(self, order_id: int, user_id: int, traceparent: str = "", position: int = 0) -> None:
        """Gives back the hold and the reservation of an order that is dead; remembers it where that does not work.

        ``position``: the engine event before which nobody can be sure that it is.
        """
        item = wallet.ReleaseRequest(order_id=order_id, user_id=user_id, traceparent=traceparent, position=position)
        self.unreleased[order_id] = (user_id, position)
        answers = await asyncio.gather(
            self._clients.call(wallet.RELEASE_HOLD, item),
            self._clients.call(risk.RELEASE_RISK, item),
            return_exceptions=True,
        )
        if not any(isinstance(answer, BaseException) for answer in answers):
            del self.unreleased[order_id]


def first_failure(*answers: Answer | BaseException) -> Refused | BaseException | None:
    """What went wrong first: a refusal tells the client more than a failure beside it."""
    for kind in (Refused, BaseException):
        for answer in answers:
            if isinstance(answer, kind):
                return answer
    return None


def _tell(hold: wallet.HoldRequest, passed: Answer | BaseException) -> None:
    """Notes in the order's span what was held for it and how many limits it passed: the figures of its story."""
    told: dict[str, str | int] = {
        "hold.asset": hold.asset,
        "hold.amount": amount_text(hold.asset, hold.unit_amount * hold.quantity),
    }
    if isinstance(passed, risk.RiskPassed):
        told["risk.checks"] = passed.checks
    current_span().set_attributes(told)


def _unsettled(order_id: int) -> Problem:
    """What a client is told whose order may or may not have reached an engine that is silent now."""
    detail = (
        f"The matching engine stopped answering while order {order_id} was on its way. Once it is back the order is "
        f"finished or undone by itself: ask GET /v1/order/{order_id}."
    )
    return Problem(503, "order_unsettled", detail, headers={"Retry-After": "5"})
