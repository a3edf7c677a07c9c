"""Figures over a window that slides: at each point in time, what was called in the stretch before it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jaegerlite.histogram import F64Array
from jaegerlite.rollup import bucket_bounds_ns

I64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sliding:
    """The histogram of one group before each point in time: a row per point, a column per bucket that occurs."""

    calls: I64Array
    errors: I64Array
    _counts: I64Array
    _lower_ns: F64Array
    _upper_ns: F64Array

    def quantile_ns(self, quantile: float) -> F64Array:
        """A percentile before each point in nanoseconds, `quantile` from 0 to 1; NaN where nothing was called."""
        reached = np.cumsum(self._counts, axis=1)
        wanted = quantile * self.calls
        column = np.minimum((reached < wanted[:, None]).sum(axis=1), self._counts.shape[1] - 1)
        points = np.arange(len(column))
        inside = self._counts[points, column]
        with np.errstate(invalid="ignore", divide="ignore"):
            share = (wanted - (reached[points, column] - inside)) / inside
        low, high = self._lower_ns[column], self._upper_ns[column]
        return np.where(self.calls > 0, low + np.clip(share, 0, 1) * (high - low), np.nan)


def slide(rows: dict[str, I64Array], begins: I64Array, ends: I64Array) -> Sliding:
    """Sum rows of step, bucket, calls and errors over the steps from `begins` up to before `ends`, for each point."""
    step, calls = rows["step"], rows["calls"]
    buckets, column = np.unique(rows["bucket"], return_inverse=True)
    steps = int(max(ends.max(), step.max() + 1))
    cells = step * len(buckets) + column
    counts = np.bincount(cells, calls, steps * len(buckets)).astype(np.int64).reshape(steps, len(buckets))
    failed = np.bincount(step, rows["errors"], steps).astype(np.int64)
    counts_until = np.vstack([np.zeros((1, len(buckets)), np.int64), np.cumsum(counts, axis=0)])
    failed_until = np.append(0, np.cumsum(failed))
    inside = counts_until[ends] - counts_until[begins]
    lower_ns, upper_ns = bucket_bounds_ns(buckets)
    return Sliding(inside.sum(axis=1), failed_until[ends] - failed_until[begins], inside, lower_ns, upper_ns)
