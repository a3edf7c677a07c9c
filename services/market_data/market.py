"""The market as it is: books taken from the engine once, then carried on by its events.

A book that contradicts its events, or in which bid and ask cross, is a bug somewhere. It is taken from the engine again
rather than shown, and until that has worked its symbol has no book to show.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

import structlog

from services.market_data.book import BookFaultError, MarketBook
from services.market_data.record import Record
from services.market_data.store import load_tapes
from services.market_data.tape import trades_of
from services.market_data.topics import SymbolTopics
from services.market_data.view import MarketView
from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, LIST_INSTRUMENTS, BookQuery, BookState, Instruments
from shared.contracts.events import EngineEvent
from shared.contracts.market import PublicTrade
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

REFRESH_S = 30.0
RETRY_S = 0.3


class Market(MarketView):
    """The market as the engine's events make it."""

    def __init__(self, clients: Clients, database: Database) -> None:
        super().__init__()
        self._clients = clients
        self._database = database
        self._lock = asyncio.Lock()
        self.record = Record()

    async def apply(self, events: Sequence[EngineEvent]) -> None:
        """Brings books and tapes to the last of the events. Those that took effect before are passed over.

        Raises Unavailable while the engine has not given its books yet, or does not give one that is needed again.
        """
        async with self._lock:
            if not self.known:
                raise Unavailable("market data", "it waits for the engine's books")
            missing = {event.symbol for event in events if event.reports} - self.books.keys()
            await self._take_books(missing | self.faulty)
            trades: dict[str, list[PublicTrade]] = {}
            times_us: dict[str, int] = {}
            if events[0].seq <= self.position:
                self._come_again()
            for event in events:
                if event.seq > self.position and event.reports:
                    self.record.begin(event, self.books)
                    trades.setdefault(event.symbol, []).extend(self._apply(event))
                    times_us[event.symbol] = event.time_us
            self.position = max(self.position, events[-1].seq)
            for symbol, time_us in times_us.items():
                self._seal(symbol, trades[symbol], time_us)
            await self._take_books(self.faulty)

    async def run(self) -> None:
        """Takes the books of new instruments for ever; impatiently until there are any."""
        while True:
            try:
                await self._look_for_symbols()
                await asyncio.sleep(REFRESH_S)
            except Unavailable as error:
                log.info("no books from the engine", error=str(error))
                await asyncio.sleep(REFRESH_S if self.known else RETRY_S)

    def _apply(self, event: EngineEvent) -> list[PublicTrade]:
        """Gives the event's trades."""
        symbol = event.symbol
        self.changed.add(symbol)
        trades = trades_of((event,))
        for trade in trades:
            self.tapes[symbol].add(trade)
        book = self.books[symbol]
        before, known = book.status, len(book.changes)
        if symbol not in self.faulty and event.seq > book.position:
            try:
                book.apply(event)
            except BookFaultError as fault:
                self._condemn(symbol, fault)
        self.record.event(event, book.changes[known:], trades, before, book.status)
        return trades

    def _come_again(self) -> None:
        """Events come that are in the books already: what was recorded of them may be lost with their storing."""
        for book in self.books.values():
            self.record.book(book, time.time_ns() // 1000)

    def _seal(self, symbol: str, trades: list[PublicTrade], time_us: int) -> None:
        """Makes the messages of what changed. Nothing is awaited between the change and this."""
        try:
            self.books[symbol].check()
        except BookFaultError as fault:
            self._condemn(symbol, fault)
        if symbol not in self.faulty:
            self.messages += self.topics[symbol].seal(trades, time_us)
            if trades:
                self.messages += self.topics[symbol].tick(time.time_ns() // 1000)

    def _condemn(self, symbol: str, fault: BookFaultError) -> None:
        log.error("a book contradicts the engine's events", symbol=symbol, position=self.position, fault=str(fault))
        self.faulty.add(symbol)

    async def _look_for_symbols(self) -> None:
        answer = await self._clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(answer, Refused):
            raise Unavailable("matching-engine", answer.detail)
        async with self._lock:
            await self._take_books({one.symbol for one in answer.instruments} - self.books.keys())
            self.known = True

    async def _take_books(self, symbols: Iterable[str]) -> None:
        """Takes these books from the engine as they are now. Raises Unavailable when it does not give them."""
        symbols = sorted(symbols)
        if not symbols:
            return
        await self._load_tapes([symbol for symbol in symbols if symbol not in self.tapes])
        states = await asyncio.gather(*[self._ask_for_book(symbol) for symbol in symbols])
        for symbol, state in zip(symbols, states, strict=True):
            if isinstance(state, Refused):
                raise Unavailable("matching-engine", state.detail)
            if state.position < self.position:
                raise Unavailable("matching-engine", f"its book of {symbol} is older than its events")
            self.tapes[symbol].last = self.tapes[symbol].last or state.last_price
            self.changed.add(symbol)
            try:
                self.books[symbol] = MarketBook.of_state(state)
            except BookFaultError as fault:
                self.books.setdefault(symbol, MarketBook(symbol, state.position))
                self._condemn(symbol, fault)
                continue
            self.faulty.discard(symbol)
            self._restart(symbol)
            self.taken.set()

    def _restart(self, symbol: str) -> None:
        """The book was taken anew: what was published of it does not lead to what it is."""
        book = self.books[symbol]
        self.record.book(book, time.time_ns() // 1000)
        if symbol not in self.topics:
            self.topics[symbol] = SymbolTopics(book, self.tapes[symbol], lambda: self.ticker(symbol), _new_sequence())
        self.messages += self.topics[symbol].restart(book, _new_sequence())

    async def _ask_for_book(self, symbol: str) -> BookState | Refused:
        return await self._clients.call(GET_BOOK, BookQuery(symbol=symbol))

    async def _load_tapes(self, symbols: list[str]) -> None:
        """What PostgreSQL knows of symbols that are new here. The first time it also says where to go on from."""
        if not symbols:
            return
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            seq, tapes = await load_tapes(connection, symbols, int(time.time()))
        self.tapes |= tapes
        if not self.known:
            self.position = seq


def _new_sequence() -> int:
    """Where sequences start: above all that there were in earlier lives, so that no client mistakes them."""
    return time.time_ns() // 1000
