"""What a session has told of an order, and the ExecutionReports that are still to be told. No I/O.

There are two sources: views (an order as the public API answers it) and own messages (what the WebSocket tells as it
happens). Each knows things that the other has told already. So an order remembers how far it was told; whatever comes,
only what is new makes a report. A trade has the same ExecID in every session.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from services.fix_gateway.names import TRACE_ID
from services.fix_gateway.requests import ORDER_TYPES, SIDES, TIMES_IN_FORCE, time_us, utc_timestamp
from services.fix_gateway.wire import Fields, Message, printable
from shared.errors import Problem

NEW, PARTIAL, FILLED, CANCELLED, REJECTED, EXPIRED = "0", "1", "2", "4", "8", "C"
"""OrdStatus. The same letters are ExecTypes, but for trades."""

TRADE, REPLACED, RESTATED, TRIGGERED, STATUS = "F", "5", "D", "L", "I"
"""ExecType."""

FINAL = {"FILLED": FILLED, "CANCELLED": CANCELLED, "REJECTED": REJECTED}
NONE = "NONE"
"""OrderID where there is no order."""

CODES = {
    40: {word: code for code, word in ORDER_TYPES.items()},
    54: {word: code for code, word in SIDES.items()},
    59: {word: code for code, word in TIMES_IN_FORCE.items()},
}

REJECT_REASONS = {
    "unknown_symbol": "1",
    "order_value_limit": "3",
    "insufficient_funds": "3",
    "client_order_id_reused": "6",
    "duplicate_cl_ord_id": "6",
    "order_not_found": "5",
    "would_trade": "99",
}
"""OrdRejReason by our code; others are 99, and the code is in the Text."""

CANCEL_REASONS = {"order_not_open": "0", "order_not_found": "1"}
"""CxlRejReason by our code."""


class Order(msgspec.Struct, kw_only=True):
    """An order as far as its session was told. ``quantity`` is without what self-trade prevention took.

    ``amended`` are terms (price, quantity) that this session asked for and whose own messages are still to come.
    """

    order_id: str
    cl_ord_id: str
    symbol: str
    side: str
    order_type: str
    time_in_force: str
    price: str
    trigger: str
    quantity: int
    decremented: int = 0
    filled: int = 0
    value: Decimal = Decimal(0)
    last_trade_id: int = 0
    status: str = ""
    triggered: bool = False
    amended: list[tuple[str, int]] = []

    @property
    def is_final(self) -> bool:
        return self.status in (FILLED, CANCELLED, REJECTED, EXPIRED)

    @property
    def open(self) -> int:
        return 0 if self.is_final else self.quantity - self.filled


def order_of(view: Mapping[str, Any], cl_ord_id: str) -> Order:
    """An order of which nothing was told yet."""
    return Order(
        order_id=view["order_id"],
        cl_ord_id=cl_ord_id,
        symbol=view["symbol"],
        side=view["side"],
        order_type=view["order_type"],
        time_in_force=view["time_in_force"],
        price=view["price"],
        trigger=view["stop_price"] or view["trail_amount"] or "",
        quantity=view["quantity"],
    )


def by_view(
    order: Order, view: Mapping[str, Any], *, amended_by: str = "", ended_by: str = "", asked_in: str = ""
) -> Iterator[Fields]:
    """Reports of what a view knows and the session does not.

    ``amended_by``, ``ended_by``: the ClOrdID of the session's request that did this, and is answered by it;
    ``asked_in``: the trace of that request. All else is in the order's own.
    """
    now_us, trace = time_us(view["updated_at"]), view["trace_id"]
    yield from _accepted(order, time_us(view["created_at"]), trace)
    quantity = view["quantity"] - view["decremented_quantity"]
    terms = (view["price"], view["quantity"])
    changed = terms != (order.price, order.quantity + order.decremented)
    if changed or amended_by:
        order.price, order.quantity = view["price"], view["quantity"] - order.decremented
        if changed and amended_by:
            order.amended.append(terms)
        yield from _replaced(order, now_us, asked_in if amended_by else trace, amended_by)
    if view["triggered"] and not order.triggered:
        yield from _triggered(order, now_us, trace)
    for fill in view["fills"]:
        yield from _traded(order, fill, time_us(fill["time"]), trace, "")
    if quantity < order.quantity:
        yield from _restated(order, order.quantity - quantity, now_us, trace)
    yield from _ended(order, view["status"], view["reason"], now_us, asked_in if ended_by else trace, ended_by)


def by_message(order: Order, message: Mapping[str, Any]) -> Iterator[Fields]:
    """Reports of an own message, unless it tells what is known."""
    now_us, trace, kind = message["time_us"], message["trace_id"], message["type"]
    if kind == "trade":
        yield from _accepted(order, now_us, trace)
        yield from _traded(order, message, now_us, trace, message["role"])
    elif kind == "amended":
        terms = (message["price"], message["quantity"])
        if list(order.amended[:1]) == [terms]:
            del order.amended[0]
        elif terms != (order.price, order.quantity + order.decremented):
            order.price, order.quantity = message["price"], message["quantity"] - order.decremented
            yield from _replaced(order, now_us, trace, "")
    elif kind == "triggered" and not order.triggered:
        yield from _triggered(order, now_us, trace)
    elif kind == "reduced" and message["open_quantity"] < order.open:
        yield from _restated(order, message["quantity"], now_us, trace)
    elif kind == "order":
        yield from _accepted(order, now_us, trace)
        yield from _ended(order, message["status"], message["reason"], now_us, trace, "")


def status_of(order: Order, request: Message) -> Fields:
    """The answer to OrderStatusRequest, or to an order that was sent again."""
    more = [(790, request.get(790))] if request.get(790) else []
    return _report(order, STATUS, f"{order.order_id}-S-{request.get(34)}", 0, "", more)


def rejected(request: Message, problem: Problem, now_us: int, trace_id: str) -> Fields:
    """The report of a NewOrderSingle that was refused, or of an OrderStatusRequest for no order."""
    asks = request.type == "H"
    return [
        (35, "8"),
        (37, NONE),
        (11, request.get(11)),
        *([(790, request.get(790))] if request.get(790) else []),
        (17, f"R-{request.get(11)}-{now_us}"),
        (150, STATUS if asks else REJECTED),
        (39, REJECTED),
        (103, REJECT_REASONS.get(problem.code, "99")),
        (55, request.get(55)),
        (54, request.get(54)),
        *((tag, request.get(tag)) for tag in (38, 40, 44, 59) if request.get(tag)),
        (151, "0"),
        (14, "0"),
        (6, "0"),
        (60, utc_timestamp(now_us)),
        (58, text_of(problem)),
        *_trace(trace_id),
    ]


def cancel_rejected(request: Message, order: Order | None, problem: Problem, now_us: int, trace_id: str) -> Fields:
    """OrderCancelReject for an OrderCancelRequest or an OrderCancelReplaceRequest."""
    return [
        (35, "9"),
        (37, order.order_id if order is not None else request.get(37) or NONE),
        (11, request.get(11)),
        (41, request.get(41)),
        (39, order.status if order is not None else REJECTED),
        (434, "1" if request.type == "F" else "2"),
        (102, CANCEL_REASONS.get(problem.code, "99")),
        (60, utc_timestamp(now_us)),
        (58, text_of(problem)),
        *_trace(trace_id),
    ]


def text_of(problem: Problem) -> str:
    """Our code and what to do, as the Text of a message."""
    return printable(f"{problem.code}: {problem.detail}")


def _accepted(order: Order, now_us: int, trace_id: str) -> Iterator[Fields]:
    if not order.status:
        order.status = NEW
        yield _report(order, NEW, f"{order.order_id}-N", now_us, trace_id)


def _replaced(order: Order, now_us: int, trace_id: str, asked_by: str) -> Iterator[Fields]:
    before, order.cl_ord_id = order.cl_ord_id, asked_by or order.cl_ord_id
    more = [(41, before)] if asked_by else []
    yield _report(order, REPLACED, f"{order.order_id}-A-{now_us}", now_us, trace_id, more)


def _triggered(order: Order, now_us: int, trace_id: str) -> Iterator[Fields]:
    order.triggered = True
    yield _report(order, TRIGGERED, f"{order.order_id}-L", now_us, trace_id)


def _traded(order: Order, fill: Mapping[str, Any], now_us: int, trace_id: str, role: str) -> Iterator[Fields]:
    if int(fill["trade_id"]) <= order.last_trade_id:
        return
    order.last_trade_id = int(fill["trade_id"])
    order.filled += fill["quantity"]
    order.value += Decimal(fill["price"]) * fill["quantity"]
    order.status = FILLED if order.filled >= order.quantity else PARTIAL
    more = [(31, fill["price"]), (32, str(fill["quantity"])), (12, fill["fee"]), (13, "3")]
    if role:
        more.append((851, "1" if role == "maker" else "2"))
    exec_id = f"{fill['trade_id']}-{CODES[54][order.side]}"
    yield _report(order, TRADE, exec_id, now_us, trace_id, more)


def _restated(order: Order, taken: int, now_us: int, trace_id: str) -> Iterator[Fields]:
    order.quantity -= taken
    order.decremented += taken
    exec_id = f"{order.order_id}-D-{order.decremented}"
    yield _report(order, RESTATED, exec_id, now_us, trace_id, [(378, "5"), (58, "self_trade")])


def _ended(order: Order, status: str, reason: str, now_us: int, trace_id: str, asked_by: str) -> Iterator[Fields]:
    if status not in FINAL or order.is_final:
        return
    order.status = EXPIRED if reason == "expired" else FINAL[status]
    before, order.cl_ord_id = order.cl_ord_id, asked_by or order.cl_ord_id
    more = [(41, before)] if asked_by else []
    if order.status == REJECTED:
        more.append((103, "99"))
    if reason:
        more.append((58, printable(reason)))
    exec_type = RESTATED if order.status == FILLED else order.status
    yield _report(order, exec_type, f"{order.order_id}-{order.status}", now_us, trace_id, more)


def _report(
    order: Order, exec_type: str, exec_id: str, now_us: int, trace_id: str, more: Fields | None = None
) -> Fields:
    average = (order.value / order.filled).quantize(Decimal("0.0001")) if order.filled else Decimal(0)
    limits, stops = order.order_type in ("LIMIT", "STOP_LIMIT"), order.order_type in ("STOP", "STOP_LIMIT")
    return [
        (35, "8"),
        (37, order.order_id),
        (11, order.cl_ord_id or NONE),
        (17, exec_id),
        (150, exec_type),
        (39, order.status),
        (55, order.symbol),
        (54, CODES[54][order.side]),
        (38, str(order.quantity)),
        (40, CODES[40][order.order_type]),
        *([(44, order.price)] if limits else []),
        *([(99, order.trigger)] if stops else []),
        (59, CODES[59][order.time_in_force]),
        (151, str(order.open)),
        (14, str(order.filled)),
        (6, f"{average.normalize():f}"),
        *([(60, utc_timestamp(now_us))] if now_us else []),
        *(more or []),
        *_trace(trace_id),
    ]


def _trace(trace_id: str) -> Fields:
    return [(TRACE_ID, trace_id)] if trace_id else []


def mass_cancelled(request: Message, count: int, now_us: int, trace_id: str) -> Fields:
    """OrderMassCancelReport: so many orders end."""
    return [
        *_mass_cancel(request),
        (531, request.get(530)),
        (533, str(count)),
        (60, utc_timestamp(now_us)),
        *_trace(trace_id),
    ]


def mass_cancel_rejected(request: Message, problem: Problem, now_us: int, trace_id: str) -> Fields:
    """OrderMassCancelReport: nothing ends."""
    reason = "1" if problem.code == "unknown_symbol" else "99"
    return [
        *_mass_cancel(request),
        (531, "0"),
        (532, reason),
        (60, utc_timestamp(now_us)),
        (58, text_of(problem)),
        *_trace(trace_id),
    ]


def _mass_cancel(request: Message) -> Fields:
    return [(35, "r"), (11, request.get(11)), (37, request.get(11)), (530, request.get(530)), (55, request.get(55))]
