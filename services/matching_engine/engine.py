"""All books of one engine, and what a command does to them. No I/O, no clock: same commands, same events."""

import zlib
from collections.abc import Sequence

import msgspec

from services.matching_engine.book import Book
from services.matching_engine.commands import Cancel, Command, JournalDamaged, Place, Void
from services.matching_engine.kernel_report import Report
from shared.contracts.codes import DoneReason, RejectReason, ReportKind
from shared.contracts.engine import Instrument, Matched, RestingOrder
from shared.contracts.events import Accepted, Closed, EngineEvent, Trade
from shared.contracts.money import Money
from shared.contracts.operations import Refused
from shared.contracts.orders import Fill, OrderStatus
from shared.ids import created_us

MEMORY_US = 15_000_000
"""How long the engine knows what it answered. An order whose id is older than this when it arrives is refused, so
nothing that was sent twice or was barred can slip in after it was forgotten."""

REFUSALS = {
    RejectReason.INVALID_PRICE: "The price must be above zero.",
    RejectReason.PRICE_OFF_TICK: "The price must be a whole multiple of the symbol's tick size.",
    RejectReason.INVALID_QUANTITY: "The quantity must be above zero.",
    RejectReason.QUANTITY_OFF_LOT: "The quantity must be a whole multiple of the symbol's lot size.",
    RejectReason.DUPLICATE_ORDER_ID: "An order with this id is on the book.",
    RejectReason.UNKNOWN_ORDER: "There is no such open order; it may be filled or cancelled already.",
}

Applied = tuple[Matched | Refused, EngineEvent | None]
"""The answer to a command, and its event where it changed anything."""


class Resting(msgspec.Struct, frozen=True, array_like=True):
    """What the engine keeps of an order on a book beside what the book knows: its owner, and where its trace is."""

    user_id: int
    traceparent: str


class EngineState(msgspec.Struct):
    """Everything an engine must remember, as a snapshot keeps it."""

    seq: int
    trade_id: int
    books: list[bytes]
    resting: dict[int, Resting]
    last_prices: dict[str, int]
    answers: list[tuple[int, int, Matched]]
    barred: list[tuple[int, int]]


class Engine:
    """The books, the last sequence number, and what was answered lately."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.books = {i.symbol: Book(i.symbol, i.tick_size, i.lot_size) for i in instruments}
        self.last_prices: dict[str, Money] = {}
        self.seq = 0
        self._trade_id = 0
        self._resting: dict[int, Resting] = {}
        # In order of time, so that the oldest can be dropped from the front.
        self._answers: dict[int, tuple[int, Matched]] = {}
        self._barred: dict[int, int] = {}

    def apply(self, command: Command) -> Applied:
        """Does one command. Without an event nothing has changed, and the command is not to be journalled.

        An order that comes again gets its first answer again.
        """
        if isinstance(command, Place):
            return self._place(command)
        if isinstance(command, Cancel):
            return self._cancel(command)
        return self._void(command)

    def resting(self, symbol: str) -> tuple[RestingOrder, ...]:
        """A book's orders, bids then asks, in priority order."""
        return tuple(
            RestingOrder(order_id=order_id, user_id=user_id, side=side, price=price, open_quantity=quantity)
            for order_id, user_id, side, price, quantity, _displayed in self.books[symbol].orders()
        )

    def snapshot(self) -> tuple[bytes, int]:
        """The whole state as bytes, and their CRC-32. Equal states give equal bytes."""
        state = EngineState(
            self.seq,
            self._trade_id,
            [book.snapshot() for _, book in sorted(self.books.items())],
            dict(sorted(self._resting.items())),
            dict(sorted(self.last_prices.items())),
            [(order_id, time_us, answer) for order_id, (time_us, answer) in self._answers.items()],
            list(self._barred.items()),
        )
        data = msgspec.msgpack.encode(state)
        return data, zlib.crc32(data)

    def restore(self, data: bytes, checksum: int) -> None:
        """Becomes what the snapshot says; instruments listed since then keep their empty books."""
        if zlib.crc32(data) != checksum:
            raise JournalDamaged("snapshot: its checksum does not fit")
        state = msgspec.msgpack.decode(data, type=EngineState)
        self.seq, self._trade_id = state.seq, state.trade_id
        restored = [Book.restore(book) for book in state.books]
        self.books |= {book.symbol: book for book in restored}
        self._resting = state.resting
        self.last_prices = state.last_prices
        self._answers = {order_id: (time_us, answer) for order_id, time_us, answer in state.answers}
        self._barred = dict(state.barred)

    def _place(self, command: Place) -> Applied:
        if (known := self._answers.get(command.order_id)) is not None:
            return known[1], None
        if (refused := self._bar(command)) is not None:
            return refused, None
        book = self.books.get(command.symbol)
        if book is None:
            return _refused("unknown_symbol", f"{command.symbol} is not traded here."), None
        reports = book.place(
            command.order_id,
            command.user_id,
            command.side,
            command.order_type,
            command.time_in_force,
            command.price,
            command.quantity,
        )
        if reports[0].kind == ReportKind.REJECTED:
            return _book_refused(reports[0]), None
        event = self._event(command, command.symbol, reports)
        answer = self._matched(command, event)
        self._remember(command, answer)
        return answer, event

    def _bar(self, command: Place) -> Refused | None:
        """An order that was given up, or that is too old to know whether it was."""
        if command.order_id in self._barred:
            return _refused("order_abandoned", "This order was given up before it reached the engine.")
        if created_us(command.order_id) < command.time_us - MEMORY_US:
            return _refused("order_too_old", "This order took too long to reach the engine.")
        return None

    def _cancel(self, command: Cancel) -> Applied:
        resting = self._resting.get(command.order_id)
        if resting is None or resting.user_id != command.user_id or command.symbol not in self.books:
            return _refused("order_not_open", REFUSALS[RejectReason.UNKNOWN_ORDER]), None
        reports = self.books[command.symbol].cancel(command.order_id)
        if reports[0].kind == ReportKind.REJECTED:
            return _book_refused(reports[0]), None
        event = self._event(command, command.symbol, reports)
        left = reports[-1].remaining
        answer = Matched(
            order_id=command.order_id,
            position=event.seq,
            status=OrderStatus.CANCELLED,
            filled_quantity=0,
            open_quantity=left,
            reason="cancelled",
        )
        return answer, event

    def _void(self, command: Void) -> Applied:
        if (known := self._answers.get(command.order_id)) is not None:
            return known[1], None
        self._forget(command.time_us)
        resting = command.order_id in self._resting
        event = None
        if not resting and command.order_id not in self._barred:
            self._barred[command.order_id] = command.time_us
            event = self._event(command, "", [])
        answer = Matched(
            order_id=command.order_id,
            position=self.seq,
            status=OrderStatus.OPEN if resting else OrderStatus.REJECTED,
            filled_quantity=0,
            open_quantity=0,
        )
        return answer, event

    def _event(self, command: Command, symbol: str, reports: Sequence[Report]) -> EngineEvent:
        self.seq += 1
        return EngineEvent(
            seq=self.seq,
            time_us=command.time_us,
            traceparent=command.traceparent,
            symbol=symbol,
            order_id=command.order_id,
            reports=tuple([self._told(report, command, symbol) for report in reports]),
        )

    def _told(self, report: Report, command: Command, symbol: str) -> Accepted | Trade | Closed:
        """A report of the kernel as everybody outside is told it."""
        if report.kind == ReportKind.TRADE:
            self._trade_id += 1
            self.last_prices[symbol] = report.price
            return Trade(
                trade_id=self._trade_id,
                price=report.price,
                quantity=report.quantity,
                side=report.side,
                taker_order_id=report.order_id,
                taker_user_id=report.account_id,
                taker_open=report.remaining,
                maker_order_id=report.maker_order_id,
                maker_user_id=report.maker_account_id,
                maker_open=report.maker_remaining,
                maker_traceparent=self._resting[report.maker_order_id].traceparent,
            )
        if report.kind == ReportKind.ACCEPTED:
            self._resting[report.order_id] = Resting(report.account_id, command.traceparent)
            return Accepted(
                order_id=report.order_id,
                user_id=report.account_id,
                side=report.side,
                price=report.price,
                quantity=report.remaining,
            )
        self._resting.pop(report.order_id, None)
        filled = report.reason == DoneReason.FILLED
        return Closed(
            order_id=report.order_id,
            user_id=report.account_id,
            side=report.side,
            status=OrderStatus.FILLED if filled else OrderStatus.CANCELLED,
            reason="" if filled else DoneReason(report.reason).name.lower(),
            quantity=report.remaining,
        )

    def _matched(self, command: Place, event: EngineEvent) -> Matched:
        fills = tuple(
            [
                Fill(trade_id=r.trade_id, price=r.price, quantity=r.quantity, time_us=event.time_us)
                for r in event.reports
                if isinstance(r, Trade)
            ]
        )
        filled = sum(fill.quantity for fill in fills)
        ends = [r for r in event.reports if isinstance(r, Closed) and r.order_id == command.order_id]
        if ends:
            status, reason = OrderStatus(ends[0].status), ends[0].reason
        else:
            status, reason = (OrderStatus.PARTIALLY_FILLED if fills else OrderStatus.OPEN), ""
        return Matched(
            order_id=command.order_id,
            position=event.seq,
            status=status,
            filled_quantity=filled,
            open_quantity=0 if ends else command.quantity - filled,
            reason=reason,
            fills=fills,
        )

    def _remember(self, command: Place, answer: Matched) -> None:
        self._forget(command.time_us)
        self._answers[command.order_id] = (command.time_us, answer)

    def _forget(self, now_us: int) -> None:
        """Drops what is too old to matter. Times come from commands, so replaying forgets the same."""
        while self._answers and next(iter(self._answers.values()))[0] < now_us - 2 * MEMORY_US:
            del self._answers[next(iter(self._answers))]
        while self._barred and next(iter(self._barred.values())) < now_us - 2 * MEMORY_US:
            del self._barred[next(iter(self._barred))]


def _refused(code: str, detail: str) -> Refused:
    return Refused(code=code, detail=detail)


def _book_refused(report: Report) -> Refused:
    reason = RejectReason(report.reason)
    return _refused(reason.name.lower(), REFUSALS.get(reason, "The order is not valid."))
