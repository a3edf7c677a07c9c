"""Search: which traces have a span that fits, newest first.

Service, operation, time, duration and status are columns and answered by DuckDB. Tags are answered chunk by chunk,
newest first: a chunk's Bloom filter says whether it can hold the tag at all, a compiled walk finds the spans, and
only those are read in full.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import duckdb
import numpy as np

from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import BoolArray, I64Array
from jaegerlite.filters import filters_with_tag
from jaegerlite.otlp_read import read_rest
from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.sql import number_list
from jaegerlite.store import Store
from jaegerlite.tagmatch import ASK, YES, match_rows, tag_matcher
from jaegerlite.tags import is_in_columns, rest_has, series_has, status_having
from jaegerlite.traces import TraceKey

# These tags come from fields that are not in the filter; spans are read for them.
UNFILTERED_KEYS: Final = frozenset({"otel.status_description", "w3c.tracestate"})
CHUNKS_AT_FIRST: Final = 32
CHUNKS_AT_ONCE: Final = 256
# Spans to take at a time from chunks whose columns decide; a trace rarely has more than some tens of them.
SPANS_BY_COLUMNS_MAX: Final = 50_000
CHUNKS_READ_AT_ONCE: Final = 16

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
    tag_search = _TagSearch(store, snapshot, query, where)
    found: Found = {}
    for partition in snapshot.overlapping(query.start_ns_min, query.start_ns_max):
        snapshot.limits.check()
        newest = sorted(found.values(), reverse=True)[: query.limit]
        if len(newest) == query.limit and newest[-1] > partition.start_ns_max:
            break
        if query.tags:
            _add(found, tag_search.run(partition).items())
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
        _add(traces, (((high, low), start_ns) for high, low, start_ns in rows))
        if len(traces) >= query.limit or len(rows) < span_limit:
            _add(found, traces.items())
            return
        span_limit *= 8


def _add(found: Found, spans: Iterable[tuple[TraceKey, int]]) -> None:
    for key, start_ns in spans:
        found[key] = max(start_ns, found.get(key, start_ns))


def _where(store: Store, query: TraceQuery) -> str | None:
    """The columns' part of the query as SQL; None if no series fits. Only numbers enter the text."""
    parts = [f"start_ns BETWEEN {query.start_ns_min:d} AND {query.start_ns_max:d}"]
    if query.duration_ns_min is not None:
        parts.append(f"duration_ns >= {query.duration_ns_min:d}")
    if query.duration_ns_max is not None:
        parts.append(f"duration_ns <= {query.duration_ns_max:d}")
    numbers = _series(store, query)
    if numbers is not None:
        parts.append(f"series IN ({number_list(numbers)})")
    return None if numbers == [] else " AND ".join(parts)


def _series(store: Store, query: TraceQuery) -> list[int] | None:
    """The series of the service and the operation; None for any."""
    if not query.service and not query.operation:
        return None
    return [
        series.number
        for series in store.registry.all
        if (not query.service or series.service == query.service)
        and (not query.operation or series.name == query.operation)
    ]


class _TagCondition:
    """One wanted tag, with the series and the status codes that give it to every span of theirs."""

    def __init__(self, store: Store, key: str, text: str) -> None:
        self.key, self.text = key, text
        # JSON can carry half a surrogate pair, which UTF-8 cannot; no span has it either.
        self._pair = key.encode("utf-8", "replace"), text.encode("utf-8", "replace")
        self._matcher = tag_matcher(key, text)
        self.series = {series.number for series in store.registry.all if series_has(series, key, text)}
        self.statuses = status_having(key, text)
        self.has_columns = bool(self.series or self.statuses)

    def given_by_columns(self) -> str:
        """SQL for the spans that have the tag by their columns alone."""
        return f"(series IN ({number_list(self.series)}) OR status IN ({number_list(self.statuses)}))"

    def may_be_in(self, filters: Sequence[bytes]) -> BoolArray:
        """Which of the chunks with these filters may hold a span with the tag among its attributes."""
        if is_in_columns(self.key):
            return np.zeros(len(filters), np.bool_)
        if self.key in UNFILTERED_KEYS:
            return np.ones(len(filters), np.bool_)
        return filters_with_tag(filters, *self._pair)

    def fits(self, columns: ChunkColumns, rests: bytes, borders: I64Array, candidates: BoolArray) -> BoolArray:
        """Which of a chunk's candidates have the tag, by their columns or among their attributes."""
        by_columns = np.isin(columns.series, list(self.series)) | np.isin(columns.status, self.statuses)
        verdicts = (candidates & ~by_columns).astype(np.uint8)
        match_rows(rests, borders, self._matcher, verdicts)
        for place in np.flatnonzero(verdicts == ASK).tolist():
            verdicts[place] = rest_has(read_rest(rests[borders[place] : borders[place + 1]]), self.key, self.text)
        found: BoolArray = candidates & (by_columns | (verdicts == YES))
        return found


class _TagSearch:
    """A search for tags, partition by partition; `where` is the columns' part of it as SQL."""

    def __init__(self, store: Store, snapshot: Snapshot, query: TraceQuery, where: str) -> None:
        self._snapshot = snapshot
        self._query = query
        self._where = where
        self._series = _series(store, query)
        self._conditions = [_TagCondition(store, key, text) for key, text in query.tags.items()]

    def run(self, partition: Partition) -> Found:
        """Look at chunk by chunk, the newest first, until enough traces are found or all is seen."""
        chunks = [
            row[0]
            for row in self._snapshot.cursor.execute(
                f"SELECT id FROM {partition.chunk_table} WHERE start_ns_max >= ? AND start_ns_min <= ?"  # noqa: S608
                " ORDER BY start_ns_max DESC, id DESC",
                [self._query.start_ns_min, self._query.start_ns_max],
            ).fetchall()
        ]
        found: Found = {}
        at, count = 0, CHUNKS_AT_FIRST
        while at < len(chunks) and len(found) < self._query.limit:
            self._look_at(partition, self._snapshot.tag_filters(partition, chunks[at : at + count]), found)
            at, count = at + count, min(2 * count, CHUNKS_AT_ONCE)
        return found

    def _look_at(self, partition: Partition, filters: dict[int, bytes], found: Found) -> None:
        """Read the chunks whose filters let the tags be in attributes; ask the columns of others, together."""
        chunks = list(filters)
        maybe = [condition.may_be_in(list(filters.values())) for condition in self._conditions]
        by_columns = np.array([condition.has_columns for condition in self._conditions])[:, None]
        in_attributes = np.logical_or.reduce(maybe)
        possible = np.logical_and.reduce(np.array(maybe) | by_columns)
        to_read = [chunks[row] for row in np.flatnonzero(possible & in_attributes)]
        at, count = 0, 1
        while at < len(to_read) and len(found) < self._query.limit:
            group = to_read[at : at + count]
            self._snapshot.limits.check()
            self._snapshot.chunks.fetch(partition, sorted(group))
            for chunk in group:
                self._read(partition, chunk, found)
            at, count = at + count, min(2 * count, CHUNKS_READ_AT_ONCE)
        if columns_decide := [chunks[row] for row in np.flatnonzero(possible & ~in_attributes)]:
            self._ask_columns(partition, columns_decide, found)

    def _read(self, partition: Partition, chunk: int, found: Found) -> None:
        columns = self._snapshot.chunks.columns(partition, chunk)
        query = self._query
        fits = (columns.start_ns >= query.start_ns_min) & (columns.start_ns <= query.start_ns_max)
        if self._series is not None:
            fits &= np.isin(columns.series, self._series)
        if query.duration_ns_min is not None:
            fits &= columns.duration_ns >= query.duration_ns_min
        if query.duration_ns_max is not None:
            fits &= columns.duration_ns <= query.duration_ns_max
        if not fits.any():
            return
        rests, borders = self._snapshot.chunks.rests(partition, chunk)
        for condition in self._conditions:
            fits = condition.fits(columns, rests, borders, fits)
        rows = np.flatnonzero(fits)
        keys = zip(columns.trace_hi[rows].tolist(), columns.trace_lo[rows].tolist(), strict=True)
        _add(found, zip(keys, columns.start_ns[rows].tolist(), strict=True))

    def _ask_columns(self, partition: Partition, chunks: list[int], found: Found) -> None:
        given = "".join(f" AND {condition.given_by_columns()}" for condition in self._conditions)
        rows = self._snapshot.cursor.execute(
            f"SELECT trace_hi, trace_lo, start_ns FROM {partition.span_table}"  # noqa: S608
            f" WHERE chunk IN ({number_list(chunks)}) AND {self._where}{given}"
            f" ORDER BY start_ns DESC LIMIT {SPANS_BY_COLUMNS_MAX}"
        ).fetchall()
        _add(found, (((high, low), start_ns) for high, low, start_ns in rows))
