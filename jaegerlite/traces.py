"""Reading whole traces out of the store."""

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from jaegerlite.chunk import trace_hash
from jaegerlite.chunk_reader import CHUNKS_AT_ONCE, ChunkColumns
from jaegerlite.otlp import SpanRest
from jaegerlite.otlp_read import read_rest
from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.series import Series
from jaegerlite.store import Store

TraceKey = tuple[int, int]
"""High and low half of a trace id."""
# Loaded together; spans of one search lie near each other, but all of them at once would fill the memory.
TRACES_AT_ONCE: Final = 32
SORTED_SPANS_MAX: Final = 20_000
START_NS: Final = operator.attrgetter("start_ns")


class Span(msgspec.Struct, frozen=True, gc=False):
    """A stored span; times in nanoseconds, `parent_id` 0 for none, `status` as in OTLP.

    No dataclass, since a search makes thousands: made in a tenth of the time, and of no concern to garbage collection.
    """

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


@dataclass(frozen=True, slots=True)
class Places:
    """Spans of one chunk: their places in it, and their columns; of another trace, too, if half its id is the same."""

    partition: Partition
    chunk: int
    places: npt.NDArray[np.intp]
    columns: ChunkColumns


def places_of(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> Iterator[Places]:
    """Where the spans of these traces are: partition, chunk, their places in there, and their columns."""
    low = np.array(sorted({key[1] for key in keys}), np.uint64)
    chunks = list(snapshot.with_chunks(store.directory.chunks_of(trace_hash(low))))
    for at, (partition, chunk) in enumerate(chunks):
        if at % CHUNKS_AT_ONCE == 0:
            snapshot.chunks.fetch_columns(chunks[at : at + CHUNKS_AT_ONCE])
        columns = snapshot.chunks.columns(partition, chunk)
        # The spans of a chunk are sorted by these halves.
        first, stop = (np.searchsorted(columns.trace_lo, low, side) for side in ("left", "right"))
        runs = [np.arange(begin, end) for begin, end in zip(first, stop, strict=True) if begin < end]
        if runs:
            places = np.concatenate(runs)
            yield Places(partition, chunk, places, columns.at(places))


def load_traces(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> dict[TraceKey, list[Span]]:
    """The spans of each trace that exists, by start; a span that was sent twice appears once."""
    return _load(store, snapshot, keys, list(places_of(store, snapshot, keys)))


def each_trace(
    store: Store, snapshot: Snapshot, keys: list[TraceKey]
) -> Iterator[tuple[TraceKey, Iterable[Span] | None]]:
    """Each trace in turn with its spans, by start; None if it does not exist.

    A trace of more than `SORTED_SPANS_MAX` spans is not loaded at once: its spans come as they are read, as they lie.
    """
    for at in range(0, len(keys), TRACES_AT_ONCE):
        some = keys[at : at + TRACES_AT_ONCE]
        places = list(places_of(store, snapshot, some))
        if sum(len(one.places) for one in places) <= SORTED_SPANS_MAX:
            loaded = _load(store, snapshot, some, places)
            yield from ((key, loaded.get(key)) for key in some)
        elif len(some) > 1:
            yield from (next(each_trace(store, snapshot, [key])) for key in some)
        else:
            yield some[0], _unsorted(store, snapshot, some[0], places)


def _load(store: Store, snapshot: Snapshot, keys: list[TraceKey], places: list[Places]) -> dict[TraceKey, list[Span]]:
    traces: dict[TraceKey, dict[int, Span]] = {key: {} for key in keys}
    for span in _read_spans(store, snapshot, keys, places):
        traces[span.trace].setdefault(span.span_id, span)
    return {key: sorted(spans.values(), key=START_NS) for key, spans in traces.items() if spans}


def _unsorted(store: Store, snapshot: Snapshot, key: TraceKey, places: list[Places]) -> Iterator[Span]:
    seen: set[int] = set()
    for span in _read_spans(store, snapshot, [key], places):
        if span.span_id not in seen:
            seen.add(span.span_id)
            yield span


def _read_spans(store: Store, snapshot: Snapshot, keys: list[TraceKey], places: list[Places]) -> Iterator[Span]:
    reader, all_series = snapshot.chunks, store.registry.all
    wanted = {key: key for key in keys}
    for at, some in enumerate(places):
        rows, columns = some.places, some.columns
        snapshot.limits.take_spans(len(rows))
        if at % CHUNKS_AT_ONCE == 0:
            reader.fetch([(one.partition, one.chunk) for one in places[at : at + CHUNKS_AT_ONCE]])
        rests, borders = reader.rests(some.partition, some.chunk)
        ids, parents = reader.ids(some.partition, some.chunk)
        of_spans = (columns.trace_hi, columns.trace_lo, ids[rows], parents[rows], columns.start_ns, columns.duration_ns)
        numbers = (array.tolist() for array in (*of_spans, columns.status, columns.series))
        bounds = borders[rows].tolist(), borders[rows + 1].tolist()
        for high, low, span_id, parent, start_ns, duration_ns, status, series, begin, end in zip(
            *numbers, *bounds, strict=True
        ):
            # The same object for all spans of a trace.
            key = wanted.get((high, low))
            if key is not None:
                rest = rests[begin:end]
                yield Span(key, span_id, parent, start_ns, duration_ns, status, all_series[series], rest)
