"""All books and tapes in memory, and what is shown of them: the same whether they follow the engine or a file."""

import asyncio
import time

import msgspec

from services.market_data.book import MarketBook
from services.market_data.tape import DAY_US, Tape
from services.market_data.topics import Published, SymbolTopics
from shared.contracts.market import Channel, Quote, Snapshot, Ticker
from shared.errors import Unavailable


class MarketView:
    """Books and tapes of all symbols, as they are after engine event ``position``."""

    def __init__(self) -> None:
        self.books: dict[str, MarketBook] = {}
        self.tapes: dict[str, Tape] = {}
        self.topics: dict[str, SymbolTopics] = {}
        self.position = 0
        self.known = False
        """Whether there are all books."""
        self.faulty: set[str] = set()
        """Symbols whose book is in doubt."""
        self.changed: set[str] = set()
        """Symbols whose quote may be another than was published."""
        self.messages: list[Published] = []
        """What is not published yet, in its order."""
        self.taken = asyncio.Event()
        """Set when books were begun anew; whoever publishes that clears it."""

    def now_us(self) -> int:
        """The time that it is in this market."""
        return time.time_ns() // 1000

    def book(self, symbol: str) -> MarketBook | None:
        """A symbol's book, None where the symbol is not known. Raises Unavailable where there is none to show now."""
        if not self.known or symbol in self.faulty:
            raise Unavailable("order book", "it is not there yet")
        return self.books.get(symbol)

    def snapshot(self, channel: Channel, symbol: str, interval: str) -> Snapshot | None:
        """A topic as it is, None where there is none. Raises Unavailable while the symbol's book is in doubt."""
        return self.topics[symbol].snapshot(channel, interval) if self.book(symbol) is not None else None

    def quote(self, symbol: str) -> Quote:
        """Best prices and last price. A book that is in doubt has no best prices."""
        book, sure = self.books[symbol], symbol not in self.faulty
        return Quote(
            symbol=symbol,
            bid=book.best_bid if sure else 0,
            ask=book.best_ask if sure else 0,
            last=self.tapes[symbol].last,
        )

    def ticker(self, symbol: str) -> Ticker:
        """The quote, today's volume and the last 24 hours."""
        tape, now_s = self.tapes[symbol], self.now_us() // 1_000_000
        return Ticker(
            **msgspec.structs.asdict(self.quote(symbol)),
            day_volume=tape.day_volume(now_s * 1_000_000 // DAY_US),
            **tape.figures(now_s)._asdict(),
        )

    def tick(self, heartbeat: bool) -> None:
        """What is due by time: tickers, and with ``heartbeat`` every followed topic's sequence."""
        now_us = self.now_us()
        for symbol, topics in self.topics.items():
            if symbol not in self.faulty:
                self.messages += topics.tick(now_us)
                if heartbeat:
                    self.messages += topics.heartbeats()

    async def ready(self) -> None:
        """Raises Unavailable until there are books, and while one of them is in doubt."""
        if not self.known or self.faulty:
            raise Unavailable("market data", "its books are not there yet")
