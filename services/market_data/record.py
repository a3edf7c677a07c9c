"""The record of a day: all that everybody could see happen, change by change, as lines of CSV.

    seq,time_us,symbol,kind,order_id,side,price,quantity,trade_id,session,imbalance

``kind`` is one of

- ``clear``: the book starts over; the ``add`` lines that follow are the orders in it. So each day begins, and so it
  goes on where events may be missing (market-data was away).
- ``add``, ``quantity``, ``remove``: what happened to single orders, as in the L3 channel
- ``trade``: ``side`` is the taker's
- ``session``: the symbol's session is another; ``indication``: price, volume (``quantity``) and imbalance of the
  auction as it would be now, empty where there would be none

Prices are in 1/10,000 dollar.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter

from services.market_data.book import Change, MarketBook, Status
from services.market_data.tape import DAY_US
from shared.contracts.codes import Session, Side
from shared.contracts.events import EngineEvent
from shared.contracts.market import PublicTrade

SIDES = {side.value: side.name for side in Side}
SESSIONS = {session.value: session.name for session in Session}


class Record:
    """Lines with their days, until they are stored."""

    def __init__(self) -> None:
        self._lines: list[tuple[int, str]] = []
        self._taken: list[tuple[int, str]] = []
        self._day = 0

    def begin(self, event: EngineEvent, books: Mapping[str, MarketBook]) -> None:
        """Comes before every event: a day's first begins with all books as they are."""
        day = event.time_us // DAY_US
        if day > self._day:
            self._day = day
            for book in books.values():
                self.book(book, event.time_us)

    def book(self, book: MarketBook, time_us: int) -> None:
        """A book from which on what follows leads on. Before the first event of the first day there is no need."""
        if not self._day:
            return
        head = f"{book.position},{time_us},{book.symbol}"
        self._add(f"{head},clear,,,,,,,")
        self._changes(head, [("add", i, o.side, o.price, o.shown) for side in book.orders() for i, o in side])
        self._status(head, book.status, None)

    def event(
        self,
        event: EngineEvent,
        changes: Sequence[Change],
        trades: Iterable[PublicTrade],
        before: Status,
        status: Status,
    ) -> None:
        """What one event changed."""
        head = f"{event.seq},{event.time_us},{event.symbol}"
        for trade in trades:
            self._add(f"{head},trade,,{SIDES[trade.side]},{trade.price},{trade.quantity},{trade.trade_id},,")
        self._changes(head, changes)
        self._status(head, status, before)

    def take(self) -> list[tuple[int, str]]:
        """What is not stored yet, as (day, lines). It is given again next time unless ``stored`` is told."""
        self._taken += self._lines
        self._lines = []
        return [(day, "".join(line for _, line in lines)) for day, lines in groupby(self._taken, itemgetter(0))]

    def stored(self) -> None:
        """What was taken is on its way to the disk."""
        self._taken = []

    def _changes(self, head: str, changes: Iterable[Change]) -> None:
        for change in changes:
            if change[0] == "add":
                _, order_id, side, price, quantity = change
                self._add(f"{head},add,{order_id},{SIDES[side]},{price},{quantity},,,")
            elif change[0] == "quantity":
                self._add(f"{head},quantity,{change[1]},,,{change[2]},,,")
            else:
                self._add(f"{head},remove,{change[1]},,,,,,")

    def _status(self, head: str, status: Status, before: Status | None) -> None:
        if before is None or status.session != before.session:
            self._add(f"{head},session,,,,,,{SESSIONS[status.session]},")
        if status.indication != (before.indication if before else None):
            price, volume, imbalance = status.indication or ("", "", "")
            self._add(f"{head},indication,,,{price},{volume},,,{imbalance}")

    def _add(self, line: str) -> None:
        self._lines.append((self._day, line + "\n"))
