"""The saga of an order: each step has its undo, and every step may be repeated.

``check_balance`` and ``validate_order`` run side by side, then the order goes on disk, then to the engine. When a step
refuses, what was done before is undone. When a step does not answer, nobody knows whether it was done: the engine is
asked to bar the order, which it does unless it has it. What can't be cleared up here is left to the sweeper.

Orders that come together go together, one call for all at each step. One that falls out is cleared up by itself.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from opentelemetry import trace

from services.client_gateway.steps import Steps
from shared.batching import Clients, outcome
from shared.contracts import engine, orders, risk, wallet
from shared.contracts.money import amount_text
from shared.contracts.operations import Answer, Refused
from shared.errors import Problem, Unavailable
from shared.tracing import current_span, current_traceparent

log = structlog.get_logger()

T = TypeVar("T")


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

    async def place_many(self, ways: Sequence[Steps], spans: Sequence[trace.Span]) -> list[Placed | Exception]:
        """The same way for orders that came together, each with its open span. What ``place`` raises is an answer."""
        self.in_flight += len(ways)
        try:
            return await self._place_many(ways, spans)
        finally:
            self.in_flight -= len(ways)

    async def _place(self, steps: Steps) -> Placed:
        call = self._clients.call
        holding, checking = call(wallet.CHECK_BALANCE, steps.hold), call(risk.VALIDATE_ORDER, steps.check)
        held, passed = await outcome(holding), await outcome(checking)
        if (failure := first_failure(held, passed)) is not None:
            return await self._undo(steps, failure)
        _tell(current_span(), steps.hold, passed)
        created = await outcome(call(orders.CREATE_ORDER, steps.order))
        if not _is_new(created):
            return await self._not_created(steps, created)
        matched = await outcome(call(engine.MATCH_ORDER, steps.order))
        return (
            Placed(matched=matched) if isinstance(matched, engine.Matched) else await self._not_matched(steps, matched)
        )

    async def _place_many(self, ways: Sequence[Steps], spans: Sequence[trace.Span]) -> list[Placed | Exception]:
        call_many = self._clients.call_many
        holding = call_many(wallet.CHECK_BALANCE, [way.hold for way in ways])
        checking = call_many(risk.VALIDATE_ORDER, [way.check for way in ways])
        fallen: dict[int, asyncio.Task[Placed]] = {}

        def fall(number: int, rest: Coroutine[Any, Any, Placed]) -> None:
            fallen[number] = asyncio.create_task(within(spans[number], rest))

        on: list[int] = []
        for number, (held, passed) in enumerate(zip(await holding, await checking, strict=True)):
            if (failure := first_failure(held, passed)) is not None:
                fall(number, self._undo(ways[number], failure))
            else:
                _tell(spans[number], ways[number].hold, passed)
                on.append(number)
        created_all = await call_many(orders.CREATE_ORDER, [ways[number].order for number in on])
        off, on = on, []
        for number, created in zip(off, created_all, strict=True):
            if _is_new(created):
                on.append(number)
            else:
                fall(number, self._not_created(ways[number], created))
        placed: dict[int, Placed | Exception] = {}
        matched_all = await call_many(engine.MATCH_ORDER, [ways[number].order for number in on])
        for number, matched in zip(on, matched_all, strict=True):
            if isinstance(matched, engine.Matched):
                placed[number] = Placed(matched=matched)
            else:
                fall(number, self._not_matched(ways[number], matched))
        for number, rest in fallen.items():
            placed[number] = await ending(rest)
        return [placed[number] for number in range(len(ways))]

    async def _undo(self, steps: Steps, failure: Refused | BaseException) -> Placed:
        await self._release(steps)
        return await self._refuse(steps, failure)

    async def _not_created(self, steps: Steps, created: orders.Created | Refused | Exception) -> Placed:
        if isinstance(created, Exception):
            await self._give_up(steps, "order-manager did not answer")
            raise created
        await self._release(steps)
        return Placed(refused=created) if isinstance(created, Refused) else Placed(known=created.earlier)

    async def _not_matched(self, steps: Steps, failure: Refused | Exception) -> Placed:
        if isinstance(failure, Refused):
            await self._give_up(steps, failure.code)
            return Placed(refused=failure)
        if not isinstance(failure, Unavailable):
            raise failure
        if not failure.sent:
            await self._give_up(steps, "matching-engine is down")
            raise failure
        try:
            known = await self._clear_up(steps)
        except Unavailable as silence:
            raise _unsettled(steps.order.order_id) from silence
        if known is None:
            raise failure
        return Placed(known=known)

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


def _is_new(created: Answer | Exception) -> bool:
    """Whether the order is on disk now. Another one that is known under its ``client_order_id`` is not it."""
    return isinstance(created, orders.Created) and created.earlier is None


def first_failure(*answers: Answer | BaseException) -> Refused | BaseException | None:
    """What went wrong first: a refusal tells the client more than a failure beside it."""
    for kind in (Refused, BaseException):
        for answer in answers:
            if isinstance(answer, kind):
                return answer
    return None


async def within(span: trace.Span, work: Coroutine[Any, Any, T]) -> T:
    """Does something while an order's span is the current one."""
    with trace.use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False):
        return await work


async def ending(task: "asyncio.Task[T]") -> T | Exception:
    """How a task ended."""
    try:
        return await task
    except Exception as error:
        return error


def _tell(span: trace.Span, hold: wallet.HoldRequest, passed: Answer | BaseException) -> None:
    """Notes in the order's span what was held for it and how many limits it passed: the figures of its story."""
    told: dict[str, str | int] = {
        "hold.asset": hold.asset,
        "hold.amount": amount_text(hold.asset, hold.unit_amount * hold.quantity),
    }
    if isinstance(passed, risk.RiskPassed):
        told["risk.checks"] = passed.checks
    span.set_attributes(told)


def _unsettled(order_id: int) -> Problem:
    """What a client is told whose order may or may not have reached an engine that is silent now."""
    detail = (
        f"The matching engine stopped answering while order {order_id} was on its way. Once it is back the order is "
        f"finished or undone by itself: ask GET /v1/order/{order_id}."
    )
    return Problem(503, "order_unsettled", detail, headers={"Retry-After": "5"})
