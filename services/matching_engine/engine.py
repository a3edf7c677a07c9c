"""All books of one engine, and what a command does to them. No I/O, no clock: same commands, same events."""

import zlib
from collections.abc import Sequence

import msgspec

from services.matching_engine.administration import Administration
from services.matching_engine.answers import MEMORY_US, Answers
from services.matching_engine.book import Book
from services.matching_engine.books import NOBODY, SECOND_US, Applied, Reply
from services.matching_engine.commands import (
    Amend,
    Block,
    Cancel,
    CancelAll,
    Command,
    Configure,
    DelistSymbol,
    Expire,
    JournalDamaged,
    ListSymbol,
    Place,
    SetSession,
    Void,
)
from services.matching_engine.kernel_codes import REJECTED
from services.matching_engine.refusals import WORDS, not_traded, refused, refused_by_book, refused_by_rule
from services.matching_engine.resting import Resting, RestingOrders
from services.matching_engine.state import EngineState
from services.matching_engine.telling import Teller, amended, matched
from services.matching_engine.terms import NO_TERMS
from services.matching_engine.trade_ids import TradeIds
from shared.contracts.codes import RejectReason, TimeInForce
from shared.contracts.engine import Cancelled, CancelledAll, Instrument, Matched
from shared.contracts.orders import OrderStatus

__all__ = ["MEMORY_US", "Applied", "Engine", "Reply"]

DAY_S = 86_400

BLOCKED = refused("account_blocked", "This account may not trade at the moment. Ask the exchange.")


class Engine(Administration):
    """The books, the last sequence number, and what was answered lately."""

    def __init__(self, instruments: Sequence[Instrument], trade_ids: TradeIds | None = None) -> None:
        super().__init__(instruments, trade_ids or TradeIds())
        self._answers = Answers()

    def apply(self, command: Command) -> Applied:
        """Does one command. Without an event nothing has changed, and the command is not to be journalled.

        An order that comes again gets its first answer again.
        """
        if isinstance(command, Place):
            return self._place(command)
        if isinstance(command, Cancel):
            return self._cancel(command)
        if isinstance(command, Void):
            return self._void(command)
        if isinstance(command, Amend):
            return self._amend(command)
        if isinstance(command, CancelAll):
            return self._cancel_all(command)
        if isinstance(command, Configure):
            return self._configure(command)
        if isinstance(command, SetSession):
            return self._set_session(command)
        if isinstance(command, Block):
            return self._block(command)
        if isinstance(command, ListSymbol):
            return self._list_symbol(command)
        if isinstance(command, DelistSymbol):
            return self._delist_symbol(command)
        return self._expire(command)

    def move(self, after: int, by: int) -> None:
        """Other engines told of something in between: the events after number ``after`` have greater numbers."""
        self.seq += by
        self._answers.move(after, by)

    def snapshot(self) -> tuple[bytes, int]:
        """The whole state as bytes, and their CRC-32. Equal states give equal bytes."""
        return self.state().packed()

    def state(self) -> EngineState:
        """Everything that the engine must remember."""
        return EngineState(
            self.seq,
            self._teller.trade_ids.last,
            [book.snapshot() for _, book in sorted(self.books.items())],
            dict(sorted(self._teller.resting.orders.items())),
            dict(sorted(self.last_prices.items())),
            [(order_id, time_us, answer) for order_id, (time_us, answer) in self._answers.given.items()],
            list(self._answers.barred.items()),
            dict(sorted(self.terms.items())),
            sorted(self.blocked),
            [self.instruments[symbol] for symbol in sorted(self.instruments)],
        )

    def restore(self, data: bytes, checksum: int) -> None:
        """Becomes what the snapshot says."""
        if zlib.crc32(data) != checksum:
            raise JournalDamaged("snapshot: its checksum does not fit")
        state = msgspec.msgpack.decode(data, type=EngineState)
        self.seq = state.seq
        restored = [Book.restore(book) for book in state.books]
        self.books |= {book.symbol: book for book in restored}
        self._teller.trade_ids.last = state.trade_id
        self._teller = Teller(RestingOrders(state.resting), self._teller.trade_ids, state.last_prices)
        self._answers = Answers(state.answers, state.barred)
        self.terms = state.terms
        self.blocked = set(state.blocked)
        if state.instruments is not None:
            self.instruments = {one.symbol: one for one in state.instruments}
        self._teller.sessions = {symbol: book.state()["session"] for symbol, book in self.books.items()}

    def _place(self, command: Place) -> Applied:
        if (known := self._answers.of(command.order_id)) is not None:
            return known, None
        if (barred := self._answers.bar_of(command.order_id, command.time_us)) is not None:
            return barred, None
        if command.user_id in self.blocked:
            return BLOCKED, None
        if command.symbol not in self.instruments:
            return not_traded(command.symbol), None
        book = self.books[command.symbol]
        if 0 < command.expires_at_s <= command.time_us // SECOND_US:
            return refused_by_rule(RejectReason.INVALID_EXPIRY), None
        if command.fee_ppm < self.terms.get(command.symbol, NO_TERMS).held_fee_ppm:
            return refused("fees_changed", "The symbol's fees have just changed. Send the order again."), None
        reports = book.place(
            command.order_id,
            command.user_id,
            command.side,
            command.order_type,
            command.time_in_force,
            command.price,
            command.quantity,
            display=command.display_quantity,
            expires_at=command.expires_at_s,
            self_trade=command.self_trade,
            post_only=command.post_only,
            trigger=command.trigger,
            linked_order_id=command.linked_order_id,
        )
        if reports[0].kind == REJECTED:
            return refused_by_book(reports[0]), None
        newcomer = Resting(
            command.user_id,
            command.traceparent,
            command.symbol,
            _end_of(command),
            command.price,
            command.quantity,
            command.side,
        )
        event = self._event(command, command.symbol, command.order_id, reports, newcomer)
        answer = matched(command.order_id, command.quantity, event)
        self._answers.remember(command.order_id, answer, command.time_us)
        return answer, event

    def _cancel(self, command: Cancel) -> Applied:
        order = self._teller.resting.orders.get(command.order_id)
        if order is None or order.user_id != command.user_id or command.symbol not in self.books:
            return refused("order_not_open", WORDS[RejectReason.UNKNOWN_ORDER]), None
        reports = self.books[command.symbol].cancel(command.order_id)
        if reports[0].kind == REJECTED:
            return refused_by_book(reports[0]), None
        event = self._event(command, command.symbol, command.order_id, reports, order)
        answer = Cancelled(
            order_id=command.order_id,
            position=event.seq,
            price=order.price,
            quantity=order.quantity,
            open_quantity=reports[0].remaining,
        )
        return answer, event

    def _cancel_all(self, command: CancelAll) -> Applied:
        if command.symbol not in self.instruments:
            return not_traded(command.symbol), None
        book = self.books[command.symbol]
        reports = book.cancel_all(command.user_id)
        if not reports:
            return CancelledAll(position=self.seq, order_ids=()), None
        event = self._event(command, command.symbol, 0, reports, NOBODY)
        return CancelledAll(position=event.seq, order_ids=tuple([report.order_id for report in reports])), event

    def _amend(self, command: Amend) -> Applied:
        if (known := self._answers.of(command.amend_id)) is not None:
            return known, None
        if (barred := self._answers.bar_of(command.amend_id, command.time_us)) is not None:
            return barred, None
        if command.user_id in self.blocked:
            return BLOCKED, None
        order_id, orders = command.order_id, self._teller.resting.orders
        order = orders.get(order_id)
        if order is None or order.user_id != command.user_id or order.symbol != command.symbol:
            return refused("order_not_open", WORDS[RejectReason.UNKNOWN_ORDER]), None
        if (order.price, order.quantity) != (command.old_price, command.old_quantity):
            return refused("order_changed", "The order was amended meanwhile. Look at it and amend it again."), None
        reports = self.books[command.symbol].amend(order_id, command.price, command.quantity)
        if reports[0].kind == REJECTED:
            return refused_by_book(reports[0]), None
        terms = amended(command, reports)
        event = self._event(command, command.symbol, order_id, reports, order)
        if terms is not None:
            event = msgspec.structs.replace(event, reports=(terms, *event.reports))
        event = msgspec.structs.replace(event, amend_id=command.amend_id)
        if order_id in orders:
            orders[order_id] = msgspec.structs.replace(order, price=command.price, quantity=command.quantity)
        answer = matched(order_id, terms.quantity if terms is not None else 0, event)
        self._answers.remember(command.amend_id, answer, command.time_us)
        return answer, event

    def _void(self, command: Void) -> Applied:
        if (known := self._answers.of(command.order_id)) is not None:
            return known, None
        self._answers.forget(command.time_us)
        resting = command.order_id in self._teller.resting.orders
        event = None
        if not resting and command.order_id not in self._answers.barred:
            self._answers.barred[command.order_id] = command.time_us
            event = self._event(command, "", command.order_id, (), NOBODY)
        answer = Matched(
            order_id=command.order_id,
            position=self.seq,
            status=OrderStatus.OPEN if resting else OrderStatus.REJECTED,
            filled_quantity=0,
            open_quantity=0,
        )
        return answer, event

    def _expire(self, command: Expire) -> Applied:
        """Dated orders end in their book. Day orders end there with the session only, so those are cancelled here."""
        now_s = command.time_us // SECOND_US
        due = self._teller.resting.take_due(command.symbol, now_s)
        if not due:
            return refused("nothing_due", "No order's time is over."), None
        book = self.books[command.symbol]
        reports = book.advance_clock(now_s)
        ended = {report.order_id for report in reports}
        for order_id in due:
            if order_id not in ended:
                reports += book.cancel(order_id)
                ended = {report.order_id for report in reports}
        event = self._event(command, command.symbol, 0, reports, NOBODY, due)
        return Matched(
            order_id=0, position=event.seq, status=OrderStatus.CANCELLED, filled_quantity=0, open_quantity=0
        ), event


def _end_of(command: Place) -> int:
    """When an order's time is over: a GTD order's own, a DAY order's the end of the day (UTC), else 0."""
    if command.time_in_force == TimeInForce.DAY:
        return (command.time_us // SECOND_US // DAY_S + 1) * DAY_S
    return command.expires_at_s
