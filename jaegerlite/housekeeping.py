"""What the writing thread does between flushes: merge small chunks, begin new partitions, delete old ones, sum up.

All of it leaves the store as it was when it fails, and is tried again the next time.
"""

import logging
import time
from itertools import pairwise
from typing import Final

import duckdb
import numpy as np

from jaegerlite import metrics
from jaegerlite.directory import TraceDirectory
from jaegerlite.merge import SMALL_CHUNKS_MAX, load_columns, small_chunks
from jaegerlite.partition import Partition
from jaegerlite.partitions import SPANS_MAX, Partitions
from jaegerlite.rollup import needs_summing, sum_up
from jaegerlite.sql import number_list
from jaegerlite.writer import Writer, transaction

INTERVAL_S: Final = 30.0
# A partition ends after this share of the retention's age or size, which is how exactly the retention is kept.
SHARE_OF_AGE: Final = 1 / 28
SHARE_OF_SIZE: Final = 1 / 16
PARTITION_BYTES_MAX: Final = 64_000_000
# A partition of which merging left more than this share behind is copied when it ends, to give the room back.
REPLACED_SHARE_MAX: Final = 0.3
NS_PER_MS: Final = 1_000_000
log = logging.getLogger("jaegerlite")


class Housekeeping:
    """Keeps the store tidy and within its age (hours) and size (bytes on disk)."""

    def __init__(
        self,
        writer: Writer,
        partitions: Partitions,
        directory: TraceDirectory,
        *,
        retention_hours: float,
        disk_bytes_max: int,
    ) -> None:
        self._writer = writer
        self._partitions = partitions
        self._directory = directory
        self._age_ms_max = int(retention_hours * 3_600_000)
        self._disk_bytes_max = disk_bytes_max
        self._gone: list[int] = []
        self._due_s = time.monotonic() + INTERVAL_S

    def after_flush(self) -> None:
        """Merge if there are many small chunks; roll over if the partition is full; sometimes look at age and size."""
        current = self._writer.current
        if current.small_chunks >= SMALL_CHUNKS_MAX:
            self._merge(small_chunks(self._writer.cursor, current))
        if needs_summing(current):
            with transaction(self._writer.cursor):
                sum_up(self._writer.cursor, current)
        bytes_max = min(PARTITION_BYTES_MAX, self._disk_bytes_max * SHARE_OF_SIZE)
        if current.spans >= SPANS_MAX or current.live_bytes >= bytes_max:
            self._roll_over()
        if self.is_due():
            self.look_at_age_and_size()

    def is_due(self) -> bool:
        """Whether it is time to look at age and size again, whether or not spans came."""
        return time.monotonic() >= self._due_s

    def _merge(self, small: list[int]) -> None:
        # Readers may have been at the chunks that the last merge replaced; by now they are through with them.
        self._directory.drop(np.array(self._gone, np.uint32))
        current = self._writer.current
        columns, arrived_ms, packed_bytes = load_columns(self._writer.cursor, current, small)
        batch = self._writer.pack(columns, arrived_ms)
        numbers = number_list(small)
        with transaction(self._writer.cursor):
            self._writer.cursor.execute(f"DELETE FROM {current.chunk_table} WHERE id IN ({numbers})")  # noqa: S608
            self._writer.cursor.execute(f"DELETE FROM {current.span_table} WHERE chunk IN ({numbers})")  # noqa: S608
            self._writer.insert(batch)
        current.spans -= columns.count
        current.small_chunks -= len(small)
        current.live_bytes -= packed_bytes
        current.replaced_bytes += packed_bytes
        self._gone = small

    def _roll_over(self) -> None:
        closed = self._writer.current
        self._writer.open_partition()
        with transaction(self._writer.cursor):
            sum_up(self._writer.cursor, closed)
        if closed.replaced_bytes > REPLACED_SHARE_MAX * closed.live_bytes:
            self._copy(closed)

    def _copy(self, partition: Partition) -> None:
        """Write a partition anew, without the room that replaced chunks still take up in it."""
        cursor = self._writer.cursor
        with transaction(cursor):
            copy = self._partitions.create(cursor, partition.first_chunk, partition.opened_ms)
            for into, table in zip(copy.tables, partition.tables, strict=True):
                cursor.execute(f"INSERT INTO {into} SELECT * FROM {table}")  # noqa: S608
            self._partitions.drop(cursor, partition)
        copy.spans, copy.live_bytes = partition.spans, partition.live_bytes
        copy.start_ns_min, copy.start_ns_max = partition.start_ns_min, partition.start_ns_max
        self._partitions.remember(copy)
        self._partitions.forget(partition)

    def look_at_age_and_size(self) -> None:
        """Delete what is too old or too much."""
        self._due_s = time.monotonic() + INTERVAL_S
        now_ms = time.time_ns() // NS_PER_MS
        current = self._writer.current
        if current.spans and now_ms - current.opened_ms >= self._age_ms_max * SHARE_OF_AGE:
            self._roll_over()
        partitions = list(self._partitions)
        used_bytes = self._disk_bytes_used()
        for partition, following in pairwise(partitions):
            # A partition's last spans came when the following one was opened.
            is_old = following.opened_ms < now_ms - self._age_ms_max
            if not is_old and used_bytes <= self._disk_bytes_max:
                break
            self._delete(partition, following.first_chunk)
            used_bytes = self._disk_bytes_used()

    def _disk_bytes_used(self) -> int:
        """The bytes of the file that hold data; 0 if a reader keeps DuckDB from counting just now."""
        try:
            self._writer.cursor.execute("CHECKPOINT")
        except duckdb.TransactionException as error:
            log.info("cannot tell the size on disk now: %s", error)
            return 0
        return disk_bytes_used(self._writer.cursor)

    def _delete(self, partition: Partition, stop_chunk: int) -> None:
        with transaction(self._writer.cursor):
            self._partitions.drop(self._writer.cursor, partition)
        self._partitions.forget(partition)
        self._directory.drop(np.arange(partition.first_chunk, stop_chunk, dtype=np.uint32))
        metrics.SPANS_DELETED.inc(partition.spans)
        log.info("deleted the oldest %d spans", partition.spans)


def disk_bytes_used(cursor: duckdb.DuckDBPyConnection) -> int:
    """The bytes of the file that hold data, as of the last checkpoint; blocks that are free for reuse do not count."""
    row = cursor.execute("SELECT sum(block_size * used_blocks)::BIGINT FROM pragma_database_size()").fetchone()
    return int(row[0]) if row else 0
