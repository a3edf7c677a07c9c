"""All books of one engine, and what a command does to them. No I/O, no clock: same commands, same events."""

import zlib
from collections.abc import Container, Sequence

import msgspec

from services.matching_engine.answers import MEMORY_US, Answers
from services.matching_engine.book import Book
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
from services.matching_engine.kernel_report import Report
from services.matching_engine.listing import LISTING_RULE, instrument_of, may_be_listed
from services.matching_engine.refusals import WORDS, not_traded, refused, refused_by_book, refused_by_rule
from services.matching_engine.resting import Resting, RestingOrders
from services.matching_engine.state import EngineState
from services.matching_engine.telling import Teller, amended, matched
from services.matching_engine.terms import FEE_RULE, NO_TERMS, BookTerms
from shared.contracts.codes import RejectReason, Session, TimeInForce
from shared.contracts.engine import BookChanged, CancelledAll, Instrument, Matched, RestingOrder
from shared.contracts.events import Closed, Delisted, EngineEvent, Listed, SessionChanged
from shared.contracts.money import Money, Shares
from shared.contracts.operations import Refused
from shared.contracts.orders import OrderStatus

__all__ = ["MEMORY_US", "Applied", "Engine"]

SECOND_US = 1_000_000
DAY_S = 86_400

Reply = Matched | CancelledAll | BookChanged | Refused
Applied = tuple[Reply, EngineEvent | None]
"""The answer to a command, and its event where it changed anything."""


CALL_SESSIONS = (
    Session.PRE_OPEN,
    Session.OPENING_AUCTION,
    Session.CLOSING_AUCTION,
    Session.VOLATILITY_AUCTION,
)
"""Those that collect orders for an auction."""

BLOCKED = refused("account_blocked", "This account may not trade at the moment. Ask the exchange.")


class Engine:
    """The books, the last sequence number, and what was answered lately."""

    def __init__(self, instruments: Sequence[Instrument]) -> None:
        self.instruments = {i.symbol: i for i in instruments}
        self.books = {i.symbol: _new_book(i) for i in instruments}
        """By symbol. A symbol that was taken off the list keeps its book, which is empty and closed."""
        self.seq = 0
        self.terms: dict[str, BookTerms] = {}
        self.blocked: set[int] = set()
        self._answers = Answers()
        self._teller = Teller(RestingOrders(), 0, {})

    @property
    def last_prices(self) -> dict[str, Money]:
        """Each symbol's last price; none for those that have not traded."""
        return self._teller.last_prices

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

    def listing(self) -> tuple[Instrument, ...]:
        """What can be traded, by symbol, with the fees as they are now."""
        return tuple(self._with_fees(self.instruments[symbol]) for symbol in sorted(self.instruments))

    def session(self, symbol: str) -> int:
        """A symbol's ``Session``."""
        return self._teller.sessions.get(symbol, Session.CONTINUOUS)

    def indication(self, symbol: str) -> tuple[Money, Shares, int] | None:
        """Price, volume and imbalance of the auction if it were now; None where orders are not only collected."""
        return self.books[symbol].indication() if self.session(symbol) in CALL_SESSIONS else None

    def due(self, now_us: int) -> list[str]:
        """The symbols for which it is time for an ``Expire``."""
        return self._teller.resting.due(now_us // SECOND_US)

    def open_orders(self) -> dict[str, int]:
        """How many orders each book holds; stop orders that wait are not in it."""
        return {symbol: book.order_count() for symbol, book in self.books.items()}

    def resting(self, symbol: str) -> tuple[RestingOrder, ...]:
        """A book's orders, bids then asks, in priority order."""
        return tuple(
            RestingOrder(
                order_id=order_id,
                user_id=user_id,
                side=side,
                price=price,
                open_quantity=quantity,
                hidden_quantity=quantity - displayed,
            )
            for order_id, user_id, side, price, quantity, displayed in self.books[symbol].orders()
        )

    def waiting(self, symbol: str) -> tuple[RestingOrder, ...]:
        """A symbol's stop orders that were not triggered yet."""
        return tuple(
            RestingOrder(
                order_id=order_id,
                user_id=order.user_id,
                side=order.side,
                price=order.price,
                open_quantity=order.quantity,
            )
            for order_id, order in self._teller.resting.waiting(symbol)
        )

    def snapshot(self) -> tuple[bytes, int]:
        """The whole state as bytes, and their CRC-32. Equal states give equal bytes."""
        state = EngineState(
            self.seq,
            self._teller.trade_id,
            [book.snapshot() for _, book in sorted(self.books.items())],
            dict(sorted(self._teller.resting.orders.items())),
            dict(sorted(self.last_prices.items())),
            [(order_id, time_us, answer) for order_id, (time_us, answer) in self._answers.given.items()],
            list(self._answers.barred.items()),
            dict(sorted(self.terms.items())),
            sorted(self.blocked),
            [self.instruments[symbol] for symbol in sorted(self.instruments)],
        )
        data = msgspec.msgpack.encode(state)
        return data, zlib.crc32(data)

    def restore(self, data: bytes, checksum: int) -> None:
        """Becomes what the snapshot says."""
        if zlib.crc32(data) != checksum:
            raise JournalDamaged("snapshot: its checksum does not fit")
        state = msgspec.msgpack.decode(data, type=EngineState)
        self.seq = state.seq
        restored = [Book.restore(book) for book in state.books]
        self.books |= {book.symbol: book for book in restored}
        self._teller = Teller(RestingOrders(state.resting), state.trade_id, state.last_prices)
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
        answer = Matched(
            order_id=command.order_id,
            position=event.seq,
            status=OrderStatus.CANCELLED,
            filled_quantity=0,
            open_quantity=reports[0].remaining,
            reason="cancelled",
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

    def _configure(self, command: Configure) -> Applied:
        if command.symbol not in self.instruments:
            return not_traded(command.symbol), None
        book = self.books[command.symbol]
        before = self.terms.get(command.symbol, NO_TERMS)
        terms = BookTerms(
            before.band if command.band is None else command.band,
            before.maker_fee_ppm if command.maker_fee_ppm is None else command.maker_fee_ppm,
            before.taker_fee_ppm if command.taker_fee_ppm is None else command.taker_fee_ppm,
        )
        if not terms.valid:
            return refused("invalid_fees", FEE_RULE), None
        if terms.fees != before.fees and book.order_count():
            return refused("book_not_empty", "Fees change only while no order is in the symbol's book."), None
        reports = book.configure(terms.band, terms.maker_fee_ppm, terms.taker_fee_ppm)
        if reports[0].kind == REJECTED:
            return refused_by_book(reports[0]), None
        self.terms[command.symbol] = terms
        event = self._event(command, command.symbol, 0, reports, NOBODY)
        return BookChanged(position=event.seq), event

    def _set_session(self, command: SetSession) -> Applied:
        if command.symbol not in self.instruments:
            return not_traded(command.symbol), None
        book = self.books[command.symbol]
        reports = book.set_session(command.session, command.reference_price)
        if reports[0].kind == REJECTED:
            return refused_by_book(reports[0]), None
        event = self._event(command, command.symbol, 0, reports, NOBODY)
        return BookChanged(position=event.seq), event

    def _list_symbol(self, command: ListSymbol) -> Applied:
        if command.symbol in self.instruments:
            return refused("symbol_listed", f"{command.symbol} is traded already."), None
        if not may_be_listed(command):
            return refused("invalid_instrument", LISTING_RULE), None
        instrument = instrument_of(command)
        self.instruments[command.symbol] = instrument
        self.books[command.symbol] = _new_book(instrument)
        self._teller.forget(command.symbol)
        event = self._event(command, command.symbol, 0, (), NOBODY)
        listed = Listed(
            name=instrument.name,
            tick_size=instrument.tick_size,
            lot_size=instrument.lot_size,
            reference_price=instrument.reference_price,
        )
        return BookChanged(position=event.seq), msgspec.structs.replace(event, reports=(listed, OPENED))

    def _delist_symbol(self, command: DelistSymbol) -> Applied:
        """Ends the orders in the sequence of their ids, which does not depend on what a snapshot keeps of it."""
        symbol, reports, ended = command.symbol, [], set()
        if symbol not in self.instruments:
            return not_traded(symbol), None
        book = self.books[symbol]
        for order_id in self._teller.resting.of(symbol):
            if order_id not in ended:
                reports += book.cancel(order_id)
                ended = {report.order_id for report in reports}
        reports += book.set_session(Session.CLOSED)
        event = self._event(command, symbol, 0, reports, NOBODY)
        told = [_delisted(report) if isinstance(report, Closed) else report for report in event.reports]
        del self.instruments[symbol]
        self.terms.pop(symbol, None)
        return BookChanged(position=event.seq), msgspec.structs.replace(event, reports=(*told, Delisted()))

    def _block(self, command: Block) -> Applied:
        if (command.account_id in self.blocked) == command.blocked:
            return BookChanged(position=self.seq), None
        (self.blocked.add if command.blocked else self.blocked.discard)(command.account_id)
        event = self._event(command, "", 0, (), NOBODY)
        return BookChanged(position=event.seq), event

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

    def _event(
        self,
        command: Command,
        symbol: str,
        order_id: int,
        reports: Sequence[Report],
        newcomer: Resting,
        expired: Container[int] = (),
    ) -> EngineEvent:
        self.seq += 1
        told = self._teller.tell(reports, symbol, newcomer, expired)
        return EngineEvent(
            seq=self.seq,
            time_us=command.time_us,
            traceparent=command.traceparent,
            symbol=symbol,
            order_id=order_id,
            reports=told,
            indication=self.indication(symbol) if self._teller.sessions else None,
        )

    def _with_fees(self, instrument: Instrument) -> Instrument:
        maker_fee_ppm, taker_fee_ppm = self.terms.get(instrument.symbol, NO_TERMS).fees
        return msgspec.structs.replace(instrument, maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm)


NOBODY = Resting(0, "")
OPENED = SessionChanged(session=Session.CONTINUOUS)


def _new_book(instrument: Instrument) -> Book:
    return Book(instrument.symbol, instrument.tick_size, instrument.lot_size)


def _delisted(report: Closed) -> Closed:
    return msgspec.structs.replace(report, reason="delisted")


def _end_of(command: Place) -> int:
    """When an order's time is over: a GTD order's own, a DAY order's the end of the day (UTC), else 0."""
    if command.time_in_force == TimeInForce.DAY:
        return (command.time_us // SECOND_US // DAY_S + 1) * DAY_S
    return command.expires_at_s
