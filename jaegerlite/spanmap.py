# cython: language_level=3
"""A hash table from span id to a small number, for whole arrays at a time.

Open addressing with linear probing over two NumPy arrays; ids are random, so their low bits serve as the hash.
Compiled by Cython it takes some tens of nanoseconds per span; the same source runs as plain Python.
"""

import cython
import numpy as np

from jaegerlite.columns import I32Array, U64Array


class SpanMap:
    """Maps uint64 ids (never 0) to int32 numbers from 0 up; of two entries for one id the later wins."""

    def __init__(self, slots: int) -> None:
        """Make a table of `slots` places, a power of two; lookups stay quick while at most 60 % of them are taken."""
        assert slots & (slots - 1) == 0
        self.keys = np.zeros(slots, np.uint64)
        self.values = np.zeros(slots, np.int32)
        self.taken = 0

    def has_room_for(self, count: int) -> bool:
        """Whether this many more entries leave the table quick."""
        return self.taken + count <= len(self.keys) * 6 // 10

    def put(self, ids: U64Array, numbers: I32Array) -> None:
        """Store a number (int32) for each id; the caller asked `has_room_for` first."""
        self.taken += _put(self.keys, self.values, ids, numbers)

    def get(self, ids: U64Array, numbers: I32Array) -> None:
        """Write the number of each known id into `numbers` (int32); leave the places of the unknown ones alone."""
        _get(self.keys, self.values, ids, numbers)


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _put(
    keys: cython.ulonglong[:], values: cython.int[:], ids: cython.ulonglong[:], numbers: cython.int[:]
) -> cython.Py_ssize_t:
    mask: cython.ulonglong = len(keys) - 1
    slot: cython.ulonglong
    row: cython.Py_ssize_t
    added: cython.Py_ssize_t = 0
    for row in range(len(ids)):
        slot = ids[row] & mask
        while keys[slot] != 0 and keys[slot] != ids[row]:
            slot = (slot + 1) & mask
        added += 1 if keys[slot] == 0 else 0
        keys[slot] = ids[row]
        values[slot] = numbers[row]
    return added


@cython.cfunc
@cython.boundscheck(False)
@cython.wraparound(False)
def _get(
    keys: cython.ulonglong[:], values: cython.int[:], ids: cython.ulonglong[:], numbers: cython.int[:]
) -> cython.void:
    mask: cython.ulonglong = len(keys) - 1
    slot: cython.ulonglong
    row: cython.Py_ssize_t
    for row in range(len(ids)):
        slot = ids[row] & mask
        while keys[slot] != 0 and keys[slot] != ids[row]:
            slot = (slot + 1) & mask
        if keys[slot] != 0:
            numbers[row] = values[slot]
