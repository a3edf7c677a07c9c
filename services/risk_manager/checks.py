"""The operations: judge orders, take reservations back, tell which ones nobody has confirmed."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import Span

from services.risk_manager.limits import check_alone, checks_made, refusal, unknown_symbol
from services.risk_manager.reference import Reference
from services.risk_manager.state import RiskState
from shared.contracts.codes import OrderType
from shared.contracts.operations import Done, Refused
from shared.contracts.risk import RiskCheck, RiskPassed
from shared.contracts.wallet import OrderIds, ReleaseRequest, UnconfirmedSince


class Checks:
    """What the gateway asks the risk-manager."""

    def __init__(self, state: RiskState, reference: Reference) -> None:
        self._state = state
        self._reference = reference

    async def validate(self, orders: Sequence[RiskCheck], spans: Sequence[Span]) -> list[RiskPassed | Refused]:
        """Judges orders in the sequence of their arrival; those that pass count against their accounts at once.

        An order that passed before passes again and counts once. Refused orders count for nothing, the rate included.
        An amendment is judged by what it adds, and counts against the rate; the order counts for more once the engine
        says that it was amended.
        """
        await self._reference.ready()
        await self._reference.look_up({order.symbol for order in orders})
        answers: list[RiskPassed | Refused | None] = [self._check_alone(order) for order in orders]
        left = [index for index, answer in enumerate(answers) if answer is None]
        if left:
            packed = [self._packed(orders[index]) for index in left]
            verdicts = await self._state.check([spans[index] for index in left], packed)
            for number, index in enumerate(left):
                verdict, limit, value = verdicts[number * 3 : number * 3 + 3]
                order = orders[index]
                answers[index] = (
                    refusal(verdict, limit, value)
                    if verdict
                    else RiskPassed(order_id=order.order_id, checks=checks_made(order))
                )
        return [answer for answer in answers if answer is not None]

    async def release(self, items: Sequence[ReleaseRequest], spans: Sequence[Span]) -> list[Done]:
        """Takes reservations back; an order whose reservation comes only later is refused then."""
        await self._state.release(spans, [item.order_id for item in items])
        return [Done() for _ in items]

    async def open_reservations(self, items: Sequence[UnconfirmedSince], _spans: Sequence[Span]) -> list[OrderIds]:
        """Reservations without an event yet, made in each window. The gateway's sweeper asks, one window at a time."""
        answers = []
        for item in items:
            order_ids, user_ids = await self._state.waiting(item.from_us, item.until_us)
            answers.append(OrderIds(order_ids=tuple(order_ids), user_ids=tuple(user_ids)))
        return answers

    def _check_alone(self, order: RiskCheck) -> Refused | None:
        if order.symbol not in self._reference.reference_prices:
            return unknown_symbol(order.symbol)
        return check_alone(order, self._reference.limits_of(order.user_id))

    def _packed(self, order: RiskCheck) -> tuple[Any, ...]:
        """For ``lua/check.lua``, with what it must know and can't look up. Ids as text, see ``effects``."""
        limits = self._reference.limits_of(order.user_id)
        return (
            str(order.order_id),
            str(order.user_id),
            order.symbol,
            order.side,
            order.order_type == OrderType.LIMIT,
            order.price,
            order.quantity,
            order.price * order.quantity,
            self._reference.reference_prices[order.symbol],
            (
                limits.position,
                limits.daily_value,
                limits.price_collar_percent,
                limits.open_orders,
                limits.orders_per_second,
            ),
            order.amended_from,
        )
