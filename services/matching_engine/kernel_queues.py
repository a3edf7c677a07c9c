# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Orders in queues, one queue per level of a ladder: first in, first out.

A side of the book is queues by price; waiting stops are queues by trigger; expiring orders are queues by second. An
order's record carries its links, so joining and leaving touch its two neighbours and its level, however long the
queue is.
"""

import cython

from services.matching_engine.kernel_ladder import Ladder
from services.matching_engine.kernel_orders import OrderPool

if not cython.compiled:
    from services.matching_engine.kernel_layout import (
        COUNT,
        FLAGS,
        HEAD,
        HIDDEN,
        HIDDEN_QUANTITY,
        ICEBERG_BIT,
        KEY,
        OPEN,
        QUANTITY,
        TAIL,
    )


class Queues(Ladder):
    """A ladder whose levels are queues of the orders of `pool`, linked by the three words that begin at `links`."""

    __slots__ = ("links", "pool")

    def __init__(self, pool: OrderPool, links: cython.longlong, steps: cython.longlong) -> None:
        Ladder.__init__(self, steps)
        self.pool = pool
        self.links = links

    def join(self, order: cython.longlong, key: cython.longlong) -> cython.Py_ssize_t:
        """Put an order at the end of the queue with this key."""
        level: cython.longlong = self.find_or_add(key)
        last: cython.longlong = self.levels[level + TAIL]
        link: cython.longlong = self.links
        self.pool.words[order + link] = level
        self.pool.words[order + link + 1] = 0
        self.pool.words[order + link + 2] = last
        if last != 0:
            self.pool.words[last + link + 1] = order
        else:
            self.levels[level + HEAD] = order
        self.levels[level + TAIL] = order
        self.levels[level + QUANTITY] += self.pool.words[order + OPEN]
        if (self.pool.words[order + FLAGS] >> ICEBERG_BIT) & 1:
            self.levels[level + HIDDEN_QUANTITY] += self.pool.words[order + HIDDEN]
        self.levels[level + COUNT] += 1
        return 0

    def leave(self, order: cython.longlong) -> None:
        """Take an order out of its queue, and the level out of the ladder when it was the last."""
        link: cython.longlong = self.links
        level: cython.longlong = self.pool.words[order + link]
        after: cython.longlong = self.pool.words[order + link + 1]
        before: cython.longlong = self.pool.words[order + link + 2]
        self.pool.words[order + link] = 0
        if before != 0:
            self.pool.words[before + link + 1] = after
        else:
            self.levels[level + HEAD] = after
        if after != 0:
            self.pool.words[after + link + 2] = before
        else:
            self.levels[level + TAIL] = before
        self.levels[level + QUANTITY] -= self.pool.words[order + OPEN]
        if (self.pool.words[order + FLAGS] >> ICEBERG_BIT) & 1:
            self.levels[level + HIDDEN_QUANTITY] -= self.pool.words[order + HIDDEN]
        self.levels[level + COUNT] -= 1
        if self.levels[level + COUNT] == 0:
            self.remove(level)

    def first(self) -> cython.longlong:
        """Return the first order of the best level, or 0."""
        return self.levels[self.best + HEAD] if self.best != 0 else 0

    def following(self, order: cython.longlong) -> cython.longlong:
        """Return the order after this one, going on to the next level at the end of a queue, or 0."""
        after: cython.longlong = self.pool.words[order + self.links + 1]
        if after != 0:
            return after
        level: cython.longlong = self.after(self.levels[self.pool.words[order + self.links] + KEY])
        return self.levels[level + HEAD] if level != 0 else 0
