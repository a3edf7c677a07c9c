"""The saga of an amendment: hold what the order may cost more, judge it, let the engine change the order.

What it adds is held under an id of its own. The engine's event turns that into part of the order's hold; where the
engine refuses, or never hears of it, it is given back, and the order is what it was.
"""

import asyncio

from services.client_gateway.fields import price_from, quantity_from
from services.client_gateway.placement import Placement, first_failure
from services.client_gateway.requests import AmendRequest
from shared.batching import Clients
from shared.contracts import engine, orders, risk, wallet
from shared.contracts.codes import OrderType, Side
from shared.contracts.engine import Instrument
from shared.contracts.money import CASH, Money, Shares, cost_per_share
from shared.contracts.operations import Answer, Done, Refused
from shared.errors import Problem, Unavailable
from shared.tracing import current_traceparent


def new_terms(request: AmendRequest, order: orders.Order, instruments: dict[str, Instrument]) -> tuple[Money, Shares]:
    """The price and the quantity in all that an order is to have. Raises Problem where it can't have them."""
    if order.status in orders.FINAL:
        raise Problem(409, "order_not_open", f"The order is {order.status} already.")
    if request.quantity is None and request.price is None:
        raise Problem(422, "nothing_to_amend", "Name a new quantity, a new price, or both.")
    instrument = instruments[order.symbol]
    price, quantity = order.price, order.quantity
    if request.price is not None:
        if order.order_type not in (OrderType.LIMIT, OrderType.STOP_LIMIT):
            raise Problem(422, "price_not_allowed", "Only an order with a limit price can get another one.")
        price = price_from("price", request.price, instrument)
    if request.quantity is not None:
        quantity = quantity_from("quantity", request.quantity, instrument)
        gone = order.filled_quantity + order.decremented_quantity
        if quantity <= gone:
            detail = f"quantity counts what is filled: it must be above {gone}. To end the order, cancel it."
            raise Problem(422, "invalid_quantity", detail)
    return price, quantity


class Amendment:
    """Takes amendments through the services, and cleans up behind those that do not make it."""

    def __init__(self, clients: Clients, placement: Placement) -> None:
        self._clients = clients
        self._placement = placement

    async def carry_out(
        self, order: orders.Order, price: Money, quantity: Shares, amend_id: int, position: int
    ) -> engine.Matched | Refused:
        """The amendment's way. Raises Unavailable when it is given up because a service does not answer."""
        traceparent = current_traceparent()
        hold = wallet.HoldRequest(
            order_id=amend_id,
            user_id=order.user_id,
            asset=CASH if order.side == Side.BUY else order.symbol,
            unit_amount=growth(order, price, quantity),
            quantity=1,
            position=position,
            traceparent=traceparent,
        )
        check = risk.RiskCheck(
            order_id=order.order_id,
            user_id=order.user_id,
            symbol=order.symbol,
            side=order.side,
            order_type=order.order_type,
            price=price,
            quantity=quantity,
            amended_from=order.quantity,
            traceparent=traceparent,
        )
        held, passed = await asyncio.gather(
            self._hold(hold), self._clients.call(risk.VALIDATE_AMEND, check), return_exceptions=True
        )
        if (failure := first_failure(held, passed)) is not None:
            await self._release(hold)
            if isinstance(failure, BaseException):
                raise failure
            return failure
        item = engine.AmendOrder(
            amend_id=amend_id,
            order_id=order.order_id,
            user_id=order.user_id,
            symbol=order.symbol,
            old_price=order.price,
            old_quantity=order.quantity,
            price=price,
            quantity=quantity,
            fee_ppm=order.options.fee_ppm,
            traceparent=traceparent,
        )
        return await self._amend(item, hold)

    async def _hold(self, hold: wallet.HoldRequest) -> Answer:
        """Most amendments to less need nothing held."""
        return await self._clients.call(wallet.AMEND_HOLD, hold) if hold.unit_amount else Done()

    async def _amend(self, item: engine.AmendOrder, hold: wallet.HoldRequest) -> engine.Matched | Refused:
        try:
            amended = await self._clients.call(engine.AMEND_ORDER, item)
        except Unavailable as error:
            if error.sent and await self._was_carried_out(item, hold):
                # The engine knows what it answered, and gives the same answer again.
                return await self._clients.call(engine.AMEND_ORDER, item)
            if not error.sent:
                await self._release(hold)
            raise
        if isinstance(amended, Refused):
            await self._release(hold)
        return amended

    async def _was_carried_out(self, item: engine.AmendOrder, hold: wallet.HoldRequest) -> bool:
        """After silence from the engine. Where it has not carried it out, it never will, and nothing is held for it."""
        try:
            voided = await self._clients.call(
                engine.VOID_ORDER, engine.VoidOrder(order_id=item.amend_id, symbol=item.symbol)
            )
        except Unavailable as silence:
            detail = (
                f"The matching engine stopped answering while order {item.order_id} was being amended. Once it is "
                f"back this is finished or undone by itself: ask GET /v1/order/{item.order_id}."
            )
            raise Problem(503, "amendment_unsettled", detail, headers={"Retry-After": "5"}) from silence
        if isinstance(voided, engine.Voided) and voided.known:
            return True
        await self._release(hold, voided.position if isinstance(voided, engine.Voided) else 0)
        return False

    async def _release(self, hold: wallet.HoldRequest, position: int = 0) -> None:
        if hold.unit_amount:
            await self._placement.release(hold.order_id, hold.user_id, current_traceparent(), position)


def growth(order: orders.Order, price: Money, quantity: Shares) -> int:
    """What an order can cost more under new terms, in units of what it holds, however much of it trades meanwhile.

    The order may be filled further before the engine amends it. So what each open share costs more is reckoned for all
    that are open now, and what is added is reckoned at the new price without counting on what the others cost less.
    """
    added = max(0, quantity - order.quantity)
    if order.side == Side.SELL:
        return added
    still_open = order.quantity - order.filled_quantity - order.decremented_quantity
    fee_ppm = order.options.fee_ppm
    cost, cost_before = cost_per_share(price, fee_ppm), cost_per_share(order.price, fee_ppm)
    return max(0, cost - cost_before) * still_open + cost * added
