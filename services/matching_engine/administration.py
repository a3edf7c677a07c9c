"""What administrators do to the market: fees, bands, sessions, who may trade, and what is traded."""

import msgspec

from services.matching_engine.books import NOBODY, Applied, Books, new_book
from services.matching_engine.commands import Block, Configure, DelistSymbol, ListSymbol, SetSession
from services.matching_engine.kernel_codes import REJECTED
from services.matching_engine.listing import LISTING_RULE, instrument_of, may_be_listed
from services.matching_engine.refusals import not_traded, refused, refused_by_book
from services.matching_engine.terms import FEE_RULE, NO_TERMS, BookTerms
from shared.contracts.codes import Session
from shared.contracts.engine import BookChanged
from shared.contracts.events import Closed, Delisted, Listed, SessionChanged

OPENED = SessionChanged(session=Session.CONTINUOUS)


class Administration(Books):
    """Books that administrators can change. Each change is an event, as what orders do is."""

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

    def _block(self, command: Block) -> Applied:
        if (command.account_id in self.blocked) == command.blocked:
            return BookChanged(position=self.seq), None
        (self.blocked.add if command.blocked else self.blocked.discard)(command.account_id)
        event = self._event(command, "", 0, (), NOBODY)
        return BookChanged(position=event.seq), event

    def _list_symbol(self, command: ListSymbol) -> Applied:
        if command.symbol in self.instruments:
            return refused("symbol_listed", f"{command.symbol} is traded already."), None
        if not may_be_listed(command):
            return refused("invalid_instrument", LISTING_RULE), None
        instrument = instrument_of(command)
        self.instruments[command.symbol] = instrument
        self.books[command.symbol] = new_book(instrument)
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


def _delisted(report: Closed) -> Closed:
    return msgspec.structs.replace(report, reason="delisted")
