"""Many histograms of durations at once: calls, errors and percentiles of each, from counted spans (`rollup.py`)."""

from typing import Any

import numpy as np
import numpy.typing as npt

from jaegerlite.rollup import BUCKET_BITS, bucket_bounds_ns

F64Array = npt.NDArray[np.float64]
I64Array = npt.NDArray[np.int64]


class Histograms:
    """A histogram for each cell from 0 to `cells` - 1; a cell is whatever the caller counts by."""

    def __init__(
        self,
        cell: npt.NDArray[Any],
        bucket: npt.NDArray[Any],
        calls: npt.NDArray[Any],
        errors: npt.NDArray[Any],
        cells: int,
    ) -> None:
        """Rows of cell, bucket, calls and errors, in any order; rows of the same cell and bucket add up."""
        keys, places = np.unique(cell.astype(np.int64) << BUCKET_BITS | bucket.astype(np.int64), return_inverse=True)
        self._cell = keys >> BUCKET_BITS
        self._calls_by_row = np.bincount(places, calls, len(keys))
        self._lower_ns, self._upper_ns = bucket_bounds_ns(keys & ((1 << BUCKET_BITS) - 1))
        self.calls: I64Array = np.bincount(self._cell, self._calls_by_row, cells).astype(np.int64)
        self.errors: I64Array = np.bincount(cell.astype(np.int64), errors, cells).astype(np.int64)
        middle_ns = (self._lower_ns + self._upper_ns) / 2
        self.total_ns: F64Array = np.bincount(self._cell, self._calls_by_row * middle_ns, cells).astype(np.float64)

    def quantile_ns(self, quantile: float) -> F64Array:
        """A percentile of each cell in nanoseconds, `quantile` from 0 to 1; NaN where a cell has no calls.

        The histogram's buckets are an eighth of a doubling wide; within one, calls count as evenly spread.
        """
        result: F64Array = np.full(len(self.calls), np.nan)
        filled = np.flatnonzero(self.calls)
        if len(filled):
            reached = np.cumsum(self._calls_by_row)
            before = np.cumsum(self.calls) - self.calls
            wanted = before[filled] + quantile * self.calls[filled]
            row = np.searchsorted(reached, wanted)
            first, last = np.searchsorted(self._cell, filled), np.searchsorted(self._cell, filled, "right") - 1
            row = np.clip(row, first, last)
            share = (wanted - (reached[row] - self._calls_by_row[row])) / self._calls_by_row[row]
            low, high = self._lower_ns[row], self._upper_ns[row]
            result[filled] = low + np.clip(share, 0, 1) * (high - low)
        return result
