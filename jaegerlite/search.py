"""Search: which traces have a span that fits, newest first.

Service, operation, time, duration and status are columns and answered by DuckDB. Tags are answered chunk by chunk,
newest first: a chunk's Bloom filter says whether it can hold the tag at all, a compiled walk finds the spans, and
only those are read in full. The search ends when no chunk can hold anything newer than what is found.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Final

import duckdb
import numpy as np

from jaegerlite.chunk_list import ChunkList
from jaegerlite.chunk_reader import CHUNKS_AT_ONCE as CHUNKS_READ_AT_ONCE
from jaegerlite.chunk_reader import ChunkColumns
from jaegerlite.columns import BoolArray, I64Array
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
# About as many chunks are looked at together as the traces that are still wanted may lie in. The times of the chunks of
# one flush are alike, so it begins with those.
CHUNKS_AT_FIRST: Final = 4
CHUNKS_AT_ONCE: Final = 256

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
    found: Found = {}
    if query.tags:
        found = _TagSearch(store, snapshot, query, where).run()
    else:
        for partition in snapshot.overlapping(query.start_ns_min, query.start_ns_max):
            snapshot.limits.check()
            if _oldest_wanted(found, query.limit) > partition.start_ns_max:
                break
            _find_by_columns(snapshot.cursor, partition, query, where, found)
    return _newest(found, query.limit)


def _newest(found: Found, limit: int) -> list[TraceKey]:
    return heapq.nlargest(limit, found, key=lambda key: found[key])


def _oldest_wanted(found: Found, limit: int) -> int:
    """A span that started before this time changes nothing any more; 0 while too few traces are found."""
    return heapq.nlargest(limit, found.values())[-1] if len(found) >= limit else 0


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

    def may_be_in(self, chunks: ChunkList) -> BoolArray:
        """Which of these chunks may hold a span with the tag among its attributes."""
        if is_in_columns(self.key):
            return np.zeros(len(chunks.numbers), np.bool_)
        if self.key in UNFILTERED_KEYS:
            return np.ones(len(chunks.numbers), np.bool_)
        return chunks.with_tag(*self._pair)

    def fits(self, columns: ChunkColumns, rests: bytes, borders: I64Array, candidates: BoolArray) -> BoolArray:
        """Which of a chunk's candidates have the tag, by their columns or among their attributes."""
        by_columns = np.zeros(len(candidates), np.bool_)
        if self.has_columns:
            by_columns = np.isin(columns.series, list(self.series)) | np.isin(columns.status, self.statuses)
        verdicts = (candidates & ~by_columns).astype(np.uint8)
        match_rows(rests, borders, self._matcher, verdicts)
        for place in np.flatnonzero(verdicts == ASK).tolist():
            verdicts[place] = rest_has(read_rest(rests[borders[place] : borders[place + 1]]), self.key, self.text)
        found: BoolArray = candidates & (by_columns | (verdicts == YES))
        return found


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A chunk that may hold a fitting span, none that starts later than `newest_ns`; `in_attributes` if it is to read.

    Where attributes cannot have the tags, as the filter says, columns decide.
    """

    partition: Partition
    chunk: int
    newest_ns: int
    in_attributes: bool


class _TagSearch:
    """A search for tags; `where` is the columns' part of it as SQL."""

    def __init__(self, store: Store, snapshot: Snapshot, query: TraceQuery, where: str) -> None:
        self._snapshot = snapshot
        self._query = query
        self._where = where
        self._series = _series(store, query)
        self._conditions = [_TagCondition(store, key, text) for key, text in query.tags.items()]
        self._found: Found = {}

    def run(self) -> Found:
        """Look at chunk by chunk, the newest first, until nothing newer than what is found can come."""
        candidates = self._candidates()
        looked_at, count = 0, CHUNKS_AT_FIRST
        while some := list(islice(candidates, count)):
            to_read = [one for one in some if one.in_attributes]
            for at in range(0, len(to_read), CHUNKS_READ_AT_ONCE):
                self._read_all([one for one in to_read[at : at + CHUNKS_READ_AT_ONCE] if self._is_wanted(one)])
            self._ask_columns([one for one in some if not one.in_attributes and self._is_wanted(one)])
            looked_at += len(some)
            missing = self._query.limit - len(self._found)
            most = min(4 * count, CHUNKS_AT_ONCE)
            count = min(max(missing * looked_at // max(len(self._found), 1), CHUNKS_AT_FIRST), most)
        return self._found

    def _is_wanted(self, candidate: _Candidate) -> bool:
        return candidate.newest_ns > _oldest_wanted(self._found, self._query.limit)

    def _candidates(self) -> Iterator[_Candidate]:
        """The chunks that may hold what is wanted; what is found while they are looked at spares the rest."""
        query = self._query
        for partition in self._snapshot.overlapping(query.start_ns_min, query.start_ns_max):
            self._snapshot.limits.check()
            if _oldest_wanted(self._found, query.limit) > partition.start_ns_max:
                return
            chunks = self._snapshot.chunk_list(partition)
            maybe = [condition.may_be_in(chunks) for condition in self._conditions]
            by_columns = np.array([condition.has_columns for condition in self._conditions])[:, None]
            in_attributes = np.logical_or.reduce(maybe)
            possible = np.logical_and.reduce(np.array(maybe) | by_columns)
            rows = np.flatnonzero(possible & chunks.starting_in(query.start_ns_min, query.start_ns_max))
            newest_ns = np.minimum(chunks.start_ns_max[rows], query.start_ns_max)
            order = np.argsort(-newest_ns, kind="stable")
            columns = (chunks.numbers[rows], newest_ns, in_attributes[rows])
            for number, newest, is_read in zip(*(column[order].tolist() for column in columns), strict=True):
                candidate = _Candidate(partition, number, newest, is_read)
                if self._is_wanted(candidate):
                    yield candidate

    def _read_all(self, candidates: list[_Candidate]) -> None:
        self._snapshot.limits.check()
        wanted = [(one.partition, one.chunk) for one in candidates]
        self._snapshot.chunks.fetch_columns(wanted)
        self._snapshot.chunks.fetch(wanted)
        for partition, chunk in wanted:
            self._read(partition, chunk)

    def _read(self, partition: Partition, chunk: int) -> None:
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
        _add(self._found, zip(keys, columns.start_ns[rows].tolist(), strict=True))

    def _ask_columns(self, candidates: list[_Candidate]) -> None:
        given = "".join(f" AND {condition.given_by_columns()}" for condition in self._conditions)
        for partition, together in groupby(candidates, key=lambda one: one.partition):
            rows = self._snapshot.cursor.execute(
                "SELECT trace_hi, trace_lo, max(start_ns) AS newest_ns"  # noqa: S608 - numbers and names of ours
                f" FROM {partition.span_table} WHERE chunk IN ({number_list(one.chunk for one in together)})"
                f" AND {self._where}{given} GROUP BY trace_hi, trace_lo ORDER BY newest_ns DESC"
                f" LIMIT {self._query.limit:d}"
            ).fetchall()
            _add(self._found, (((high, low), start_ns) for high, low, start_ns in rows))
