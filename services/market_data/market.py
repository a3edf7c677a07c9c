"""All books and tapes in memory: taken from the engine once, then carried on by its events.

A book that contradicts its events, or in which bid and ask cross, is a bug somewhere. It is taken from the engine again
rather than shown, and until that has worked its symbol has no book to show.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence

import msgspec
import structlog

from services.market_data.book import BookFaultError, MarketBook
from services.market_data.record import Record
from services.market_data.store import load_tapes
from services.market_data.tape import DAY_US, Tape, trades_of
from services.market_data.topics import Published, SymbolTopics
from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, LIST_INSTRUMENTS, BookQuery, BookState, Instruments
from shared.contracts.events import EngineEvent
from shared.contracts.market import Channel, PublicTrade, Quote, Snapshot, Ticker
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
        self.topics: dict[str, SymbolTopics] = {}
        self.record = Record()
        self.changed: set[str] = set()
        """Symbols whose quote may be another than was published."""
        self.messages: list[Published] = []
        """What is not published yet, in its order."""
        self.taken = asyncio.Event()
        """Set when books were taken from the engine; whoever publishes that clears it."""

    async def apply(self, events: Sequence[EngineEvent]) -> None:
        """Brings books and tapes to the last of the events. Those that took effect before are passed over.

        Raises Unavailable while the engine has not given its books yet, or does not give one that is needed again.
        """
        async with self._lock:
            if not self._known:
                raise Unavailable("market data", "it waits for the engine's books")
            missing = {event.symbol for event in events if event.reports} - self.books.keys()
            await self._take_books(missing | self._faulty)
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
            await self._take_books(self._faulty)

    def book(self, symbol: str) -> MarketBook | None:
        """A symbol's book, None where the symbol is not known. Raises Unavailable where there is none to show now."""
        if not self._known or symbol in self._faulty:
            raise Unavailable("order book", "it is being taken from the engine")
        return self.books.get(symbol)

    def snapshot(self, channel: Channel, symbol: str, interval: str) -> Snapshot | None:
        """A topic as it is, None where there is none. Raises Unavailable while the symbol's book is in doubt."""
        return self.topics[symbol].snapshot(channel, interval) if self.book(symbol) is not None else None

    def quote(self, symbol: str) -> Quote:
        """Best prices and last price. A book that is in doubt has no best prices."""
        book, sure = self.books[symbol], symbol not in self._faulty
        return Quote(
            symbol=symbol,
            bid=book.best_bid if sure else 0,
            ask=book.best_ask if sure else 0,
            last=self._tapes[symbol].last,
        )

    def ticker(self, symbol: str) -> Ticker:
        """The quote, today's volume and the last 24 hours."""
        tape, now_s = self._tapes[symbol], int(time.time())
        return Ticker(
            **msgspec.structs.asdict(self.quote(symbol)),
            day_volume=tape.day_volume(now_s * 1_000_000 // DAY_US),
            **tape.figures(now_s)._asdict(),
        )

    def tick(self, heartbeat: bool) -> None:
        """What is due by time: tickers, and with ``heartbeat`` every followed topic's sequence."""
        now_us = time.time_ns() // 1000
        for symbol, topics in self.topics.items():
            if symbol not in self._faulty:
                self.messages += topics.tick(now_us)
                if heartbeat:
                    self.messages += topics.heartbeats()

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

    def _apply(self, event: EngineEvent) -> list[PublicTrade]:
        """Gives the event's trades."""
        symbol = event.symbol
        self.changed.add(symbol)
        trades = trades_of((event,))
        for trade in trades:
            self._tapes[symbol].add(trade)
        book = self.books[symbol]
        before, known = book.status, len(book.changes)
        if symbol not in self._faulty and event.seq > book.position:
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
        if symbol not in self._faulty:
            self.messages += self.topics[symbol].seal(trades, time_us)
            if trades:
                self.messages += self.topics[symbol].tick(time.time_ns() // 1000)

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
                self.books[symbol] = MarketBook.of_state(state)
            except BookFaultError as fault:
                self.books.setdefault(symbol, MarketBook(symbol, state.position))
                self._condemn(symbol, fault)
                continue
            self._faulty.discard(symbol)
            self._restart(symbol)
            self.taken.set()

    def _restart(self, symbol: str) -> None:
        """The book was taken anew: what was published of it does not lead to what it is."""
        book = self.books[symbol]
        self.record.book(book, time.time_ns() // 1000)
        if symbol not in self.topics:
            self.topics[symbol] = SymbolTopics(book, self._tapes[symbol], lambda: self.ticker(symbol), _new_sequence())
        self.messages += self.topics[symbol].restart(book, _new_sequence())

    async def _ask_for_book(self, symbol: str) -> BookState | Refused:
        return await self._clients.call(GET_BOOK, BookQuery(symbol=symbol))

    async def _load_tapes(self, symbols: list[str]) -> None:
        """What PostgreSQL knows of symbols that are new here. The first time it also says where to go on from."""
        if not symbols:
            return
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            seq, tapes = await load_tapes(connection, symbols, int(time.time()))
        self._tapes |= tapes
        if not self._known:
            self.position = seq


def _new_sequence() -> int:
    """Where sequences start: above all that there were in earlier lives, so that no client mistakes them."""
    return time.time_ns() // 1000
