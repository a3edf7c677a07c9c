"""Reading whole traces out of the store."""

from dataclasses import dataclass

import duckdb
import numpy as np

from jaegerlite.chunk import trace_hash, unpack_parents, unpack_rests
from jaegerlite.otlp import SpanRest, read_rest
from jaegerlite.partitions import Partition, Snapshot
from jaegerlite.series import Series
from jaegerlite.sql import number_list
from jaegerlite.store import Store

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
    rest: SpanRest


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
        _read_spans(store, ChunkReader(snapshot.cursor, partition), rows, set(keys), traces)
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
        span_id, parent_id, rest = reader.read(chunk, place)
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
                read_rest(rest),
            )


class ChunkReader:
    """Reads single spans of a partition's chunks; keeps the chunk it read last, since spans of a trace lie together."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection, partition: Partition) -> None:
        self._cursor = cursor
        self._table = partition.chunk_table
        self.partition = partition
        self._chunk = -1

    def _load(self, chunk: int) -> None:
        row = self._cursor.execute(
            f"SELECT spans, span_ids, parents, rests FROM {self._table} WHERE id = ?",  # noqa: S608
            [chunk],
        ).fetchone()
        if row is None:
            raise LookupError(f"{self._table} has spans of chunk {chunk} but not the chunk")
        spans, span_ids, parents, rests = row
        ids = np.frombuffer(span_ids, np.uint64)
        self._ids = ids.tolist()
        self._parents = unpack_parents(ids, parents).tolist()
        self.rests, self.borders = unpack_rests(rests, spans)
        self._chunk = chunk

    def open(self, chunk: int) -> None:
        """Load a chunk, unless it is there; `rests` and `borders` are its afterwards."""
        if chunk != self._chunk:
            self._load(chunk)

    def rest(self, chunk: int, place: int) -> bytes:
        """The kept part of the span at a place of a chunk."""
        self.open(chunk)
        return self.rests[self.borders[place] : self.borders[place + 1]]

    def read(self, chunk: int, place: int) -> tuple[int, int, bytes]:
        """Span id, parent id (0 for none) and kept part of the span at a place of a chunk."""
        rest = self.rest(chunk, place)
        return self._ids[place], self._parents[place], rest
