# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The stop orders of a book that wait for the last price to reach their trigger (docs/matching.md, 5)."""

from array import array

import cython

from services.matching_engine.kernel_orders import OrderPool
from services.matching_engine.kernel_queues import Queues

if not cython.compiled:
    from services.matching_engine.kernel_codes import BUY
    from services.matching_engine.kernel_layout import (
        FLAGS,
        KEY,
        KEY_STEPS,
        LEVEL,
        MAX_KEY,
        MAX_TRAILING,
        TRAIL,
        TRIGGER,
    )


class Stops:
    """Waiting orders by trigger: buys with the lowest first, sells with the highest first."""

    __slots__ = ("buys", "pool", "sells", "tick_size", "trailing", "trailing_count")

    def __init__(self, pool: OrderPool, tick_size: cython.longlong) -> None:
        self.pool = pool
        self.tick_size = tick_size
        self.buys = Queues(pool, LEVEL, KEY_STEPS)
        self.sells = Queues(pool, LEVEL, KEY_STEPS)
        self.trailing = array("q", bytes(8 * MAX_TRAILING))
        self.trailing_count = 0

    def join(self, order: cython.longlong) -> cython.Py_ssize_t:
        """Let an order wait for its trigger, behind those that wait for the same."""
        tick: cython.longlong = self.pool.words[order + TRIGGER] // self.tick_size
        if self.pool.words[order + FLAGS] & 255 == BUY:
            return self.buys.join(order, tick)
        return self.sells.join(order, MAX_KEY - tick)

    def leave(self, order: cython.longlong) -> None:
        """Take an order out of its queue. It stays in the list of those that trail; see `forget`."""
        self.queues_of(order).leave(order)

    def queues_of(self, order: cython.longlong) -> Queues:
        """Return the queues that an order waits in."""
        return self.buys if self.pool.words[order + FLAGS] & 255 == BUY else self.sells

    def trail(self, order: cython.longlong) -> None:
        """Let an order's trigger follow the last price from here on."""
        self.trailing[self.trailing_count] = order
        self.trailing_count += 1

    def forget(self, order: cython.longlong) -> None:
        """Take an order out of the list of those that trail."""
        at: cython.longlong = 0
        while self.trailing[at] != order:
            at += 1
        self.trailing_count -= 1
        while at < self.trailing_count:
            self.trailing[at] = self.trailing[at + 1]
            at += 1

    def trailed(self, side: cython.longlong, distance: cython.longlong, last_price: cython.longlong) -> cython.longlong:
        """Return the trigger at this distance from the last price."""
        trigger: cython.longlong = last_price + distance if side == BUY else last_price - distance
        if trigger < 0:
            return 0
        highest: cython.longlong = MAX_KEY * self.tick_size
        return trigger if trigger < highest else highest

    def follow(self, last_price: cython.longlong) -> cython.Py_ssize_t:
        """Move each trailing trigger that the last price makes better for its order."""
        at: cython.longlong = 0
        while at < self.trailing_count:
            order: cython.longlong = self.trailing[at]
            side: cython.longlong = self.pool.words[order + FLAGS] & 255
            trigger: cython.longlong = self.trailed(side, self.pool.words[order + TRAIL], last_price)
            before: cython.longlong = self.pool.words[order + TRIGGER]
            if (side == BUY and trigger < before) or (side != BUY and trigger > before):
                self.leave(order)
                self.pool.words[order + TRIGGER] = trigger
                self.join(order)
            at += 1
        return 0

    def triggered(self, last_price: cython.longlong) -> cython.longlong:
        """Return the order that the last price triggers next, or 0."""
        tick: cython.longlong = last_price // self.tick_size
        if self.buys.best != 0 and self.buys.levels[self.buys.best + KEY] <= tick:
            return self.buys.first()
        if self.sells.best != 0 and self.sells.levels[self.sells.best + KEY] <= MAX_KEY - tick:
            return self.sells.first()
        return 0
