"""What the engine keeps of the orders in its books beside what the books know: their owner, their trace, their end.

It is also where the books' reports become the reports that everybody outside is told.
"""

import heapq
from collections.abc import Container, Iterable

import msgspec

from services.matching_engine.kernel_report import Report
from shared.contracts import events
from shared.contracts.codes import DoneReason, ReportKind
from shared.contracts.money import Money
from shared.contracts.orders import OrderStatus


class Resting(msgspec.Struct, frozen=True, array_like=True):
    """An order in a book. ``expires_at_s``: when its time is over, 0 for never."""

    user_id: int
    traceparent: str
    symbol: str = ""
    expires_at_s: int = 0


class RestingOrders:
    """All orders that are in a book, and which of them end when."""

    def __init__(self, orders: dict[int, Resting] | None = None) -> None:
        self.orders = orders if orders is not None else {}
        self._ends: dict[str, list[tuple[int, int]]] = {}
        for order_id, order in self.orders.items():
            self._note_end(order_id, order)

    def add(self, order_id: int, order: Resting) -> None:
        """An order came to rest. One that is known keeps what is known of it."""
        if order_id not in self.orders:
            self.orders[order_id] = order
            self._note_end(order_id, order)

    def due(self, now_s: int) -> list[str]:
        """The symbols with an order whose time is over."""
        return [symbol for symbol in sorted(self._ends) if self._first_end(symbol) <= now_s]

    def take_due(self, symbol: str, now_s: int) -> list[int]:
        """The orders of a symbol whose time is over, the earliest first. They are not told of again."""
        taken = []
        while self._first_end(symbol) <= now_s:
            taken.append(heapq.heappop(self._ends[symbol])[1])
        return taken

    def _note_end(self, order_id: int, order: Resting) -> None:
        if order.expires_at_s:
            heapq.heappush(self._ends.setdefault(order.symbol, []), (order.expires_at_s, order_id))

    def _first_end(self, symbol: str) -> float:
        """When the next order of a symbol ends. Those that ended otherwise are forgotten on the way."""
        ends = self._ends.get(symbol, [])
        while ends and ends[0][1] not in self.orders:
            heapq.heappop(ends)
        return ends[0][0] if ends else float("inf")


class Teller:
    """Turns reports of the books into reports of events. It numbers the trades and knows each symbol's last price."""

    def __init__(self, resting: RestingOrders, trade_id: int, last_prices: dict[str, Money]) -> None:
        self.resting = resting
        self.trade_id = trade_id
        self.last_prices = last_prices

    def tell(
        self, reports: Iterable[Report], symbol: str, newcomer: Resting, expired: Container[int] = ()
    ) -> tuple[events.Report, ...]:
        """What a command brought about. ``newcomer`` is what is kept of its order, should that come to rest.

        ``expired`` are orders that were cancelled because their day is over.
        """
        told: list[events.Report] = []
        for report in reports:
            if report.kind == ReportKind.TRADE:
                told.append(self._trade(report, symbol))
            elif report.kind == ReportKind.ACCEPTED:
                self.resting.add(report.order_id, newcomer)
                told.append(_accepted(report))
            elif report.kind == ReportKind.RELOADED:
                told.append(_reloaded(report))
            elif report.kind == ReportKind.DECREMENTED:
                told.append(_decremented(report))
            elif report.kind == ReportKind.DONE:
                self.resting.orders.pop(report.order_id, None)
                told.append(_closed(report, report.order_id in expired))
        return tuple(told)

    def _trade(self, report: Report, symbol: str) -> events.Trade:
        self.trade_id += 1
        self.last_prices[symbol] = report.price
        return events.Trade(
            trade_id=self.trade_id,
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
