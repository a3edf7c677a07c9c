"""Order ids: 63-bit integers that sort by time, made without asking anybody.

41 bits of milliseconds since 2025-01-01 UTC, 10 bits of node, 12 bits of counter. The database keeps them close
together on disk, and an id tells its own age, so that a command that is too old can be refused without a memory of it.
"""

import time

EPOCH_MS = 1_735_689_600_000
NODE_BITS, COUNTER_BITS = 10, 12
NODE_MAX = (1 << NODE_BITS) - 1


def next_after(last: int, time_us: int, node: int) -> int:
    """The first id of a node at this time or later that is greater than ``last``, whichever node made that."""
    tick = (last >> (NODE_BITS + COUNTER_BITS) << COUNTER_BITS) | (last & ((1 << COUNTER_BITS) - 1))
    tick = max(tick + 1, (time_us // 1000 - EPOCH_MS) << COUNTER_BITS)
    ms, counter = divmod(tick, 1 << COUNTER_BITS)
    return (ms << (NODE_BITS + COUNTER_BITS)) | (node << COUNTER_BITS) | counter


class OrderIds:
    """Makes ids for one process. ``node`` (0 to 1023) must differ between processes that run at the same time."""

    def __init__(self, node: int = 0) -> None:
        if not 0 <= node <= NODE_MAX:
            raise ValueError(f"node must be between 0 and {NODE_MAX}")
        self._node = node << COUNTER_BITS
        self._last = 0

    def next(self) -> int:
        """A new id, greater than every id made before. Runs ahead of the clock rather than repeat or go back."""
        now = (time.time_ns() // 1_000_000 - EPOCH_MS) << COUNTER_BITS
        self._last = max(self._last + 1, now)
        ms, counter = divmod(self._last, 1 << COUNTER_BITS)
        return (ms << (NODE_BITS + COUNTER_BITS)) | self._node | counter


def first_at(time_us: int) -> int:
    """The smallest id that can be made at this time, in microseconds of Unix time."""
    return (time_us // 1000 - EPOCH_MS) << (NODE_BITS + COUNTER_BITS)


def node_of(order_id: int) -> int:
    """The node that made an id."""
    return (order_id >> COUNTER_BITS) & NODE_MAX


def created_us(order_id: int) -> int:
    """When an id was made, in microseconds of Unix time (exact to the millisecond)."""
    return ((order_id >> (NODE_BITS + COUNTER_BITS)) + EPOCH_MS) * 1000
