# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The records of a book's orders, found by order id, and listed by account.

A record is made for every order that comes in, and is registered (gets an entry number, a place in the id table and
in its account's list) only when the order comes to rest or to wait. Records are used again, the one freed last first,
so that a taker's record is mostly in the cache.
"""

import cython

from services.matching_engine.kernel_ids import IdMap
from services.matching_engine.kernel_memory import doubled, room

if not cython.compiled:
    from services.matching_engine.kernel_layout import (
        ACCOUNT,
        ACCOUNT_NEXT,
        ACCOUNT_PREVIOUS,
        ENTRY,
        EXPIRY_LEVEL,
        EXTRA_BIT,
        FLAGS,
        NEXT,
        OPEN,
        ORDER_ID,
        ORDER_WORDS,
        PREVIOUS,
        TOTAL,
        TRAIL,
        TRIGGER,
        prefetch,
    )


class OrderPool:
    """All orders of one book. An order is the offset of its record in `words`; 0 means none."""

    __slots__ = ("accounts", "entries", "free_order", "next_order", "places", "words")

    def __init__(self, capacity: cython.longlong) -> None:
        self.words = room("q", ORDER_WORDS * (capacity + 1))
        self.next_order = ORDER_WORDS
        self.free_order = 0
        self.entries = 0
        self.places = IdMap(capacity)
        self.accounts = IdMap(64)

    def new(self) -> cython.Py_ssize_t:
        """Return a record whose fields are the caller's to fill in; its `ENTRY` and its third line are 0."""
        order: cython.longlong = self.free_order
        if order != 0:
            self.free_order = self.words[order + NEXT]
            if cython.compiled:  # the next order will want the one behind it
                prefetch(cython.address(self.words[self.free_order]))
                prefetch(cython.address(self.words[self.free_order + TOTAL]))
        else:
            if self.next_order == len(self.words):
                self.words = doubled(self.words)
            order = self.next_order
            self.next_order += ORDER_WORDS
        self.words[order + ENTRY] = 0
        return order

    def free(self, order: cython.longlong) -> None:
        """Give a record back. Its id reads 0 from here on, so that whoever still looks at it sees that it is gone."""
        if self.words[order + ENTRY] != 0:
            self._unregister(order)
        if (self.words[order + FLAGS] >> EXTRA_BIT) & 1:
            self.words[order + EXPIRY_LEVEL] = 0
            self.words[order + TRIGGER] = 0
            self.words[order + TRAIL] = 0
        self.words[order + ORDER_ID] = 0
        self.words[order + OPEN] = 0
        self.words[order + NEXT] = self.free_order
        self.free_order = order

    def find(self, order_id: cython.longlong) -> cython.longlong:
        """Return the registered order with this id, or 0."""
        return self.places.get(order_id) if order_id > 0 else 0

    def warm(self, order_id: cython.longlong) -> None:
        """Ask for the record of an order that is about to change."""
        order: cython.longlong = self.find(order_id)
        if cython.compiled and order != 0:
            prefetch(cython.address(self.words[order]))
            prefetch(cython.address(self.words[order + TOTAL]))

    def warm_neighbours(self, order_id: cython.longlong, account: cython.longlong) -> None:
        """Ask for the records that an order about to change is linked with, or that a new one will be."""
        order: cython.longlong = self.find(order_id)
        if cython.compiled and order != 0:
            prefetch(cython.address(self.words[self.words[order + NEXT]]))
            prefetch(cython.address(self.words[self.words[order + PREVIOUS]]))
            prefetch(cython.address(self.words[self.words[order + ACCOUNT_NEXT] + ACCOUNT_PREVIOUS]))
            prefetch(cython.address(self.words[self.words[order + ACCOUNT_PREVIOUS] + ACCOUNT_NEXT]))
        elif cython.compiled and account > 0:
            prefetch(cython.address(self.words[self.accounts.get(account) + ACCOUNT_PREVIOUS]))

    def register(self, order: cython.longlong, entry: cython.longlong) -> cython.Py_ssize_t:
        """Make an order known by its id and first in its account's list. Entry numbers only ever rise."""
        self.places.put(self.words[order + ORDER_ID], order)
        self.words[order + ENTRY] = entry
        first: cython.longlong = self.accounts.get(self.words[order + ACCOUNT])
        if first != 0:
            self.accounts.replace(self.words[order + ACCOUNT], order)
            self.words[first + ACCOUNT_PREVIOUS] = order
        else:
            self.accounts.put(self.words[order + ACCOUNT], order)
        self.words[order + ACCOUNT_NEXT] = first
        self.words[order + ACCOUNT_PREVIOUS] = 0
        return 0

    def _unregister(self, order: cython.longlong) -> None:
        self.places.remove(self.words[order + ORDER_ID])
        after: cython.longlong = self.words[order + ACCOUNT_NEXT]
        before: cython.longlong = self.words[order + ACCOUNT_PREVIOUS]
        if after != 0:
            self.words[after + ACCOUNT_PREVIOUS] = before
        if before != 0:
            self.words[before + ACCOUNT_NEXT] = after
        elif after != 0:
            self.accounts.replace(self.words[order + ACCOUNT], after)
        else:
            self.accounts.remove(self.words[order + ACCOUNT])
