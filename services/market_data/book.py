"""A symbol's book as the engine's events draw it: which orders rest, and what they add up to at each price.

This is a view. It decides nothing, and where events do not fit what it holds it says so instead of showing a guess.
"""

from bisect import bisect_left, insort
from typing import Literal, NamedTuple

from services.market_data.checksum import LEVELS, checksum
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


Added = tuple[Literal["add"], int, int, Money, Shares]
"""An order shows itself at the end of its level: id, ``Side``, price, quantity."""

Resized = tuple[Literal["quantity"], int, Shares]
"""An order shows another quantity, and keeps its place."""

Removed = tuple[Literal["remove"], int]
"""An order shows itself no more."""

Change = Added | Resized | Removed
"""What happens to a book, order by order."""


class BookSide:
    """The levels of one side: quantity and number of orders by price, and the prices in ascending order."""

    def __init__(self) -> None:
        self.levels: dict[Money, tuple[Shares, int]] = {}
        self.prices: list[Money] = []
        self.touched: set[Money] = set()
        """Prices at which something changed since this was last asked."""

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

    def take_touched(self) -> list[Level]:
        """The levels now at the prices at which something changed since this was last asked; quantity 0: gone."""
        changes = [self.level(price) for price in self.touched]
        self.touched.clear()
        return changes

    def level(self, price: Money) -> Level:
        quantity, order_count = self.levels.get(price, (0, 0))
        return Level(price=price, quantity=quantity, order_count=order_count)


class MarketBook:
    """The view of one symbol, as it is after engine event ``position``."""

    def __init__(self, symbol: str, position: int) -> None:
        self.symbol = symbol
        self.position = position
        self.bids = BookSide()
        self.asks = BookSide()
        self.status = Status(Session.CONTINUOUS, None)
        # In the order in which they came to their places.
        self._orders: dict[int, Resting] = {}
        self.changes: list[Change] = []
        """What happened to single orders since ``take_changes``."""

    @classmethod
    def of_state(cls, state: BookState) -> "MarketBook":
        """The view of the engine's own book. Raises BookFaultError when that can't be a book."""
        book = cls(state.symbol, state.position)
        for order in state.orders:
            book._rest(order.order_id, order.side, order.price, order.open_quantity - order.hidden_quantity)
        book.status = Status(state.session, state.indication)
        book.forget_changes()
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
        for report in event.reports:
            if isinstance(report, (Trade, Decremented)):
                self._reduce(report.maker_order_id, report.quantity, report.maker_open)
                if report.taker_order_id in self._orders:
                    # In an auction both sides were at rest.
                    self._reduce(report.taker_order_id, report.quantity, report.taker_open)
            elif isinstance(report, SessionChanged):
                self.status = self.status._replace(session=report.session)
            elif isinstance(report, Accepted):
                self._rest(report.order_id, report.side, report.price, report.quantity - report.hidden)
            elif isinstance(report, Reloaded):
                self._reload(report.order_id, report.quantity - report.hidden)
            elif isinstance(report, Amended) and report.kept_place and report.order_id in self._orders:
                self._resize(report.order_id, report.quantity - report.hidden)
            elif isinstance(report, (Amended, Closed)) and report.order_id in self._orders:
                self._leave(report.order_id)
        if event.indication != self.status.indication:
            self.status = self.status._replace(indication=event.indication)
        self.position = event.seq

    def check(self) -> None:
        """Raises BookFaultError when bid and ask meet while there is trading: then somebody should have traded."""
        if self.status.session != Session.CONTINUOUS:
            return
        if self.best_bid and self.best_ask and self.best_bid >= self.best_ask:
            raise BookFaultError(f"bid {self.best_bid} meets ask {self.best_ask}")

    def depth(self, levels: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        """The best levels: bids from the highest price down, asks from the lowest up."""
        return (
            tuple([self.bids.level(price) for price in self.bids.prices[: -levels - 1 : -1]]),
            tuple([self.asks.level(price) for price in self.asks.prices[:levels]]),
        )

    def checksum(self) -> int:
        """Of the ten best levels of each side."""
        bids, asks = self.depth(LEVELS)
        return checksum([(one.price, one.quantity) for one in bids], [(one.price, one.quantity) for one in asks])

    def orders(self) -> tuple[list[tuple[int, Resting]], list[tuple[int, Resting]]]:
        """The orders that show something, by side and in the order in which they trade: price, then time."""
        shown = [(order_id, order) for order_id, order in self._orders.items() if order.shown]
        bids = [one for one in shown if one[1].side == Side.BUY]
        asks = [one for one in shown if one[1].side == Side.SELL]
        return sorted(bids, key=lambda one: -one[1].price), sorted(asks, key=lambda one: one[1].price)

    def forget_changes(self) -> None:
        """What happened so far leads from nothing to here: nobody is told."""
        self.bids.touched.clear()
        self.asks.touched.clear()
        self.changes.clear()

    def take_changes(self) -> list[Change]:
        """What happened to single orders since this was last asked."""
        changes, self.changes = self.changes, []
        return changes

    def change(self, change: Change) -> None:
        """Applies one change, as ``changes`` tells it. Raises BookFaultError where it does not fit."""
        if change[0] == "add":
            self._rest(*change[1:])
        elif change[0] == "quantity":
            self._resize(*change[1:])
        else:
            self._leave(change[1])

    def _rest(self, order_id: int, side: int, price: Money, quantity: Shares) -> None:
        if order_id in self._orders:
            raise BookFaultError(f"order {order_id} rests already")
        self._orders[order_id] = Resting(side, price, quantity)
        self._side(side).add(price, quantity, 1)
        self.changes.append(("add", order_id, side, price, quantity))

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
        self.changes.append(("quantity", order_id, shown) if shown else ("remove", order_id))

    def _reload(self, order_id: int, shown: Shares) -> None:
        """The next slice of an iceberg, at the end of its level."""
        order = self._order(order_id)
        if order.shown:
            raise BookFaultError(f"order {order_id} shows {order.shown} and is to show another slice")
        del self._orders[order_id]
        self._rest(order_id, order.side, order.price, shown)

    def _resize(self, order_id: int, shown: Shares) -> None:
        order = self._order(order_id)
        self._orders[order_id] = order._replace(shown=shown)
        self._side(order.side).add(order.price, shown - order.shown, 0)
        self.changes.append(("quantity", order_id, shown))

    def _leave(self, order_id: int) -> None:
        order = self._order(order_id)
        del self._orders[order_id]
        if order.shown:
            self._side(order.side).add(order.price, -order.shown, -1)
            self.changes.append(("remove", order_id))

    def _order(self, order_id: int) -> Resting:
        order = self._orders.get(order_id)
        if order is None:
            raise BookFaultError(f"order {order_id} does not rest here")
        return order

    def _side(self, side: int) -> BookSide:
        return self.bids if side == Side.BUY else self.asks
