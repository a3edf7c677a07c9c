# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined,no-any-return"
# ruff: noqa: F821
"""Where ids and times come from.

Ids must be unique over all processes, not secret: a generator seeded by the operating system, and seeded again in a
forked child. Compiled, they come from xoshiro256++ (Blackman and Vigna, 2019) and times straight from the C library
(`sources.pxd` imports its names); in plain Python from the fastest things the standard library has.
"""

import os
import random
import time

import cython

_random = random.Random()  # noqa: S311
shift_ns = 0

MASK_64 = 0xFFFFFFFFFFFFFFFF
GOLDEN, MIX_1, MIX_2 = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def seed() -> None:
    """Start the generator anew from the operating system's randomness."""
    global state_0, state_1, state_2, state_3
    if cython.compiled:
        state_0, state_1, state_2, state_3 = [int.from_bytes(os.urandom(8), "little") | 1 for _ in range(4)]
    else:
        _random.seed()


def next_id() -> int:
    """64 random bits, never zero."""
    global state_0, state_1, state_2, state_3
    if cython.compiled:
        bits = state_0 + state_3
        bits = ((bits << 23) | (bits >> 41)) + state_0
        shifted = state_1 << 17
        state_2 ^= state_0
        state_3 ^= state_1
        state_1 ^= state_2
        state_0 ^= state_3
        state_2 ^= shifted
        state_3 = (state_3 << 45) | (state_3 >> 19)
        return bits or 1
    return _random.getrandbits(64) or 1


def mixed_id(seed: int, index: int) -> int:
    """The `index`-th of the ids that belong to a seed, never zero (SplitMix64, Steele, Lea and Flood, 2014)."""
    if cython.compiled:
        bits = seed + index * GOLDEN
        bits = (bits ^ (bits >> 30)) * MIX_1
        bits = (bits ^ (bits >> 27)) * MIX_2
    else:
        bits = (seed + index * GOLDEN) & MASK_64
        bits = ((bits ^ (bits >> 30)) * MIX_1) & MASK_64
        bits = ((bits ^ (bits >> 27)) * MIX_2) & MASK_64
    return (bits ^ (bits >> 31)) or 1


def monotonic_ns() -> int:
    """Nanoseconds that only ever grow, from an arbitrary start."""
    if cython.compiled:
        return read_clock(CLOCK_MONOTONIC)
    return time.monotonic_ns()


def wall_ns() -> int:
    """Nanoseconds since the Unix epoch."""
    if cython.compiled:
        return read_clock(CLOCK_REALTIME) + shift_ns
    return time.time_ns() + shift_ns


def shift_clock(by_ns: int) -> None:
    """From now on `wall_ns` is off by this much: to see what a wrong clock does to traces. 0 sets it right."""
    global shift_ns
    shift_ns = by_ns


seed()
os.register_at_fork(after_in_child=seed)
