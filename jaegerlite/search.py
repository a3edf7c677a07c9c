"""Search: which traces have a span that fits, newest first.

Service, operation, time, duration and status are columns and answered by DuckDB. Tags are answered chunk by chunk,
newest first: a chunk's Bloom filter says whether it can hold the tag at all, a compiled walk finds the spans, and
only those are read in full.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import duckdb
import numpy as np

from jaegerlite.columns import U8Array
from jaegerlite.otlp_read import read_rest
from jaegerlite.partitions import Partition, Snapshot
from jaegerlite.sql import number_list
from jaegerlite.store import Store
from jaegerlite.tagfilter import FILTER_VERSION, rows_with_tag, tag_places
from jaegerlite.tags import is_in_columns, rest_has, series_has, status_having
from jaegerlite.traces import ChunkReader, TraceKey

# These tags come from fields that are not in the filter; spans are read for them.
UNFILTERED_KEYS: Final = frozenset({"otel.status_description", "w3c.tracestate"})
CHUNKS_AT_FIRST: Final = 4
CHUNKS_AT_ONCE: Final = 256
# Spans to take at a time from chunks whose columns decide; a trace rarely has more than some tens of them.
SPANS_BY_COLUMNS_MAX: Final = 50_000
PLACES_LISTED_MAX: Final = 300

Found = dict[TraceKey, int]
"""Traces found, each with the start of its newest fitting span in nanoseconds since 1970."""


@dataclass(frozen=True, slots=True)
class TraceQuery:
    """A search; times in nanoseconds since 1970, empty texts and None mean any."""

    start_ns_min: int
    start_ns_max: int
    service: str = ""
    operation: str = ""
    duration_ns_min: int | None = None
    duration_ns_max: int | None = None
    tags: dict[str, str] = field(default_factory=dict)
    limit: int = 100


def find_traces(store: Store, snapshot: Snapshot, query: TraceQuery) -> list[TraceKey]:
    """The ids of at most `limit` traces with a span that fits all of the query, by that span's start, newest first."""
    where = _where(store, query)
    if query.limit <= 0 or where is None:
        return []
    conditions = [_TagCondition(store, key, text) for key, text in query.tags.items()]
    found: Found = {}
    for partition in snapshot.overlapping(query.start_ns_min, query.start_ns_max):
        snapshot.limits.check()
        newest = sorted(found.values(), reverse=True)[: query.limit]
        if len(newest) == query.limit and newest[-1] > partition.start_ns_max:
            break
        if conditions:
            _find_by_tags(snapshot, partition, query, where, conditions, found)
        else:
            _find_by_columns(snapshot.cursor, partition, query, where, found)
    return sorted(found, key=lambda key: -found[key])[: query.limit]


def _find_by_columns(
    cursor: duckdb.DuckDBPyConnection, partition: Partition, query: TraceQuery, where: str, found: Found
) -> None:
    # A trace has many fitting spans, so ask for more spans than traces, and for more again if they were too few.
    span_limit = 8 * query.limit
    while True:
        rows = cursor.execute(
            f"SELECT trace_hi, trace_lo, start_ns FROM {partition.span_table} WHERE {where}"  # noqa: S608
            f" ORDER BY start_ns DESC LIMIT {span_limit}"
        ).fetchall()
        traces: Found = {}
        for trace_hi, trace_lo, start_ns in rows:
            traces.setdefault((trace_hi, trace_lo), start_ns)
        if len(traces) >= query.limit or len(rows) < span_limit:
            _add(found, traces)
            return
        span_limit *= 8


def _add(found: Found, traces: Found) -> None:
    for key, start_ns in traces.items():
        found[key] = max(start_ns, found.get(key, start_ns))


def _where(store: Store, query: TraceQuery) -> str | None:
    """The columns' part of the query as SQL; None if no series fits. Only numbers enter the text."""
    parts = [f"start_ns BETWEEN {query.start_ns_min:d} AND {query.start_ns_max:d}"]
    if query.duration_ns_min is not None:
        parts.append(f"duration_ns >= {query.duration_ns_min:d}")
    if query.duration_ns_max is not None:
        parts.append(f"duration_ns <= {query.duration_ns_max:d}")
    if query.service or query.operation:
        numbers = [
            series.number
            for series in store.registry.all
            if (not query.service or series.service == query.service)
            and (not query.operation or series.name == query.operation)
        ]
        if not numbers:
            return None
        parts.append(f"series IN ({number_list(numbers)})")
    return " AND ".join(parts)


class _TagCondition:
    """One wanted tag, with the series and the status codes that give it to every span of theirs."""

    def __init__(self, store: Store, key: str, text: str) -> None:
        self.key, self.text = key, text
        # JSON can carry half a surrogate pair, which UTF-8 cannot; no span has it either.
        self.key_bytes, self.text_bytes = key.encode("utf-8", "replace"), text.encode("utf-8", "replace")
        self.series = {series.number for series in store.registry.all if series_has(series, key, text)}
        self.statuses = status_having(key, text)
        self.has_columns = bool(self.series or self.statuses)

    def given_by_columns(self) -> str:
        """SQL for the spans that have the tag by their columns alone."""
        return f"(series IN ({number_list(self.series)}) OR status IN ({number_list(self.statuses)}))"

    def may_be_in(self, tag_filter: bytes) -> bool:
        """Whether a chunk with this filter may hold a span with the tag among its attributes."""
        if is_in_columns(self.key):
            return False
        if self.key in UNFILTERED_KEYS or not tag_filter.endswith(FILTER_VERSION) or len(tag_filter) % 2 == 0:
            return True
        return any(
            all(tag_filter[place >> 3] >> (place & 7) & 1 for place in places)
            for places in tag_places(self.key_bytes, self.text_bytes, len(tag_filter) - len(FILTER_VERSION))
        )

    def fits(self, reader: ChunkReader, chunk: int, place: int) -> bool:
        """Whether the span at this place has the tag among its attributes."""
        return rest_has(read_rest(reader.rest(chunk, place)), self.key, self.text)


def _find_by_tags(
    snapshot: Snapshot,
    partition: Partition,
    query: TraceQuery,
    where: str,
    conditions: list[_TagCondition],
    found: Found,
) -> None:
    cursor = snapshot.cursor
    chunks = [
        row[0]
        for row in cursor.execute(
            f"SELECT id FROM {partition.chunk_table} WHERE start_ns_max >= ? AND start_ns_min <= ?"  # noqa: S608
            " ORDER BY start_ns_max DESC, id DESC",
            [query.start_ns_min, query.start_ns_max],
        ).fetchall()
    ]
    reader = ChunkReader(cursor, partition)
    traces: Found = {}
    at, count = 0, CHUNKS_AT_FIRST
    while at < len(chunks) and len(traces) < query.limit:
        group = chunks[at : at + count]
        at, count = at + count, min(2 * count, CHUNKS_AT_ONCE)
        for some, to_read in _plan(snapshot, partition, group, conditions):
            snapshot.limits.check()
            _find_in_chunks(cursor, reader, some, to_read, conditions, where, traces)
            if len(traces) >= query.limit:
                break
    _add(found, traces)


def _filters(snapshot: Snapshot, partition: Partition, chunks: list[int]) -> dict[int, bytes]:
    """The tag filters of those of the chunks that are there."""
    known = {chunk: found for chunk in chunks if (found := snapshot.filters.get(chunk)) is not None}
    missing = [chunk for chunk in chunks if chunk not in known]
    if missing:
        rows = snapshot.cursor.execute(
            f"SELECT id, tags FROM {partition.chunk_table} WHERE id IN ({number_list(missing)})"  # noqa: S608
        ).fetchall()
        for chunk, tag_filter in rows:
            snapshot.filters.put(chunk, tag_filter)
            known[chunk] = tag_filter
    return known


def _plan(
    snapshot: Snapshot, partition: Partition, chunks: list[int], conditions: list[_TagCondition]
) -> Iterator[tuple[list[int], list[_TagCondition]]]:
    """Chunks worth a look, each with the tags that its spans must be read for; where columns decide, many at a time."""
    filters = _filters(snapshot, partition, chunks)
    by_columns: list[int] = []
    for chunk in chunks:
        if chunk not in filters:  # deleted meanwhile
            continue
        to_read = [condition for condition in conditions if condition.may_be_in(filters[chunk])]
        if to_read:
            if all(condition in to_read or condition.has_columns for condition in conditions):
                yield [chunk], to_read
        elif all(condition.has_columns for condition in conditions):
            by_columns.append(chunk)
    if by_columns:
        yield by_columns, []


def _find_in_chunks(
    cursor: duckdb.DuckDBPyConnection,
    reader: ChunkReader,
    chunks: list[int],
    to_read: list[_TagCondition],
    conditions: list[_TagCondition],
    where: str,
    found: Found,
) -> None:
    """Add the traces of spans that fit to `found`, with the start of the newest such span in nanoseconds."""
    marks = [_marks(reader, chunks[0], condition) for condition in to_read]
    given = "".join(f" AND {condition.given_by_columns()}" for condition in conditions if condition not in to_read)
    needed = [mark for condition, mark in zip(to_read, marks, strict=True) if not condition.has_columns]
    if needed:
        places = np.flatnonzero(np.logical_and.reduce(needed))
        if not len(places):
            return
        given += f" AND place IN ({number_list(places.tolist())})" if len(places) < PLACES_LISTED_MAX else ""
    rows = cursor.execute(
        "SELECT chunk, place, trace_hi, trace_lo, series, status, start_ns"  # noqa: S608
        f" FROM {reader.partition.span_table} WHERE chunk IN ({number_list(chunks)}) AND {where}{given}"
        " ORDER BY start_ns DESC" + ("" if to_read else f" LIMIT {SPANS_BY_COLUMNS_MAX}")
    ).fetchall()
    for chunk, place, trace_hi, trace_lo, series, status, start_ns in rows:
        if (trace_hi, trace_lo) not in found and all(
            series in condition.series
            or status in condition.statuses
            or (mark[place] and condition.fits(reader, chunk, place))
            for condition, mark in zip(to_read, marks, strict=True)
        ):
            found[(trace_hi, trace_lo)] = start_ns


def _marks(reader: ChunkReader, chunk: int, condition: _TagCondition) -> U8Array:
    """For each span of the chunk, 1 if it may have the tag among its attributes."""
    reader.open(chunk)
    spans = len(reader.borders) - 1
    if condition.key in UNFILTERED_KEYS:
        return np.ones(spans, np.uint8)
    marks: U8Array = np.zeros(spans, np.uint8)
    rows_with_tag(reader.rests, reader.borders, condition.key_bytes, condition.text_bytes, marks)
    return marks
