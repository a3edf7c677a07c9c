"""A recorded day (services/market_data/record.py) brought to life again: the same books, tapes and messages.

Changes are put together into messages as they are when the exchange runs, by the time in which they happened: each
message holds what happened within some milliseconds, drawn from a seed. So the same file and the same seed give the
same messages with the same numbers, whatever the speed and the machine.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from services.market_data.book import MarketBook, Status
from services.market_data.tape import Tape
from services.market_data.topics import SymbolTopics
from services.market_data.view import MarketView
from shared.contracts.codes import Session, Side
from shared.contracts.market import PublicTrade

GATHER_MS = (5, 40)
"""How much of the day one message holds: what the running exchange does under load."""


class Row(NamedTuple):
    """One line of the record; what a kind does not have is None."""

    seq: int
    time_us: int
    symbol: str
    kind: str
    order_id: int | None
    side: str | None
    price: int | None
    quantity: int | None
    trade_id: int | None
    session: str | None
    imbalance: int | None


def batches(rows: Iterable[Row], seed: int) -> Iterator[list[Row]]:
    """The rows that travel together. An event is never cut."""
    dice = random.Random(seed)  # noqa: S311 - it is to be repeated
    batch: list[Row] = []
    end_us = 0
    for row in rows:
        if batch and row.time_us >= end_us and row.seq != batch[-1].seq:
            yield batch
            batch = []
        if not batch:
            end_us = row.time_us + dice.randint(*GATHER_MS) * 1000
        batch.append(row)
    if batch:
        yield batch


class ReplayedMarket(MarketView):
    """The market as a file tells it. All sequences begin at 1."""

    def __init__(self, symbols: Iterable[str]) -> None:
        super().__init__()
        self._now_us = 0
        self._cleared: set[str] = set()
        for symbol in symbols:
            self.books[symbol] = MarketBook(symbol, 0)
            self.tapes[symbol] = Tape(day=0)
            self.topics[symbol] = SymbolTopics(self.books[symbol], self.tapes[symbol], partial(self.ticker, symbol), 1)
        self.known = True

    def now_us(self) -> int:
        """The time of the last row."""
        return self._now_us

    def tick(self, heartbeat: bool) -> None:
        """Only hearts beat by the clock here; all else by the day's own time."""
        for topics in self.topics.values() if heartbeat else ():
            self.messages += topics.heartbeats()

    def apply(self, batch: Sequence[Row]) -> None:
        """Makes the messages of what travels together. Raises BookFaultError where the rows make no book."""
        trades: dict[str, list[PublicTrade]] = {}
        for row in batch:
            self._now_us = max(self._now_us, row.time_us)
            self.position = max(self.position, row.seq)
            self.changed.add(row.symbol)
            if row.kind == "clear":
                self._clear(row)
            elif row.kind == "trade":
                trade = _trade(row)
                self.tapes[row.symbol].add(trade)
                trades.setdefault(row.symbol, []).append(trade)
            else:
                self._change(row)
        for symbol in sorted({row.symbol for row in batch}):
            topics, book = self.topics[symbol], self.books[symbol]
            if symbol in self._cleared:
                book.forget_changes()
                self.messages += topics.restart(book, 0)
            self.messages += topics.seal(trades.get(symbol, ()), self._now_us)
            self.messages += topics.tick(self._now_us)
        self._cleared.clear()

    def _clear(self, row: Row) -> None:
        self.books[row.symbol] = MarketBook(row.symbol, row.seq)
        self._cleared.add(row.symbol)

    def _change(self, row: Row) -> None:
        book = self.books[row.symbol]
        book.position = max(book.position, row.seq)
        if row.kind == "add":
            book.change(("add", row.order_id or 0, Side[row.side or ""], row.price or 0, row.quantity or 0))
        elif row.kind == "quantity":
            book.change(("quantity", row.order_id or 0, row.quantity or 0))
        elif row.kind == "remove":
            book.change(("remove", row.order_id or 0))
        elif row.kind == "session":
            book.status = book.status._replace(session=Session[row.session or ""])
        elif row.kind == "indication":
            found = None if row.price is None else (row.price, row.quantity or 0, row.imbalance or 0)
            book.status = Status(book.status.session, found)


def _trade(row: Row) -> PublicTrade:
    return PublicTrade(
        trade_id=row.trade_id or 0,
        symbol=row.symbol,
        price=row.price or 0,
        quantity=row.quantity or 0,
        side=Side[row.side or ""],
        time_us=row.time_us,
    )
