"""Turns what the books report into what everybody outside is told."""

from collections.abc import Container, Sequence

import msgspec

from services.matching_engine import kernel_codes as codes
from services.matching_engine.commands import Amend
from services.matching_engine.kernel_report import Report
from services.matching_engine.resting import Resting, RestingOrders
from services.matching_engine.trade_ids import TradeIds
from shared.contracts import events
from shared.contracts.codes import AmendEffect, DoneReason
from shared.contracts.engine import Matched
from shared.contracts.events import Closed, Decremented, EngineEvent, Trade, Triggered
from shared.contracts.money import Money, Shares
from shared.contracts.orders import Fill, OrderStatus

EXCHANGES = (codes.TRADE, codes.DECREMENTED)
"""Reports of two orders that met."""


class Teller:
    """Turns reports of the books into reports of events. It numbers the trades and knows each symbol's last price."""

    def __init__(self, resting: RestingOrders, trade_ids: TradeIds, last_prices: dict[str, Money]) -> None:
        self.resting = resting
        self.trade_ids = trade_ids
        self.last_prices = last_prices
        self.sessions: dict[str, int] = {}
        """Of the symbols whose session has changed yet."""

    def tell(
        self, reports: Sequence[Report], symbol: str, time_us: int, newcomer: Resting, expired: Container[int] = ()
    ) -> tuple[events.Report, ...]:
        """What a command brought about. ``newcomer`` is what is kept of its order, should that come to rest.

        ``expired`` are orders that were cancelled because their day is over.
        """
        told: list[events.Report] = []
        for report in reports:
            if report.kind == codes.TRADE:
                told.append(self._trade(report, symbol, time_us))
            elif report.kind == codes.DONE:
                self.resting.orders.pop(report.order_id, None)
                told.append(_closed(report, report.order_id in expired))
            elif report.kind == codes.ACCEPTED:
                self.resting.add(report.order_id, newcomer)
                told.append(_accepted(report))
            elif report.kind == codes.SESSION_CHANGED:
                told.append(self._session(report, symbol))
            elif report.kind == codes.WAITING:
                self.resting.add(report.order_id, msgspec.structs.replace(newcomer, waiting=True))
                told.append(_waiting(report))
            elif report.kind == codes.TRIGGERED:
                told.append(self._triggered(report))
            elif report.kind == codes.AMENDED and report.reason == AmendEffect.LOST_PLACE:
                told.append(_accepted(report))
            elif report.kind == codes.RELOADED:
                told.append(_reloaded(report))
            elif report.kind == codes.DECREMENTED:
                told.append(_decremented(report))
        return tuple(told)

    def forget(self, symbol: str) -> None:
        """A symbol begins anew."""
        self.last_prices.pop(symbol, None)
        self.sessions.pop(symbol, None)

    def _session(self, report: Report, symbol: str) -> events.SessionChanged:
        self.sessions[symbol] = report.reason
        return events.SessionChanged(
            session=report.reason,
            price=report.price,
            volume=report.quantity,
            imbalance=report.remaining,
            side=report.side,
        )

    def _triggered(self, report: Report) -> events.Triggered:
        order = self.resting.orders[report.order_id]
        self.resting.orders[report.order_id] = msgspec.structs.replace(order, waiting=False)
        return events.Triggered(
            order_id=report.order_id,
            user_id=report.account_id,
            side=report.side,
            quantity=report.remaining,
            order_traceparent=order.traceparent,
        )

    def _trade(self, report: Report, symbol: str, time_us: int) -> events.Trade:
        self.last_prices[symbol] = report.price
        return events.Trade(
            trade_id=self.trade_ids.next(time_us),
            price=report.price,
            quantity=report.quantity,
            side=report.side,
            taker_order_id=report.order_id,
            taker_user_id=report.account_id,
            taker_open=report.remaining,
            maker_order_id=report.maker_order_id,
            maker_user_id=report.maker_account_id,
            maker_open=report.maker_remaining,
            maker_traceparent=self.resting.orders[report.maker_order_id].traceparent,
            taker_fee=report.fee,
            maker_fee=report.maker_fee,
        )


def amended(command: Amend, reports: Sequence[Report]) -> events.Amended | None:
    """What an amendment made of its order before anything traded. None where it only ended the order.

    The book reports what is left after trading; consumers must know the new terms before they settle those trades.
    """
    order_id = command.order_id
    last = next(r for r in reports if r.order_id == order_id and r.kind in (codes.AMENDED, codes.DONE))
    if last.kind == codes.DONE and last.reason == DoneReason.CANCELLED:
        return None
    lost = [r.quantity for r in reports if r.kind in EXCHANGES and r.order_id == order_id]
    kept_place = last.kind == codes.AMENDED and last.reason == AmendEffect.KEPT_PLACE
    return events.Amended(
        order_id=order_id,
        user_id=last.account_id,
        side=last.side,
        price=command.price,
        quantity=last.remaining + sum(lost),
        order_quantity=command.quantity,
        hidden=last.remaining - last.displayed if kept_place and last.displayed else 0,
        kept_place=kept_place,
        fee_ppm=command.fee_ppm,
    )


def _accepted(report: Report) -> events.Accepted:
    return events.Accepted(
        order_id=report.order_id,
        user_id=report.account_id,
        side=report.side,
        price=report.price,
        quantity=report.remaining,
        hidden=report.remaining - report.displayed,
    )


def _waiting(report: Report) -> events.Waiting:
    return events.Waiting(
        order_id=report.order_id,
        user_id=report.account_id,
        side=report.side,
        price=report.price,
        quantity=report.remaining,
    )


def _reloaded(report: Report) -> events.Reloaded:
    return events.Reloaded(
        order_id=report.order_id,
        user_id=report.account_id,
        side=report.side,
        price=report.price,
        quantity=report.remaining,
        hidden=report.remaining - report.displayed,
    )


def _decremented(report: Report) -> events.Decremented:
    return events.Decremented(
        user_id=report.account_id,
        quantity=report.quantity,
        side=report.side,
        taker_order_id=report.order_id,
        taker_open=report.remaining,
        maker_order_id=report.maker_order_id,
        maker_open=report.maker_remaining,
    )


def _closed(report: Report, expired: bool) -> events.Closed:
    reason = DoneReason.EXPIRED if expired else DoneReason(report.reason)
    filled = reason == DoneReason.FILLED
    return events.Closed(
        order_id=report.order_id,
        user_id=report.account_id,
        side=report.side,
        status=OrderStatus.FILLED if filled else OrderStatus.CANCELLED,
        reason="" if filled else reason.name.lower(),
        quantity=report.remaining,
    )


def matched(order_id: int, quantity: Shares, event: EngineEvent) -> Matched:
    """What became of the order that ``event`` is about, which had ``quantity`` open before."""
    fills: list[Fill] = []
    filled = lost = 0
    triggered, end = False, None
    for report in event.reports:
        if isinstance(report, Trade) and order_id in (report.taker_order_id, report.maker_order_id):
            fee = report.taker_fee if report.taker_order_id == order_id else report.maker_fee
            fill = Fill(
                trade_id=report.trade_id,
                price=report.price,
                quantity=report.quantity,
                time_us=event.time_us,
                fee=fee,
            )
            fills.append(fill)
            filled += report.quantity
        elif isinstance(report, Closed) and report.order_id == order_id:
            end = report
        elif isinstance(report, Decremented) and order_id in (report.taker_order_id, report.maker_order_id):
            lost += report.quantity
        elif isinstance(report, Triggered) and report.order_id == order_id:
            triggered = True
    status = OrderStatus.PARTIALLY_FILLED if fills else OrderStatus.OPEN
    return Matched(
        order_id=order_id,
        position=event.seq,
        status=OrderStatus(end.status) if end is not None else status,
        filled_quantity=filled,
        open_quantity=0 if end is not None else quantity - filled - lost,
        reason=end.reason if end is not None else "",
        fills=tuple(fills),
        decremented_quantity=lost,
        triggered=triggered,
    )
