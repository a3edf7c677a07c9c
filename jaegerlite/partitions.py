"""Partitions: spans by time of arrival, in tables of their own.

To delete old spans is to drop the tables of the oldest partition, which gives their blocks back; DuckDB does not
reclaim single rows. A search looks at the partitions whose spans' times fit, newest first, and stops early.
"""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import duckdb

from jaegerlite.chunk import SMALL_SPANS
from jaegerlite.chunk_list import ChunkList, ChunkLists, chunk_list
from jaegerlite.chunk_reader import ChunkOf, ChunkReader
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
    chunk_lists: ChunkLists = field(default_factory=ChunkLists)

    def overlapping(self, start_ns_min: int, start_ns_max: int) -> list[Partition]:
        """The partitions that may hold spans which start in this time, those with the newest spans first."""
        fitting = [p for p in self.partitions if p.start_ns_min <= start_ns_max and p.start_ns_max >= start_ns_min]
        return sorted(fitting, key=lambda partition: -partition.start_ns_max)

    @functools.cached_property
    def chunks(self) -> ChunkReader:
        """Reads chunks of this state."""
        return ChunkReader(self.cursor)

    def chunk_list(self, partition: Partition) -> ChunkList:
        """The chunks of a partition in this state."""
        # Only the last partition of a state gets spans; what may still be merged or is not yet full is not kept.
        is_closed = partition is not self.partitions[-1]
        kept = self.chunk_lists.closed(partition.number) if is_closed else None
        if kept is not None:
            return kept
        times = "id, start_ns_min, start_ns_max"
        if is_closed:
            rows = self._chunk_rows(partition, f"{times}, tags")
            found = chunk_list(rows)
            self.chunk_lists.put_closed(partition.number, found)
            return found
        rows = self._chunk_rows(partition, times)
        filters = {number: self.chunk_lists.tag_filter(number) for number, _, _ in rows}
        if None in filters.values():
            # After a start, mostly.
            for number, stored in self._chunk_rows(partition, "id, tags"):
                self.chunk_lists.put_filter(number, stored)
                filters[number] = stored
        return chunk_list((*row, filters[row[0]] or b"") for row in rows)

    def _chunk_rows(self, partition: Partition, columns: str, where: str = "") -> list[Any]:
        return self.cursor.execute(
            f"SELECT {columns} FROM {partition.chunk_table} {where} ORDER BY id"  # noqa: S608 - names of ours
        ).fetchall()

    def with_chunks(self, chunks: list[int]) -> Iterator[ChunkOf]:
        """Those of these chunks that are there, each with its partition."""
        for place, partition in enumerate(self.partitions):
            last = self.partitions[place + 1].first_chunk if place + 1 < len(self.partitions) else I64_MAX
            yield from ((partition, chunk) for chunk in chunks if partition.first_chunk <= chunk < last)


def _create_tables(cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
    """Make the tables of a partition that are not there yet: an older store has not all of them."""
    cursor.execute(PARTITION_SQL.read_text(encoding="utf-8").format(number=partition.number))


class Partitions:
    """All partitions, in order of arrival; changed on the writing thread only."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self.chunk_lists = ChunkLists()
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
            yield Snapshot(cursor, partitions, limits, self.chunk_lists)
        finally:
            cursor.rollback()
