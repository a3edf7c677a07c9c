"""The books of one engine and what is known of their orders; how what happened in them becomes an event."""

from collections.abc import Container, Sequence

import msgspec

from services.matching_engine.book import Book
from services.matching_engine.commands import Command
from services.matching_engine.kernel_report import Report
from services.matching_engine.resting import Resting, RestingOrders
from services.matching_engine.telling import Teller
from services.matching_engine.terms import NO_TERMS, BookTerms
from services.matching_engine.trade_ids import TradeIds
from shared.contracts.codes import Session
from shared.contracts.engine import BookChanged, Cancelled, CancelledAll, Instrument, Matched, RestingOrder
from shared.contracts.events import EngineEvent
from shared.contracts.money import Money, Shares
from shared.contracts.operations import Refused

SECOND_US = 1_000_000

Reply = Matched | Cancelled | CancelledAll | BookChanged | Refused
Applied = tuple[Reply, EngineEvent | None]
"""The answer to a command, and its event where it changed anything."""

CALL_SESSIONS = (
    Session.PRE_OPEN,
    Session.OPENING_AUCTION,
    Session.CLOSING_AUCTION,
    Session.VOLATILITY_AUCTION,
)
"""Those that collect orders for an auction."""

NOBODY = Resting(0, "")
"""Of commands that bring no order."""


class Books:
    """What an engine has, and what it tells of it."""

    def __init__(self, instruments: Sequence[Instrument], trade_ids: TradeIds) -> None:
        self.instruments = {i.symbol: i for i in instruments}
        self.books = {i.symbol: new_book(i) for i in instruments}
        """By symbol. A symbol that was taken off the list keeps its book, which is empty and closed."""
        self.seq = 0
        """The number of the last event."""
        self.terms: dict[str, BookTerms] = {}
        self.blocked: set[int] = set()
        self._teller = Teller(RestingOrders(), trade_ids, {})

    @property
    def last_prices(self) -> dict[str, Money]:
        """Each symbol's last price; none for those that have not traded."""
        return self._teller.last_prices

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
        """How many orders rest or wait in each book."""
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
        told = self._teller.tell(reports, symbol, command.time_us, newcomer, expired)
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


def new_book(instrument: Instrument) -> Book:
    return Book(instrument.symbol, instrument.tick_size, instrument.lot_size)
