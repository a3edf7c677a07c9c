"""Reading whole traces out of the store."""

from dataclasses import dataclass
from typing import Final

import duckdb
import numpy as np

from jaegerlite.chunk import trace_hash, unpack_parents, unpack_rests
from jaegerlite.otlp import SpanRest
from jaegerlite.otlp_read import read_rest
from jaegerlite.partitions import Partition, Snapshot
from jaegerlite.series import Series
from jaegerlite.sql import number_list
from jaegerlite.store import Store

# A chunk's blobs have about a hundred kilobytes.
CHUNKS_AT_ONCE: Final = 64
TraceKey = tuple[int, int]
"""High and low half of a trace id."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stored span; times in nanoseconds, `parent_id` 0 for none, `status` as in OTLP."""

    trace: TraceKey
    span_id: int
    parent_id: int
    start_ns: int
    duration_ns: int
    status: int
    series: Series
    rest_bytes: bytes

    @property
    def rest(self) -> SpanRest:
        """What the columns do not hold, read anew each time: traces of 100,000 spans fit in memory as bytes only."""
        return read_rest(self.rest_bytes)


def load_traces(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> dict[TraceKey, list[Span]]:
    """The spans of each trace that exists, by start; a span that was sent twice appears once."""
    low = np.array([lo for _, lo in keys], np.uint64)
    chunks = store.directory.chunks_of(trace_hash(low))
    traces: dict[TraceKey, dict[int, Span]] = {}
    for partition, inside in snapshot.with_chunks(chunks):
        rows = snapshot.cursor.execute(
            "SELECT chunk, place, trace_hi, trace_lo, series, start_ns, duration_ns, status"  # noqa: S608
            f" FROM {partition.span_table} WHERE chunk IN ({number_list(inside)})"
            f" AND trace_lo IN ({number_list(low.tolist())}) ORDER BY chunk, place"
        ).fetchall()
        snapshot.limits.take_spans(len(rows))
        reader = ChunkReader(snapshot.cursor, partition)
        reader.fetch(list(dict.fromkeys(row[0] for row in rows))[:CHUNKS_AT_ONCE])
        _read_spans(store, reader, rows, set(keys), traces)
    return {key: sorted(spans.values(), key=lambda span: span.start_ns) for key, spans in traces.items()}


def _read_spans(
    store: Store,
    reader: "ChunkReader",
    rows: list[tuple[int, ...]],
    wanted: set[TraceKey],
    traces: dict[TraceKey, dict[int, Span]],
) -> None:
    for chunk, place, trace_hi, trace_lo, series, start_ns, duration_ns, status in rows:
        if (trace_hi, trace_lo) not in wanted:
            continue
        span_id, parent_id = reader.ids(chunk, place)
        spans = traces.setdefault((trace_hi, trace_lo), {})
        if span_id not in spans:
            spans[span_id] = Span(
                (trace_hi, trace_lo),
                span_id,
                parent_id,
                start_ns,
                duration_ns,
                status,
                store.registry.all[series],
                reader.rest(chunk, place),
            )


class ChunkReader:
    """Reads single spans of a partition's chunks; keeps the chunk it read last, since spans of a trace lie together."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
        self.partition = partition
        self._cursor = cursor
        self._blobs: dict[int, tuple[int, bytes, bytes, bytes]] = {}
        self._chunk = -1
        self._chunk_of_ids = -1

    def fetch(self, chunks: list[int]) -> None:
        """Read the blobs of several chunks at once, which is quicker than one by one as they are opened."""
        self._blobs = {
            chunk: (spans, rests, span_ids, parents)
            for chunk, spans, rests, span_ids, parents in self._cursor.execute(
                f"SELECT id, spans, rests, span_ids, parents FROM {self.partition.chunk_table}"  # noqa: S608
                f" WHERE id IN ({number_list(chunks)})"
            ).fetchall()
        }

    def _blobs_of(self, chunk: int) -> tuple[int, bytes, bytes, bytes]:
        if chunk not in self._blobs:
            self.fetch([chunk])
        if chunk not in self._blobs:
            table = self.partition.chunk_table
            raise LookupError(f"{self.partition.span_table} has spans of chunk {chunk}, which is not in {table}")
        return self._blobs[chunk]

    def open(self, chunk: int) -> None:
        """Load the kept parts of a chunk's spans, unless they are there: `rests`, cut by `borders`."""
        if chunk != self._chunk:
            spans, rests, _, _ = self._blobs_of(chunk)
            self.rests, self.borders = unpack_rests(rests, spans)
            self._chunk = chunk

    def rest(self, chunk: int, place: int) -> bytes:
        """The kept part of the span at a place of a chunk."""
        self.open(chunk)
        return self.rests[self.borders[place] : self.borders[place + 1]]

    def ids(self, chunk: int, place: int) -> tuple[int, int]:
        """Span id and parent id (0 for none) of the span at a place of a chunk."""
        if chunk != self._chunk_of_ids:
            _, _, span_ids, parents = self._blobs_of(chunk)
            self._span_ids = np.frombuffer(span_ids, np.uint64)
            self._parent_ids = unpack_parents(self._span_ids, parents)
            self._chunk_of_ids = chunk
        return int(self._span_ids[place]), int(self._parent_ids[place])
