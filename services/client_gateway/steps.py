"""One order as each of the services on its way is asked about it."""

from dataclasses import dataclass

from services.client_gateway.order_terms import Wanted
from shared.contracts.codes import Side
from shared.contracts.money import CASH, Money, cost_per_share
from shared.contracts.orders import NewOrder
from shared.contracts.risk import RiskCheck
from shared.contracts.wallet import HoldRequest
from shared.faults import DROPPED_CONTEXT


@dataclass(frozen=True, slots=True)
class Steps:
    """One order, as each of the services on its way is asked about it."""

    hold: HoldRequest
    check: RiskCheck
    order: NewOrder


def steps(wanted: Wanted, order_id: int, user_id: int, price: Money, traceparent: str, position: int = 0) -> Steps:
    """The questions of an order's way. ``price`` is its limit, or the protection price of a market order."""
    buys = wanted.side is Side.BUY
    symbol = wanted.instrument.symbol
    return Steps(
        HoldRequest(
            order_id=order_id,
            user_id=user_id,
            asset=CASH if buys else symbol,
            unit_amount=cost_per_share(price, wanted.options.fee_ppm) if buys else 1,
            quantity=wanted.quantity,
            position=position,
            traceparent=traceparent,
        ),
        RiskCheck(
            order_id=order_id,
            user_id=user_id,
            symbol=symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            price=price,
            quantity=wanted.quantity,
            traceparent="" if DROPPED_CONTEXT.on else traceparent,
        ),
        NewOrder(
            order_id=order_id,
            user_id=user_id,
            client_order_id=wanted.client_order_id,
            symbol=symbol,
            side=wanted.side,
            order_type=wanted.order_type,
            time_in_force=wanted.time_in_force,
            price=price,
            quantity=wanted.quantity,
            options=wanted.options,
            traceparent=traceparent,
        ),
    )
