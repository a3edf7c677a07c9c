"""Writing batches: pack once, then commit until it succeeds. Everything here runs on one thread, the writer's."""

import logging
import threading
import time
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np

from jaegerlite import metrics
from jaegerlite.chunk import CHUNK_SPANS, PackedChunk, pack
from jaegerlite.columns import SpanColumns
from jaegerlite.dependencies import Edge, EdgeCounter
from jaegerlite.directory import TraceDirectory
from jaegerlite.series import SeriesRegistry

RETRY_S: Final = 1.0
log = logging.getLogger("jaegerlite")


class NotStoredError(Exception):
    """A batch could not be committed before the process was told to stop."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """What one commit writes."""

    rows: dict[str, Any]
    chunks: list[PackedChunk]
    edges: list[Edge]
    series_count: int


class Writer:
    """Owns the numbering of chunks and the connection that writes."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        registry: SeriesRegistry,
        directory: TraceDirectory,
        *,
        next_chunk: int,
        series_stored: int,
    ) -> None:
        self._cursor = cursor
        self._registry = registry
        self._directory = directory
        self._next_chunk = next_chunk
        self._series_stored = series_stored
        self._edges = EdgeCounter()
        self.is_failing = False
        self.stopping = threading.Event()

    def write(self, columns: SpanColumns) -> None:
        """Commit a batch; where DuckDB cannot (a full disk, mostly), try again each second until it can.

        Raises:
            NotStoredError: the process is stopping and the last try failed too.
        """
        if not columns.count:
            return
        batch = self._pack(columns)
        while True:
            try:
                self._commit(batch)
                break
            except duckdb.Error as error:
                self.is_failing = True
                metrics.FLUSH_FAILURES.inc()
                log.error("%d spans cannot be stored, trying again: %s", columns.count, error)
                if self.stopping.is_set():
                    raise NotStoredError(f"{columns.count} spans are lost: {error}") from error
                self.stopping.wait(RETRY_S)
        self.is_failing = False
        self._series_stored = batch.series_count
        for chunk in batch.chunks:
            self._directory.add(self._next_chunk, np.frombuffer(chunk.traces, np.uint32))
            self._next_chunk += 1

    def _pack(self, columns: SpanColumns) -> _Batch:
        n = columns.count
        order = np.argsort(columns.trace_lo[:n], kind="stable")
        numbers = np.arange(n, dtype=np.uint32)
        rows = {
            "chunk": numbers // CHUNK_SPANS + np.uint32(self._next_chunk),
            "place": (numbers % CHUNK_SPANS).astype(np.uint16),
            "trace_hi": columns.trace_hi[order],
            "trace_lo": columns.trace_lo[order],
            "series": columns.series[order],
            "start_ns": columns.start_ns[order],
            "duration_ns": columns.duration_ns[order],
            "status": columns.status[order],
        }
        chunks = [pack(columns, order[at : at + CHUNK_SPANS]) for at in range(0, n, CHUNK_SPANS)]
        edges = self._edges.count(columns, self._registry.service_numbers)
        return _Batch(rows, chunks, edges, len(self._registry.all))

    def _commit(self, batch: _Batch) -> None:
        self._cursor.begin()
        try:
            self._insert("span", batch.rows)
            self._insert("edge", self._edge_rows(batch.edges))
            self._insert_chunks(batch.chunks)
            self._insert_series(batch.series_count)
            self._cursor.commit()
        except BaseException:
            self._cursor.rollback()
            raise

    def _insert(self, table: str, rows: dict[str, Any]) -> None:
        self._cursor.register("batch", rows)
        self._cursor.execute(f"INSERT INTO {table} SELECT * FROM batch")  # noqa: S608 - a name of ours
        self._cursor.unregister("batch")

    def _edge_rows(self, edges: list[Edge]) -> dict[str, Any]:
        services = self._registry.services
        return {
            "minute": np.array([edge.minute for edge in edges], np.int32),
            "parent": np.array([services[edge.parent] for edge in edges], np.object_),
            "child": np.array([services[edge.child] for edge in edges], np.object_),
            "calls": np.array([edge.calls for edge in edges], np.int64),
            "errors": np.array([edge.errors for edge in edges], np.int64),
        }

    def _insert_chunks(self, chunks: list[PackedChunk]) -> None:
        now_ms = time.time_ns() // 1_000_000
        for number, chunk in enumerate(chunks, self._next_chunk):
            self._cursor.execute(
                "INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    number,
                    chunk.spans,
                    now_ms,
                    chunk.start_ns_min,
                    chunk.start_ns_max,
                    chunk.traces,
                    chunk.tags,
                    chunk.span_ids,
                    chunk.parents,
                    chunk.rests,
                ],
            )

    def _insert_series(self, count: int) -> None:
        for series in self._registry.all[self._series_stored : count]:
            self._cursor.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?)",
                [series.number, series.resource, series.scope, series.kind, series.name_bytes],
            )

    def delete_through(self, last_chunk: int) -> int:
        """Delete all chunks up to and including a number; return how many spans that were."""
        self._cursor.begin()
        try:
            self._cursor.execute("DELETE FROM chunk WHERE id <= ?", [last_chunk])
            row = self._cursor.execute("DELETE FROM span WHERE chunk <= ?", [last_chunk]).fetchone()
            self._cursor.commit()
        except BaseException:
            self._cursor.rollback()
            raise
        self._directory.drop_through(last_chunk)
        self._cursor.execute("CHECKPOINT")
        return int(row[0]) if row else 0

    def sum_up_edges(self, oldest_minute: int, last_minute: int) -> None:
        """Make one row of each minute's many for a pair of services; delete what is older than the oldest minute."""
        self._cursor.begin()
        try:
            self._cursor.execute(
                "CREATE OR REPLACE TEMP TABLE summed AS"
                " SELECT minute, parent, child, sum(calls)::BIGINT, sum(errors)::BIGINT FROM edge"
                " WHERE minute BETWEEN ? AND ? GROUP BY minute, parent, child",
                [oldest_minute, last_minute],
            )
            self._cursor.execute("DELETE FROM edge WHERE minute <= ?", [last_minute])
            self._cursor.execute("INSERT INTO edge SELECT * FROM summed")
            self._cursor.commit()
        except BaseException:
            self._cursor.rollback()
            raise
