"""Rate, errors and durations counted as spans arrive, so that no figure over an hour has to read the hour's spans.

Spans are counted by when they start (in slots of ten seconds), by who they are (a series, or a pair of services that
call each other) and by how long they took, in a log-linear histogram: eight buckets per doubling, as wide as an eighth
of their lower bound at most. The rows of a batch are committed with its spans, into tables of the spans' partition, and
go when it goes. Rows of many batches are summed up now and then; what is older than some minutes into whole minutes.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from jaegerlite.columns import I32Array, I64Array, SpanColumns
from jaegerlite.partition import Partition

SLOT_NS: Final = 10_000_000_000
SLOT_MS: Final = SLOT_NS // 1_000_000
SLOTS_PER_MINUTE: Final = 6
# Slots younger than this stay as they are, for alerts and live figures.
FINE_SLOTS: Final = 15 * SLOTS_PER_MINUTE
STEPS_PER_DOUBLING: Final = 8
# A float64 has 52 bits of fraction; the upper three of them are the step within a doubling.
FRACTION_SHIFT: Final = 52 - 3
BUCKET_OF_ONE: Final = 1023 << 3
BUCKET_BITS: Final = 10
WHO_BITS: Final = 23
ROWS_AT_LEAST: Final = 20_000
ERROR: Final = 2


def bucket_of(duration_ns: npt.NDArray[np.int64]) -> I64Array:
    """The histogram buckets of durations in nanoseconds: 0 to 1007, rising with the duration.

    The bits of a positive float64 are its exponent followed by its fraction: cut off, they count eighths of doublings.
    """
    return (np.maximum(duration_ns, 1).astype(np.float64).view(np.int64) >> FRACTION_SHIFT) - BUCKET_OF_ONE


def bucket_bounds_ns(buckets: npt.NDArray[Any]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lower and upper bounds of buckets, in nanoseconds."""

    def lower(number: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.ldexp(1 + (number % STEPS_PER_DOUBLING) / STEPS_PER_DOUBLING, number // STEPS_PER_DOUBLING)

    numbers = np.asarray(buckets, np.int64)
    return lower(numbers), lower(numbers + 1)


@dataclass(frozen=True, slots=True)
class Tally:
    """Counted spans, a row for each slot, number and bucket that occurs."""

    slot: I32Array
    who: I32Array
    bucket: npt.NDArray[np.uint16]
    calls: I32Array
    errors: I32Array


def tally(start_ns: I64Array, who: I32Array, duration_ns: I64Array, failed: npt.NDArray[np.bool_]) -> Tally:
    """Count spans; `who` are numbers below 8,388,608."""
    # One sort of plain integers is several times faster than grouping rows of five; a failure is the lowest bit.
    keys = (start_ns // SLOT_NS).astype(np.uint64) << np.uint64(WHO_BITS + BUCKET_BITS + 1)
    keys |= who.astype(np.uint64) << np.uint64(BUCKET_BITS + 1)
    keys |= bucket_of(duration_ns).astype(np.uint64) << np.uint64(1)
    keys |= failed
    keys.sort()
    groups = keys >> np.uint64(1)
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1])) if len(keys) else np.empty(0, np.int64)
    groups = groups[first]
    errors = np.add.reduceat((keys & np.uint64(1)).astype(np.int32), first) if len(keys) else np.empty(0, np.int32)
    return Tally(
        (groups >> np.uint64(WHO_BITS + BUCKET_BITS)).astype(np.int32),
        (groups >> np.uint64(BUCKET_BITS) & np.uint64((1 << WHO_BITS) - 1)).astype(np.int32),
        (groups & np.uint64((1 << BUCKET_BITS) - 1)).astype(np.uint16),
        np.diff(np.append(first, len(keys))).astype(np.int32),
        errors,
    )


def red_rows(columns: SpanColumns) -> dict[str, Any]:
    """The rows of a batch for a partition's table of series."""
    n = columns.count
    counted = tally(columns.start_ns[:n], columns.series[:n], columns.duration_ns[:n], columns.status[:n] == ERROR)
    return {
        "slot": counted.slot,
        "series": counted.who,
        "bucket": counted.bucket,
        "calls": counted.calls,
        "errors": counted.errors,
    }


def needs_summing(partition: Partition) -> bool:
    """Whether so many rows came since the last time that summing them up pays."""
    return partition.rollup_rows > max(ROWS_AT_LEAST, 2 * partition.rollup_rows_summed)


def sum_up(cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
    """Put rows of the same slot together, and those older than a quarter of an hour into minutes; in a transaction."""
    fine_from = time.time_ns() // SLOT_NS - FINE_SLOTS
    rows = 0
    for table, who in ((partition.red_table, "series"), (partition.edge_table, "parent, child")):
        cursor.execute(
            f"CREATE OR REPLACE TABLE {table} AS"  # noqa: S608 - names of ours
            f" SELECT CASE WHEN slot < {fine_from:d} THEN slot - slot % {SLOTS_PER_MINUTE} ELSE slot END AS slot,"
            f" {who}, bucket, sum(calls)::INTEGER AS calls, sum(errors)::INTEGER AS errors"
            f" FROM {table} GROUP BY ALL ORDER BY {who}, bucket, slot"
        )
        counted = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
        rows += counted[0] if counted else 0
    partition.rollup_rows = partition.rollup_rows_summed = rows
