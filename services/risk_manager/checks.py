"""The operations: judge orders, take reservations back, tell which ones nobody has confirmed."""

from collections.abc import Sequence
from typing import Any

from opentelemetry.trace import Span

from services.risk_manager.controls import Profile
from services.risk_manager.limits import checks_made, refusal, unknown_symbol
from services.risk_manager.reference import Reference
from services.risk_manager.state import RiskState
from shared.contracts.operations import RISK, Done, Refused
from shared.contracts.risk import RiskCheck, RiskPassed
from shared.contracts.wallet import OrderIds, ReleaseRequest, UnconfirmedSince
from shared.errors import Unavailable
from shared.faults import RISK_FAILURES

FAILING_CALL = 20
"""Under ``RISK_FAILURES`` one call in this many fails."""


class Checks:
    """What the gateway asks the risk-manager."""

    def __init__(self, state: RiskState, reference: Reference) -> None:
        self._state = state
        self._reference = reference
        self._calls = 0

    async def validate(self, orders: Sequence[RiskCheck], spans: Sequence[Span]) -> list[RiskPassed | Refused]:
        """Judges orders in the sequence of their arrival; those that pass count against their accounts at once.

        An order that passed before passes again and counts once. Refused orders count for nothing, the rate included.
        An amendment is judged by what it adds, and counts against the rate; the order counts for more once the engine
        says that it was amended.
        """
        if RISK_FAILURES.on:
            self._calls += 1
            if self._calls % FAILING_CALL == 0:
                raise Unavailable(RISK, "one call in twenty fails")
        await self._reference.ready()
        await self._reference.look_up({order.symbol for order in orders})
        profiles = [self._reference.controls.profile(order.user_id) for order in orders]
        answers: list[RiskPassed | Refused | None] = [
            self._fault(order, profile) for order, profile in zip(orders, profiles, strict=True)
        ]
        left = [index for index, answer in enumerate(answers) if answer is None]
        if left:
            packed = [_packed(orders[index]) for index in left]
            of_users = {str(orders[index].user_id): _profile(profiles[index]) for index in left}
            prices = self._reference.reference_prices
            verdicts = await self._state.check([spans[index] for index in left], packed, of_users, prices)
            for number, index in enumerate(left):
                verdict, limit, value = verdicts[number * 3 : number * 3 + 3]
                order, profile = orders[index], profiles[index]
                answers[index] = (
                    refusal(verdict, limit, value)
                    if verdict
                    else RiskPassed(
                        order_id=order.order_id, checks=checks_made(order, profile.limits, profile.firm_limits)
                    )
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

    def _fault(self, order: RiskCheck, profile: Profile) -> Refused | None:
        if order.symbol not in self._reference.reference_prices:
            return unknown_symbol(order.symbol)
        return profile.fault(order)


def _packed(order: RiskCheck) -> tuple[Any, ...]:
    """For ``lua/check.lua``. Ids as text, see ``effects``."""
    return (
        str(order.order_id),
        str(order.user_id),
        order.symbol,
        order.side,
        order.order_type,
        order.price,
        order.quantity,
        order.price * order.quantity,
        order.amended_from,
    )


def _profile(profile: Profile) -> tuple[Any, ...]:
    """What ``lua/check.lua`` must know of a user and can't look up."""
    return profile.packed, str(profile.firm_id), profile.firm_packed
