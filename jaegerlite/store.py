"""The store: spans from memory to DuckDB in chunks, one thread that receives, one that writes, any number that read.

A span is acknowledged to its sender when it is in memory, and *stored* when its batch is committed, at most
`flush_interval_ms` plus the time of one flush later (`jaegerlite_flush_seconds`). What is stored survives `kill -9`
and the loss of power, since DuckDB syncs its log at each commit; a clean stop stores everything.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from jaegerlite import metrics
from jaegerlite.columns import SpanColumns
from jaegerlite.decode import decode_request
from jaegerlite.directory import TraceDirectory
from jaegerlite.housekeeping import Housekeeping
from jaegerlite.limits import AnswerMemory, QueryLimits
from jaegerlite.partitions import Partitions, Snapshot
from jaegerlite.series import SeriesRegistry
from jaegerlite.span_metrics import SpanMetrics
from jaegerlite.writer import Writer

SCHEMA: Final = Path(__file__).with_name("schema.sql")
FILE_NAME: Final = "spans.duckdb"


class StoreFullError(Exception):
    """More spans are waiting for the disk than memory is set aside for; the sender shall come again."""


class Store:
    """Takes spans in (`add`, `swap`) on one thread, writes them (`flush`) on another, gives cursors to readers."""

    def __init__(
        self,
        folder: Path,
        *,
        memory_limit: str = "96MB",
        waiting_bytes_max: int = 32_000_000,
        retention_hours: float = 168.0,
        disk_bytes_max: int = 20_000_000_000,
    ) -> None:
        """Open the store in a folder, made if missing; `memory_limit` is DuckDB's, such as `96MB`.

        Raises:
            duckdb.IOException: if another process has it open.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE_NAME
        self._connection = duckdb.connect(
            str(self.path),
            config={"memory_limit": memory_limit, "threads": "1", "temp_directory": str(folder / "spill")},
        )
        self._connection.execute(SCHEMA.read_text(encoding="utf-8"))
        self._waiting_bytes_max = waiting_bytes_max
        self._columns = SpanColumns()
        self._flushing_bytes = 0
        self.registry = SeriesRegistry()
        self.directory = TraceDirectory()
        self.answer_memory = AnswerMemory()
        self.span_metrics = SpanMetrics(self.registry)
        self._partitions = Partitions(self._connection)
        series_stored = self._load_series()
        self._writer = Writer(
            self.cursor(),
            self.registry,
            self.directory,
            self._partitions,
            self.span_metrics,
            next_chunk=self._load_chunks(),
            series_stored=series_stored,
        )
        self.housekeeping = Housekeeping(
            self._writer,
            self._partitions,
            self.directory,
            retention_hours=retention_hours,
            disk_bytes_max=disk_bytes_max,
        )

    def _load_series(self) -> int:
        rows = self._connection.execute(
            "SELECT number, resource, scope, kind, name FROM series ORDER BY number"
        ).fetchall()
        for number, resource, scope, kind, name in rows:
            given = self.registry.add(self.registry.context(resource, scope), kind, name)
            if given != number:
                raise RuntimeError(f"{self.path}: series {given} is missing; restore the file or remove it")
        return len(rows)

    def _load_chunks(self) -> int:
        next_chunk = 0
        for partition in self._partitions:
            next_chunk = max(next_chunk, partition.first_chunk)
            cursor = self._connection.execute(
                f"SELECT id, traces FROM {partition.chunk_table} ORDER BY id"  # noqa: S608 - a name of ours
            )
            while rows := cursor.fetchmany(256):
                for chunk, traces in rows:
                    self.directory.add(chunk, np.frombuffer(traces, np.uint32))
                    next_chunk = chunk + 1
        return next_chunk

    @property
    def waiting_spans(self) -> int:
        """Spans that are in memory and not yet handed to the writing thread."""
        return self._columns.count

    @property
    def waiting_bytes(self) -> int:
        """Memory held by spans that are not stored yet, those being written included."""
        return self._columns.waiting_bytes + self._flushing_bytes

    @property
    def is_failing(self) -> bool:
        """Whether the last try to store spans failed."""
        return self._writer.is_failing

    def add(self, body: bytes) -> tuple[int, int]:
        """Take in an OTLP `ExportTraceServiceRequest`; return the numbers of spans taken and refused.

        Raises:
            MalformedError: the bytes are no such message; nothing was taken.
            StoreFullError: too much is waiting; nothing was taken.
        """
        waiting_bytes = self.waiting_bytes
        if waiting_bytes and waiting_bytes + len(body) > self._waiting_bytes_max:
            raise StoreFullError(f"{waiting_bytes} bytes of spans are waiting to be stored")
        taken, refused = decode_request(body, self._columns, self.registry)
        return taken, refused

    def swap(self) -> SpanColumns:
        """Take the waiting spans out, for `flush`; on the thread of `add`."""
        columns, self._columns = self._columns, SpanColumns()
        self._flushing_bytes += columns.waiting_bytes
        return columns

    def flush(self, columns: SpanColumns) -> None:
        """Store a batch, on the writing thread.

        Raises:
            NotStoredError: the process is stopping and the batch cannot be stored.
        """
        with metrics.FLUSH_SECONDS.time():
            self._writer.write(columns)
        self._flushing_bytes -= columns.waiting_bytes
        metrics.SPANS_STORED.inc(columns.count)

    @property
    def writing_cursor(self) -> duckdb.DuckDBPyConnection:
        """The cursor of the writing thread, for that thread alone."""
        return self._writer.cursor

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """A connection for one reader, on one thread at a time."""
        return self._connection.cursor()

    def snapshot(
        self, cursor: duckdb.DuckDBPyConnection, limits: QueryLimits | None = None
    ) -> AbstractContextManager[Snapshot]:
        """One state of the store to read from, within limits; see `Partitions.snapshot`."""
        return self._partitions.snapshot(cursor, limits or QueryLimits())

    def stop_retrying(self) -> None:
        """Let a flush that cannot succeed give up, since the process is to end."""
        self._writer.stopping.set()

    def close(self) -> None:
        """Close the file; what waits is not stored."""
        self._connection.close()
