"""All books and tapes in memory: taken from the engine once, then carried on by its events.

A book that contradicts its events, or in which bid and ask cross, is a bug somewhere. It is taken from the engine again
rather than shown, and until that has worked its symbol has no book to show.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

import structlog

from services.market_data.book import BookFaultError, Delta, MarketBook
from services.market_data.store import load_tape
from services.market_data.tape import DAY_US, Tape, trades_of
from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, LIST_INSTRUMENTS, BookQuery, BookState, Instruments
from shared.contracts.events import EngineEvent
from shared.contracts.market import PublicTrade, Ticker
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

REFRESH_S = 30.0
RETRY_S = 0.3


class Market:
    """Books and tapes of all symbols, as they are after engine event ``position``."""

    def __init__(self, clients: Clients, database: Database) -> None:
        self._clients = clients
        self._database = database
        self._lock = asyncio.Lock()
        self._tapes: dict[str, Tape] = {}
        self._faulty: set[str] = set()
        self._known = False
        self.books: dict[str, MarketBook] = {}
        self.position = 0
        self.changed: set[str] = set()
        """Symbols with something to publish: a change of the book, or trades."""
        self.taken = asyncio.Event()
        """Set when books were taken from the engine; whoever publishes that clears it."""
        self.restarted: set[str] = set()
        """Symbols whose book was taken anew, so that what was published of it no longer leads to what it is."""
        self.trades: dict[str, list[PublicTrade]] = {}
        """Trades that are not published yet."""

    async def apply(self, events: Sequence[EngineEvent]) -> None:
        """Brings books and tapes to the last of the events. Those that took effect before are passed over.

        Raises Unavailable while the engine has not given its books yet, or does not give one that is needed again.
        """
        async with self._lock:
            if not self._known:
                raise Unavailable("market data", "it waits for the engine's books")
            missing = {event.symbol for event in events if event.reports} - self.books.keys()
            await self._take_books(missing | self._faulty)
            touched = set()
            for event in events:
                if event.seq > self.position and event.reports:
                    self._apply(event)
                    touched.add(event.symbol)
            self.position = max(self.position, events[-1].seq)
            for symbol in touched:
                try:
                    self.books[symbol].check()
                except BookFaultError as fault:
                    self._condemn(symbol, fault)
            await self._take_books(self._faulty)

    def book(self, symbol: str) -> MarketBook | None:
        """A symbol's book, None where the symbol is not known. Raises Unavailable where there is none to show now."""
        if not self._known or symbol in self._faulty:
            raise Unavailable("order book", "it is being taken from the engine")
        return self.books.get(symbol)

    def take_delta(self, symbol: str) -> Delta | None:
        """What changed in a book since this was last asked, None when nothing did or the book is in doubt."""
        return None if symbol in self._faulty else self.books[symbol].take_delta()

    def ticker(self, symbol: str) -> Ticker:
        """Best prices, last price and today's volume. A book that is in doubt has no best prices."""
        book, tape = self.books[symbol], self._tapes[symbol]
        sure = symbol not in self._faulty
        return Ticker(
            symbol=symbol,
            bid=book.best_bid if sure else 0,
            ask=book.best_ask if sure else 0,
            last=tape.last,
            volume=tape.volume_on(time.time_ns() // 1000 // DAY_US),
        )

    async def run(self) -> None:
        """Takes the books of new instruments for ever; impatiently until there are any."""
        while True:
            try:
                await self._look_for_symbols()
                await asyncio.sleep(REFRESH_S)
            except Unavailable as error:
                log.info("no books from the engine", error=str(error))
                await asyncio.sleep(REFRESH_S if self._known else RETRY_S)

    async def ready(self) -> None:
        """Raises Unavailable until the engine has given its books, and while one of them is in doubt."""
        if not self._known or self._faulty:
            raise Unavailable("market data", "it waits for the engine's books")

    def _apply(self, event: EngineEvent) -> None:
        symbol = event.symbol
        self.changed.add(symbol)
        for trade in trades_of((event,)):
            self._tapes[symbol].add(trade)
            self.trades.setdefault(symbol, []).append(trade)
        book = self.books[symbol]
        if symbol in self._faulty or event.seq <= book.position:
            return
        try:
            book.apply(event)
        except BookFaultError as fault:
            self._condemn(symbol, fault)

    def _condemn(self, symbol: str, fault: BookFaultError) -> None:
        log.error("a book contradicts the engine's events", symbol=symbol, position=self.position, fault=str(fault))
        self._faulty.add(symbol)

    async def _look_for_symbols(self) -> None:
        answer = await self._clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(answer, Refused):
            raise Unavailable("matching-engine", answer.detail)
        async with self._lock:
            await self._take_books({one.symbol for one in answer.instruments} - self.books.keys())
            self._known = True

    async def _take_books(self, symbols: Iterable[str]) -> None:
        """Takes these books from the engine as they are now. Raises Unavailable when it does not give them."""
        symbols = sorted(symbols)
        if not symbols:
            return
        await self._load_tapes([symbol for symbol in symbols if symbol not in self._tapes])
        states = await asyncio.gather(*[self._ask_for_book(symbol) for symbol in symbols])
        for symbol, state in zip(symbols, states, strict=True):
            if isinstance(state, Refused):
                raise Unavailable("matching-engine", state.detail)
            if state.position < self.position:
                raise Unavailable("matching-engine", f"its book of {symbol} is older than its events")
            self._tapes[symbol].last = self._tapes[symbol].last or state.last_price
            self.changed.add(symbol)
            try:
                self.books[symbol] = MarketBook.of_state(state, _new_sequence())
            except BookFaultError as fault:
                self.books.setdefault(symbol, MarketBook(symbol, state.position, _new_sequence()))
                self._condemn(symbol, fault)
                continue
            self._faulty.discard(symbol)
            self.restarted.add(symbol)
            self.taken.set()

    async def _ask_for_book(self, symbol: str) -> BookState | Refused:
        return await self._clients.call(GET_BOOK, BookQuery(symbol=symbol))

    async def _load_tapes(self, symbols: list[str]) -> None:
        """What PostgreSQL knows of symbols that are new here. The first time it also says where to go on from."""
        if not symbols:
            return
        day = time.time_ns() // 1000 // DAY_US
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            seq, entries = await load_tape(connection, symbols, day * DAY_US // 1_000_000)
        self._tapes |= {entry.symbol: Tape(entry.price, entry.volume, day) for entry in entries}
        if not self._known:
            self.position = seq


def _new_sequence() -> int:
    """Where a book's sequence starts: above all it has had in earlier lives, so that no client mistakes them."""
    return time.time_ns() // 1000
