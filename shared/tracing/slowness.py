# cython: language_level=3, annotation_typing=False
"""Which root spans are slow: slower than a fixed time, or than most of the same operation so far.

Per operation a histogram with 32 buckets to each doubling gives a running quantile. It is taken from its careful side:
two standard errors below the estimate, so few observations keep more rather than less; the first ones, made while
caches are cold, are all slow and not counted. Old observations fade.
"""

import math

WARM_UP = 100
FADE_AT = 20_000
LOOK_EVERY = 64
OPERATIONS_MAX = 1000
SUB_BITS = 5
BUCKETS = 64 << SUB_BITS


class Durations:
    """The durations of one operation, and from which on (ns) one counts as slow."""

    def __init__(self) -> None:
        self.seen = 0
        self.count = 0
        self.buckets = [0] * BUCKETS
        self.threshold_ns = 0

    def note(self, duration_ns: int, quantile: float) -> bool:
        """Count one in; whether it is slow."""
        self.seen += 1
        if self.seen <= WARM_UP:
            return True
        slow = duration_ns >= self.threshold_ns
        self.buckets[bucket_of(duration_ns)] += 1
        self.count += 1
        if self.count % LOOK_EVERY == 0:
            self.look(quantile)
        return slow

    def look(self, quantile: float) -> None:
        """Find the threshold anew; halve all counts once there are many."""
        above = (1.0 - quantile) * self.count + 2.0 * math.sqrt(quantile * (1.0 - quantile) * self.count)
        found = 0
        for index in range(BUCKETS - 1, -1, -1):
            found += self.buckets[index]
            if found >= above:
                self.threshold_ns = lower_edge_ns(index)
                break
        if self.count >= FADE_AT:
            self.buckets = [count >> 1 for count in self.buckets]
            self.count = sum(self.buckets)


class Slowness:
    """Judges root spans by their name and duration. A `quantile` or `slow_ms` of 0 turns that measure off."""

    def __init__(self, quantile: float = 0.98, slow_ms: float = 0.0) -> None:
        self.quantile = quantile
        self.slow_ns = int(slow_ms * 1e6)
        self.operations: dict[str, Durations] = {}

    def note(self, name: str, duration_ns: int) -> bool:
        """Count a root span in; whether it is slow."""
        slow = self.slow_ns > 0 and duration_ns >= self.slow_ns
        if self.quantile > 0.0:
            durations = self.operations.get(name)
            if durations is None:
                if len(self.operations) >= OPERATIONS_MAX:
                    name = ""
                durations = self.operations.setdefault(name, Durations())
            slow = durations.note(duration_ns, self.quantile) or slow
        return slow


def bucket_of(duration_ns: int) -> int:
    """The bucket of a duration: its power of two, and the five bits behind the first."""
    if duration_ns < 1 << SUB_BITS:
        return max(0, duration_ns)
    shift, rest = 0, duration_ns
    while rest >= 2 << SUB_BITS:
        rest >>= 1
        shift += 1
    return min(BUCKETS - 1, (shift << SUB_BITS) + (duration_ns >> shift))


def lower_edge_ns(index: int) -> int:
    """The smallest duration of a bucket."""
    if index < 2 << SUB_BITS:
        return index
    shift = (index >> SUB_BITS) - 1
    edge = index - (shift << SUB_BITS)
    return edge << shift
