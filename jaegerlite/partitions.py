"""Partitions: spans by time of arrival, in tables of their own.

To delete old spans is to drop the tables of the oldest partition, which gives their blocks back; DuckDB does not
reclaim single rows. A search looks at the partitions whose spans' times fit, newest first, and stops early.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import duckdb

from jaegerlite.chunk import SMALL_SPANS
from jaegerlite.chunk_reader import ChunkReader
from jaegerlite.filters import FilterCache
from jaegerlite.limits import QueryLimits
from jaegerlite.partition import I64_MAX, Partition

PARTITION_SQL: Final = Path(__file__).with_name("partition.sql")
SPANS_MAX: Final = 500_000


@dataclass(frozen=True)
class Snapshot:
    """One state of the store, for one reader: a cursor within a transaction, and the partitions of that state."""

    cursor: duckdb.DuckDBPyConnection
    partitions: list[Partition]
    limits: QueryLimits = field(default_factory=QueryLimits)
    filters: FilterCache = field(default_factory=FilterCache)

    def overlapping(self, start_ns_min: int, start_ns_max: int) -> list[Partition]:
        """The partitions that may hold spans which start in this time, those with the newest spans first."""
        fitting = [p for p in self.partitions if p.start_ns_min <= start_ns_max and p.start_ns_max >= start_ns_min]
        return sorted(fitting, key=lambda partition: -partition.start_ns_max)

    @functools.cached_property
    def chunks(self) -> ChunkReader:
        """Reads chunks of this state."""
        return ChunkReader(self.cursor)

    def tag_filters(self, partition: Partition, chunks: list[int]) -> dict[int, bytes]:
        """The tag filters of those of a partition's chunks that are there, in the order given."""
        found = {chunk: tag_filter for chunk in chunks if (tag_filter := self.filters.get(chunk)) is not None}
        missing = [chunk for chunk in chunks if chunk not in found]
        if missing:
            only = f"WHERE id = {missing[0]:d}" if len(missing) == 1 else ""
            for chunk, tag_filter in self.cursor.execute(
                f"SELECT id, tags FROM {partition.chunk_table} {only}"  # noqa: S608
            ).fetchall():
                self.filters.put(chunk, tag_filter)
                found[chunk] = tag_filter
        return {chunk: found[chunk] for chunk in chunks if chunk in found}

    def with_chunks(self, chunks: list[int]) -> Iterator[tuple[Partition, list[int]]]:
        """The partitions that hold any of these chunks, each with those that it holds."""
        for place, partition in enumerate(self.partitions):
            last = self.partitions[place + 1].first_chunk if place + 1 < len(self.partitions) else I64_MAX
            inside = [chunk for chunk in chunks if partition.first_chunk <= chunk < last]
            if inside:
                yield partition, inside


def _create_tables(cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
    """Make the tables of a partition that are not there yet: an older store has not all of them."""
    cursor.execute(PARTITION_SQL.read_text(encoding="utf-8").format(number=partition.number))


class Partitions:
    """All partitions, in order of arrival; changed on the writing thread only."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.filters = FilterCache()
        self._by_number: dict[int, Partition] = {}
        rows = cursor.execute("SELECT number, first_chunk, opened_ms FROM partition ORDER BY first_chunk").fetchall()
        for number, first_chunk, opened_ms in rows:
            partition = self._by_number[number] = Partition(number, first_chunk, opened_ms)
            _create_tables(cursor, partition)
            sums = cursor.execute(
                "SELECT coalesce(sum(spans), 0)::BIGINT, coalesce(sum(octet_length(rests)), 0)::BIGINT,"  # noqa: S608
                f" min(start_ns_min), max(start_ns_max), count(*) FILTER (spans < {SMALL_SPANS})"
                f" FROM {partition.chunk_table}"
            ).fetchone()
            if sums is not None and sums[0]:
                partition.widen(*sums[:4])
                partition.small_chunks = sums[4]
            for table in (partition.red_table, partition.edge_table):
                counted = cursor.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
                partition.rollup_rows += counted[0] if counted else 0
        self._next_number = max(self._by_number, default=-1) + 1

    def __iter__(self) -> Iterator[Partition]:
        return iter(sorted(self._by_number.values(), key=lambda partition: partition.first_chunk))

    def __len__(self) -> int:
        return len(self._by_number)

    def create(self, cursor: duckdb.DuckDBPyConnection, first_chunk: int, opened_ms: int) -> Partition:
        """Make a partition, within the cursor's transaction; the caller calls `remember` once that is committed."""
        partition = Partition(self._next_number, first_chunk, opened_ms)
        self._next_number += 1
        _create_tables(cursor, partition)
        cursor.execute("INSERT INTO partition VALUES (?, ?, ?)", [partition.number, first_chunk, opened_ms])
        return partition

    def remember(self, partition: Partition) -> None:
        """Put a partition into the list."""
        self._by_number[partition.number] = partition

    def drop(self, cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
        """Drop a partition, within the cursor's transaction; the caller calls `forget` once that is committed."""
        for table in partition.tables:
            cursor.execute(f"DROP TABLE {table}")
        cursor.execute("DELETE FROM partition WHERE number = ?", [partition.number])

    def forget(self, partition: Partition) -> None:
        """Strike a partition from the list."""
        del self._by_number[partition.number]

    @contextmanager
    def snapshot(self, cursor: duckdb.DuckDBPyConnection, limits: QueryLimits) -> Iterator[Snapshot]:
        """Let a reader see one state of the store throughout, whatever is written, merged or deleted meanwhile.

        DuckDB fixes the state at the first look into a table, which is the list of partitions. What is kept in memory
        (times, the trace directory) is asked after that and knows at least this state.
        """
        cursor.begin()
        try:
            rows = cursor.execute(
                "SELECT number, first_chunk, opened_ms FROM partition ORDER BY first_chunk"
            ).fetchall()
            # One that was dropped since is still there in this state; nothing is known of its times, so all may fit.
            partitions = [
                self._by_number.get(number) or Partition(number, first_chunk, opened_ms, 0, I64_MAX)
                for number, first_chunk, opened_ms in rows
            ]
            yield Snapshot(cursor, partitions, limits, self.filters)
        finally:
            cursor.rollback()
