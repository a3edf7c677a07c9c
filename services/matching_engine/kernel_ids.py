# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""A hash table from order id to the place of the order's record, in one flat array.

Open addressing with linear probing. Eight neighbouring ids share a block, since ids that were given out together are
mostly used together. A removal shifts the following entries back, so there are no tombstones and a search never slows
with age. The table doubles when it is half full; give the capacity you expect to avoid that pause.
"""

import cython

from services.matching_engine.kernel_memory import room

if not cython.compiled:
    from services.matching_engine.kernel_layout import prefetch

GOLDEN = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
WORD_MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)


class IdMap:
    """Maps positive 63-bit ids to positive 63-bit values. A value of 0 means "not there"."""

    __slots__ = ("count", "mask", "shift", "table")

    def __init__(self, capacity: cython.longlong) -> None:
        bits: cython.longlong = 6
        while (1 << bits) < 2 * capacity:
            bits += 1
        self.count = 0
        self.shift = 64 - bits
        self.mask = (1 << bits) - 1
        self.table = room("q", 2 << bits)

    def _home(self, key: cython.ulonglong) -> cython.longlong:
        block: cython.ulonglong = (((key >> 3) * GOLDEN) & WORD_MASK) >> self.shift
        return (block & ~cython.cast(cython.ulonglong, 7) | (key & 7)) & self.mask

    def get(self, key: cython.longlong) -> cython.longlong:
        """Return the value of `key`, or 0."""
        place: cython.longlong = self._home(key)
        while self.table[2 * place + 1] != 0:
            if self.table[2 * place] == key:
                return self.table[2 * place + 1]
            place = (place + 1) & self.mask
        return 0

    def warm(self, key: cython.longlong) -> None:
        """Ask for the memory that the next call with `key` will read."""
        if cython.compiled:
            prefetch(cython.address(self.table[2 * self._home(key)]))

    def put(self, key: cython.longlong, value: cython.longlong) -> cython.Py_ssize_t:
        """Add `key`, which must not be there yet."""
        if 2 * (self.count + 1) > self.mask + 1:
            self._grow()
        place: cython.longlong = self._home(key)
        while self.table[2 * place + 1] != 0:
            place = (place + 1) & self.mask
        self.table[2 * place] = key
        self.table[2 * place + 1] = value
        self.count += 1
        return 0

    def replace(self, key: cython.longlong, value: cython.longlong) -> cython.longlong:
        """Give `key`, which must be there, another value, and return the one it had."""
        place: cython.longlong = self._home(key)
        while self.table[2 * place] != key or self.table[2 * place + 1] == 0:
            place = (place + 1) & self.mask
        before: cython.longlong = self.table[2 * place + 1]
        self.table[2 * place + 1] = value
        return before

    def remove(self, key: cython.longlong) -> cython.longlong:
        """Take `key` out and return its value, or 0 when it was not there."""
        place: cython.longlong = self._home(key)
        while self.table[2 * place] != key or self.table[2 * place + 1] == 0:
            if self.table[2 * place + 1] == 0:
                return 0
            place = (place + 1) & self.mask
        value: cython.longlong = self.table[2 * place + 1]
        self._close_gap(place)
        self.count -= 1
        return value

    def _close_gap(self, gap: cython.longlong) -> None:
        """Move back each following entry that may not stay behind an empty place."""
        place: cython.longlong = gap
        while True:
            place = (place + 1) & self.mask
            if self.table[2 * place + 1] == 0:
                break
            home: cython.longlong = self._home(self.table[2 * place])
            if ((place - home) & self.mask) >= ((place - gap) & self.mask):
                self.table[2 * gap] = self.table[2 * place]
                self.table[2 * gap + 1] = self.table[2 * place + 1]
                gap = place
        self.table[2 * gap + 1] = 0

    def _grow(self) -> cython.Py_ssize_t:
        larger = IdMap(self.mask + 1)
        place: cython.longlong
        for place in range(self.mask + 1):
            if self.table[2 * place + 1] != 0:
                larger.put(self.table[2 * place], self.table[2 * place + 1])
        self.mask = larger.mask
        self.shift = larger.shift
        self.table = larger.table
        return 0
