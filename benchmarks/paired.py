"""What one side costs beside another, from measurements taken in pairs, and how sure that is.

Each cycle measures both sides close together, so what drifts hits both; the effect of a cycle is their ratio. The
estimate is the median over the cycles, its interval comes from drawing cycles again with replacement (the percentile
bootstrap, Efron 1979), so no form of the noise is assumed.
"""

import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

DRAWS = 4000
CONFIDENCE = 0.95
SEED = 8347


@dataclass(frozen=True)
class Added:
    """What is added, in per cent: the median over the cycles and its 95 % interval."""

    percent: float
    low: float
    high: float
    cycles: int

    def within(self, bound_percent: float) -> bool | None:
        """Whether it lies within this bound on either side; None where the interval does not tell."""
        if -bound_percent <= self.low and self.high <= bound_percent:
            return True
        return False if self.low > bound_percent or self.high < -bound_percent else None

    def as_json(self) -> dict[str, Any]:
        return {name: round(value, 2) for name, value in asdict(self).items()}


def added(before: Sequence[float], after: Sequence[float]) -> Added:
    """What ``after`` has more than ``before``, cycle by cycle. Raises ValueError unless there are as many of both."""
    effects = [(new / old - 1) * 100 for old, new in zip(before, after, strict=True)]
    source = random.Random(SEED)
    medians = sorted(median(source.choices(effects, k=len(effects))) for _ in range(DRAWS))
    tail = round(DRAWS * (1 - CONFIDENCE) / 2)
    return Added(median(effects), medians[tail], medians[-1 - tail], len(effects))
