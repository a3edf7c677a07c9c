"""A symbol's book as the engine's events draw it: which orders rest, and what they add up to at each price.

This is a view. It decides nothing, and where events do not fit what it holds it says so instead of showing a guess.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

from shared.contracts.codes import Session, Side
from shared.contracts.engine import BookState
from shared.contracts.events import Accepted, Amended, Closed, Decremented, EngineEvent, Reloaded, SessionChanged, Trade
from shared.contracts.market import Level
from shared.contracts.money import Money, Shares


class BookFaultError(Exception):
    """The events and the view contradict each other: the view must be taken from the engine again."""


class Resting(NamedTuple):
    """One order on the book, with what it shows: an iceberg has more, and nothing between two slices."""

    side: int
    price: Money
    shown: Shares


class Status(NamedTuple):
    """A symbol's ``Session`` and, where orders are only collected, price, volume and imbalance of the auction now."""

    session: int
    indication: tuple[Money, Shares, int] | None


class Delta(NamedTuple):
    """Levels that changed, with their new quantity (0: gone), by the changes ``first_sequence`` to ``sequence``."""

    first_sequence: int
    sequence: int
    bids: list[tuple[Money, Shares]]
    asks: list[tuple[Money, Shares]]
    status: Status | None
    """Where that changed too."""


class BookSide:
    """The levels of one side: quantity and number of orders by price, and the prices in ascending order."""

    def __init__(self) -> None:
        self.levels: dict[Money, tuple[Shares, int]] = {}
        self.prices: list[Money] = []
        self.touched: set[Money] = set()
        """Prices whose quantity changed since the last delta."""

    def add(self, price: Money, quantity: Shares, order_count: int) -> None:
        """Adds to a level, or (negative) takes away. Raises BookFaultError when it would fall below zero."""
        self.touched.add(price)
        level = self.levels.get(price)
        if level is None:
            if quantity <= 0 or order_count <= 0:
                raise BookFaultError(f"nothing rests at {price}")
            insort(self.prices, price)
            self.levels[price] = (quantity, order_count)
            return
        quantity, order_count = level[0] + quantity, level[1] + order_count
        if quantity < 0 or order_count < 0 or (quantity == 0) != (order_count == 0):
            raise BookFaultError(f"{order_count} orders with {quantity} shares at {price}")
        if order_count:
            self.levels[price] = (quantity, order_count)
        else:
            del self.levels[price]
            del self.prices[bisect_left(self.prices, price)]

    def take_touched(self) -> list[tuple[Money, Shares]]:
        """The quantities now at the prices that changed since this was last asked."""
        changes = [(price, self.levels.get(price, (0, 0))[0]) for price in self.touched]
        self.touched.clear()
        return changes


class MarketBook:
    """The view of one symbol, as it is after engine event ``position``. ``sequence`` counts its changes."""

    def __init__(self, symbol: str, position: int, sequence: int) -> None:
        self.symbol = symbol
        self.position = position
        self.sequence = sequence
        self.published = sequence
        """The last change that a delta told of."""
        self.bids = BookSide()
        self.asks = BookSide()
        self._orders: dict[int, Resting] = {}
        self.status = Status(Session.CONTINUOUS, None)
        self._told_status = self.status

    @classmethod
    def of_state(cls, state: BookState, sequence: int) -> "MarketBook":
        """The view of the engine's own book. Raises BookFaultError when that can't be a book."""
        book = cls(state.symbol, state.position, sequence)
        for order in state.orders:
            book._rest(order.order_id, order.side, order.price, order.open_quantity - order.hidden_quantity)
        book.status = book._told_status = Status(state.session, state.indication)
        book.bids.touched.clear()
        book.asks.touched.clear()
        book.check()
        return book

    @property
    def best_bid(self) -> Money:
        """0 when nobody buys."""
        return self.bids.prices[-1] if self.bids.prices else 0

    @property
    def best_ask(self) -> Money:
        """0 when nobody sells."""
        return self.asks.prices[0] if self.asks.prices else 0

    def apply(self, event: EngineEvent) -> None:
        """Brings the view to a later event. Raises BookFaultError when the event does not fit."""
        assert event.seq > self.position, "events come in order"
        changed = False
        for report in event.reports:
            if isinstance(report, (Trade, Decremented)):
                self._reduce(report.maker_order_id, report.quantity, report.maker_open)
                if report.taker_order_id in self._orders:
                    # In an auction both sides were at rest.
                    self._reduce(report.taker_order_id, report.quantity, report.taker_open)
                changed = True
            elif isinstance(report, SessionChanged):
                self.status = self.status._replace(session=report.session)
                changed = True
            elif isinstance(report, Accepted):
                self._rest(report.order_id, report.side, report.price, report.quantity - report.hidden)
                changed = True
            elif isinstance(report, Reloaded):
                self._reload(report.order_id, report.quantity - report.hidden)
                changed = True
            elif isinstance(report, Amended) and report.kept_place and report.order_id in self._orders:
                self._resize(report.order_id, report.quantity - report.hidden)
                changed = True
            elif isinstance(report, (Amended, Closed)) and report.order_id in self._orders:
                self._leave(report.order_id)
                changed = True
        if event.indication != self.status.indication:
            self.status = self.status._replace(indication=event.indication)
            changed = True
        self.sequence += changed
        self.position = event.seq

    def check(self) -> None:
        """Raises BookFaultError when bid and ask meet while there is trading: then somebody should have traded."""
        if self.status.session != Session.CONTINUOUS:
            return
        if self.best_bid and self.best_ask and self.best_bid >= self.best_ask:
            raise BookFaultError(f"bid {self.best_bid} meets ask {self.best_ask}")

    def depth(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The best levels: bids from the highest price down, asks from the lowest up."""
        bids, asks = self.bids.prices[: -levels - 1 : -1], self.asks.prices[:levels]
        return (
            tuple(
                [Level(price=price, quantity=q, order_count=n) for price in bids for q, n in (self.bids.levels[price],)]
            ),
            tuple(
                [Level(price=price, quantity=q, order_count=n) for price in asks for q, n in (self.asks.levels[price],)]
            ),
        )

    def take_delta(self) -> Delta | None:
        """What changed since this was last asked, None when nothing did."""
        if self.sequence == self.published:
            return None
        status = self.status if self.status != self._told_status else None
        delta = Delta(self.published + 1, self.sequence, self.bids.take_touched(), self.asks.take_touched(), status)
        self.published = self.sequence
        self._told_status = self.status
        return delta

    def _rest(self, order_id: int, side: int, price: Money, quantity: Shares) -> None:
        if order_id in self._orders:
            raise BookFaultError(f"order {order_id} rests already")
        self._orders[order_id] = Resting(side, price, quantity)
        self._side(side).add(price, quantity, 1)

    def _reduce(self, order_id: int, quantity: Shares, left: Shares) -> None:
        """A resting order lost ``quantity`` of what it shows, and has ``left``, hidden included."""
        order = self._order(order_id)
        shown = order.shown - quantity
        if shown < 0 or left < shown:
            raise BookFaultError(f"order {order_id} shows {order.shown}, lost {quantity} and has {left} left")
        if left == 0:
            self._leave(order_id)
            return
        self._orders[order_id] = order._replace(shown=shown)
        self._side(order.side).add(order.price, -quantity, 0 if shown else -1)

    def _reload(self, order_id: int, shown: Shares) -> None:
        order = self._order(order_id)
        if order.shown:
            raise BookFaultError(f"order {order_id} shows {order.shown} and is to show another slice")
        self._orders[order_id] = order._replace(shown=shown)
        self._side(order.side).add(order.price, shown, 1)

    def _resize(self, order_id: int, shown: Shares) -> None:
        order = self._order(order_id)
        self._orders[order_id] = order._replace(shown=shown)
        self._side(order.side).add(order.price, shown - order.shown, 0)

    def _leave(self, order_id: int) -> None:
        order = self._orders.pop(order_id)
        if order.shown:
            self._side(order.side).add(order.price, -order.shown, -1)

    def _order(self, order_id: int) -> Resting:
        order = self._orders.get(order_id)
        if order is None:
            raise BookFaultError(f"order {order_id} does not rest here")
        return order

    def _side(self, side: int) -> BookSide:
        return self.bids if side == Side.BUY else self.asks
