# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The price levels of one side, found by price in a fixed number of steps.

A level's key is its distance from the best possible price in ticks: a sell at tick t has key t, a buy has key MAX_KEY
- t. The best level is the one with the smallest key on either side, so both sides run the same code. Keys are kept in
a tree of 64-way nodes, six bits of the key per step, five steps deep for prices: finding, adding and removing a
level, and finding the one after it, cost the same whether there are ten levels or ten million. Nodes and levels that
fall empty are used again.
"""

from array import array

import cython

from services.matching_engine.kernel_memory import doubled

if not cython.compiled:
    from services.matching_engine.kernel_layout import COUNT, HEAD, HIDDEN_QUANTITY, KEY, LEVEL_WORDS, QUANTITY, TAIL


def lowest_bit(bitmap: cython.ulonglong) -> cython.longlong:
    """Return the place (0..63) of the lowest set bit of a bitmap that is not 0."""
    place: cython.longlong = 0
    if bitmap & 0xFFFFFFFF == 0:
        bitmap >>= 32
        place += 32
    if bitmap & 0xFFFF == 0:
        bitmap >>= 16
        place += 16
    if bitmap & 0xFF == 0:
        bitmap >>= 8
        place += 8
    if bitmap & 0xF == 0:
        bitmap >>= 4
        place += 4
    if bitmap & 0x3 == 0:
        bitmap >>= 2
        place += 2
    if bitmap & 0x1 == 0:
        place += 1
    return place


class Ladder:
    """The levels of one side. A level is the offset of its record in `levels`; 0 means none."""

    __slots__ = (
        "best",
        "bitmaps",
        "children",
        "count",
        "free_level",
        "free_node",
        "levels",
        "next_level",
        "next_node",
        "path",
        "steps",
        "top_shift",
    )

    def __init__(self, steps: cython.longlong) -> None:
        self.steps = steps
        self.top_shift = 6 * (steps - 1)
        self.best = 0
        self.count = 0
        self.levels = array("q", bytes(8 * LEVEL_WORDS * 64))
        self.next_level = LEVEL_WORDS
        self.free_level = 0
        self.bitmaps = array("Q", bytes(8 * 64))
        self.children = array("i", bytes(4 * 64 * 64))
        self.next_node = 1
        self.free_node = 0
        self.path = array("q", bytes(8 * steps))

    def find(self, key: cython.longlong) -> cython.longlong:
        """Return the level with this key, or 0."""
        node: cython.longlong = 0
        shift: cython.longlong = self.top_shift
        while shift >= 0:
            place: cython.longlong = (key >> shift) & 63
            if (self.bitmaps[node] >> place) & 1 == 0:
                return 0
            node = self.children[node * 64 + place]
            shift -= 6
        return node

    def find_or_add(self, key: cython.longlong) -> cython.Py_ssize_t:
        """Return the level with this key, a new empty one if there was none."""
        node: cython.longlong = 0
        shift: cython.longlong = self.top_shift
        while shift >= 0:
            place: cython.longlong = (key >> shift) & 63
            if (self.bitmaps[node] >> place) & 1 == 0:
                child: cython.longlong = self._new_node() if shift > 0 else self._new_level(key)
                self.children[node * 64 + place] = child
                self.bitmaps[node] |= cython.cast(cython.ulonglong, 1) << place
            node = self.children[node * 64 + place]
            shift -= 6
        if self.best == 0 or key < self.levels[self.best + KEY]:
            self.best = node
        return node

    def remove(self, level: cython.longlong) -> None:
        """Take an empty level out."""
        key: cython.longlong = self.levels[level + KEY]
        node: cython.longlong = 0
        step: cython.longlong = 0
        while step < self.steps:
            self.path[step] = node
            node = self.children[node * 64 + ((key >> (self.top_shift - 6 * step)) & 63)]
            step += 1
        while step > 0:
            step -= 1
            node = self.path[step]
            place: cython.longlong = (key >> (self.top_shift - 6 * step)) & 63
            self.bitmaps[node] &= ~(cython.cast(cython.ulonglong, 1) << place)
            if self.bitmaps[node] != 0 or node == 0:
                break
            self.children[node * 64] = self.free_node
            self.free_node = node
        self.levels[level + HEAD] = self.free_level
        self.free_level = level
        self.count -= 1
        if level == self.best:
            self.best = self.after(key)

    def after(self, key: cython.longlong) -> cython.longlong:
        """Return the level with the smallest key above `key`, or 0. The level with `key` itself need not exist."""
        fork: cython.longlong = -1
        fork_node: cython.longlong = 0
        node: cython.longlong = 0
        shift: cython.longlong = self.top_shift
        while shift >= 0:
            place: cython.longlong = (key >> shift) & 63
            if (self.bitmaps[node] >> place) > 1:
                fork = shift
                fork_node = node
            if (self.bitmaps[node] >> place) & 1 == 0:
                break
            node = self.children[node * 64 + place]
            shift -= 6
        if fork < 0:
            return 0
        place = (key >> fork) & 63
        place += 1 + lowest_bit(self.bitmaps[fork_node] >> place >> 1)
        node = self.children[fork_node * 64 + place]
        while fork > 0:
            fork -= 6
            node = self.children[node * 64 + lowest_bit(self.bitmaps[node])]
        return node

    def _new_node(self) -> cython.Py_ssize_t:
        node: cython.longlong = self.free_node
        if node != 0:
            self.free_node = self.children[node * 64]
            return node
        if self.next_node == len(self.bitmaps):
            self.bitmaps = doubled(self.bitmaps)
            self.children = doubled(self.children)
        node = self.next_node
        self.next_node += 1
        return node

    def _new_level(self, key: cython.longlong) -> cython.Py_ssize_t:
        level: cython.longlong = self.free_level
        if level != 0:
            self.free_level = self.levels[level + HEAD]
        else:
            if self.next_level == len(self.levels):
                self.levels = doubled(self.levels)
            level = self.next_level
            self.next_level += LEVEL_WORDS
        self.levels[level + KEY] = key
        self.levels[level + HEAD] = 0
        self.levels[level + TAIL] = 0
        self.levels[level + QUANTITY] = 0
        self.levels[level + HIDDEN_QUANTITY] = 0
        self.levels[level + COUNT] = 0
        self.count += 1
        return level
