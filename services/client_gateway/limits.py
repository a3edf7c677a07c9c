"""Token buckets: how much a user or an address may ask for. Pure; time comes in from outside."""

import math
from collections import OrderedDict
from dataclasses import dataclass

KEYS_MAX = 100_000
"""Buckets kept. The one unused the longest goes first; it is full again by then in any sensible setting."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``remaining`` requests are left now; ``retry_after_s`` is 0 for a request that may pass."""

    limit: int
    remaining: int
    reset_s: int
    retry_after_s: int

    def headers(self) -> dict[str, str]:
        """What every answer tells the client, and with a refusal when to come back."""
        told = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }
        return told | {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else told


class RateLimit:
    """A bucket of ``burst`` tokens per key that refills at ``per_s``."""

    def __init__(self, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        self._buckets: OrderedDict[object, tuple[float, float]] = OrderedDict()

    def take(self, key: object, now_s: float, tokens: int = 1) -> Verdict:
        """Takes tokens if they are there. What costs more than a whole bucket costs a whole bucket."""
        tokens = min(tokens, self._burst)
        left, since_s = self._buckets.pop(key, (float(self._burst), now_s))
        left = min(self._burst, left + (now_s - since_s) * self._per_s)
        passed = left >= tokens
        if passed:
            left -= tokens
        self._buckets[key] = (left, now_s)
        if len(self._buckets) > KEYS_MAX:
            self._buckets.popitem(last=False)
        return Verdict(
            limit=self._burst,
            remaining=int(left),
            reset_s=math.ceil((self._burst - left) / self._per_s),
            retry_after_s=0 if passed else max(1, math.ceil((tokens - left) / self._per_s)),
        )
