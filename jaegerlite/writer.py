"""Writing batches: pack once, then commit until it succeeds. Everything here runs on one thread, the writer's."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import numpy as np

from jaegerlite import metrics
from jaegerlite.chunk import CHUNK_SPANS, SMALL_SPANS, PackedChunk, new_compressor, pack
from jaegerlite.columns import SpanColumns
from jaegerlite.dependencies import EdgeCounter
from jaegerlite.directory import TraceDirectory
from jaegerlite.partition import Partition
from jaegerlite.partitions import Partitions
from jaegerlite.rollup import red_rows
from jaegerlite.series import SeriesRegistry
from jaegerlite.span_metrics import SpanMetrics

RETRY_S: Final = 1.0
log = logging.getLogger("jaegerlite")


class NotStoredError(Exception):
    """A batch could not be committed before the process was told to stop."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one commit writes; `rows` number the batch's chunks from 0."""

    rows: dict[str, Any]
    chunks: list[PackedChunk]
    series_count: int
    arrived_ms: int


@contextmanager
def transaction(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block does, or nothing of it."""
    cursor.begin()
    try:
        yield
        cursor.commit()
    except BaseException:
        with suppress(duckdb.TransactionException):  # there is none any more where the commit failed, as on a full disk
            cursor.rollback()
        raise


class Writer:
    """Owns the numbering of chunks and the connection that writes."""

    def __init__(
        self,
        cursor: duckdb.DuckDBPyConnection,
        registry: SeriesRegistry,
        directory: TraceDirectory,
        partitions: Partitions,
        span_metrics: SpanMetrics,
        *,
        next_chunk: int,
        series_stored: int,
    ) -> None:
        self.cursor = cursor
        self.next_chunk = next_chunk
        self._registry = registry
        self._directory = directory
        self._partitions = partitions
        self._series_stored = series_stored
        self._edges = EdgeCounter()
        self._compressor = new_compressor()
        self._span_metrics = span_metrics
        self.current = list(partitions)[-1] if len(partitions) else self.open_partition()
        self.is_failing = False
        self.stopping = threading.Event()

    def open_partition(self) -> Partition:
        """Begin a new partition, which gets all spans from now on."""
        with transaction(self.cursor):
            opened = self._partitions.create(self.cursor, self.next_chunk, time.time_ns() // 1_000_000)
        self._partitions.remember(opened)
        self.current = opened
        return opened

    def write(self, columns: SpanColumns) -> None:
        """Commit a batch; where DuckDB cannot (a full disk, mostly), try again each second until it can.

        Raises:
            NotStoredError: the process is stopping and the last try failed too.
        """
        if not columns.count:
            return
        edges = self._edges.count(columns, self._registry)
        red = red_rows(columns)
        batch = self.pack(columns, time.time_ns() // 1_000_000)
        while True:
            try:
                with transaction(self.cursor):
                    self.insert(batch)
                    self._insert_rows(self.current.red_table, red)
                    if len(edges["slot"]):
                        self._insert_rows(self.current.edge_table, edges)
                break
            except duckdb.Error as error:
                self.is_failing = True
                metrics.FLUSH_FAILURES.inc()
                log.error("%d spans cannot be stored, trying again: %s", columns.count, error)
                if self.stopping.is_set():
                    raise NotStoredError(f"{columns.count} spans are lost: {error}") from error
                self.stopping.wait(RETRY_S)
        self._span_metrics.add(red, edges)
        self.current.rollup_rows += len(red["slot"]) + len(edges["slot"])
        self._series_stored = max(self._series_stored, batch.series_count)
        self.is_failing = False

    def pack(self, columns: SpanColumns, arrived_ms: int) -> Batch:
        """Sort the spans by trace and pack them into chunks of even size."""
        n = columns.count
        order = np.argsort(columns.trace_lo[:n], kind="stable")
        parts = np.array_split(order, -(-n // CHUNK_SPANS))
        sizes = [len(part) for part in parts]
        rows = {
            "chunk": np.repeat(np.arange(len(parts), dtype=np.uint32), sizes),
            "place": np.concatenate([np.arange(size, dtype=np.uint16) for size in sizes]),
            "trace_hi": columns.trace_hi[order],
            "trace_lo": columns.trace_lo[order],
            "series": columns.series[order],
            "start_ns": columns.start_ns[order],
            "duration_ns": columns.duration_ns[order],
            "status": columns.status[order],
        }
        return Batch(
            rows, [pack(columns, part, self._compressor) for part in parts], len(self._registry.all), arrived_ms
        )

    def insert(self, batch: Batch) -> range:
        """Write a batch into the current partition, within the caller's transaction; return its chunks' numbers."""
        numbers = range(self.next_chunk, self.next_chunk + len(batch.chunks))
        self.next_chunk = numbers.stop
        for number, chunk in zip(numbers, batch.chunks, strict=True):
            # Before the commit, lest a reader see a chunk and not find its traces; the other way round does no harm.
            self._directory.add(number, np.frombuffer(chunk.traces, np.uint32))
            self.current.widen(chunk.spans, len(chunk.rests), chunk.start_ns_min, chunk.start_ns_max)
            self._partitions.chunk_lists.put_filter(number, chunk.tags)
            self.current.small_chunks += chunk.spans < SMALL_SPANS
        rows = batch.rows | {"chunk": batch.rows["chunk"] + np.uint32(numbers.start)}
        self._insert_rows(self.current.span_table, rows)
        self._insert_chunks(numbers, batch)
        for series in self._registry.all[self._series_stored : batch.series_count]:
            self.cursor.execute(
                "INSERT INTO series VALUES (?, ?, ?, ?, ?)",
                [series.number, series.resource, series.scope, series.kind, series.name_bytes],
            )
        return numbers

    def _insert_rows(self, table: str, rows: dict[str, Any]) -> None:
        # DuckDB finds `rows` by its name in this frame, which takes half the time of registering it as a view.
        self.cursor.execute(f"INSERT INTO {table} SELECT * FROM rows")  # noqa: S608 - a name of ours

    def _insert_chunks(self, numbers: range, batch: Batch) -> None:
        values = [
            value
            for number, chunk in zip(numbers, batch.chunks, strict=True)
            for value in (
                *(number, chunk.spans, batch.arrived_ms, chunk.start_ns_min, chunk.start_ns_max),
                *(chunk.traces, chunk.tags, chunk.span_ids, chunk.parents, chunk.rests),
            )
        ]
        row = f"({','.join('?' * (len(values) // len(numbers)))})"
        self.cursor.execute(
            f"INSERT INTO {self.current.chunk_table} VALUES {','.join([row] * len(numbers))}",  # noqa: S608
            values,
        )
