"""Reading whole traces out of the store."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from jaegerlite.chunk import trace_hash
from jaegerlite.otlp import SpanRest
from jaegerlite.otlp_read import read_rest
from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.series import Series
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
    rest_bytes: bytes

    @property
    def rest(self) -> SpanRest:
        """What the columns do not hold, read anew each time: traces of 100,000 spans fit in memory as bytes only."""
        return read_rest(self.rest_bytes)


def places_of(
    store: Store, snapshot: Snapshot, keys: list[TraceKey]
) -> Iterator[tuple[Partition, int, npt.NDArray[np.intp]]]:
    """Where the spans of these traces are: partition, chunk, and their places in there."""
    high, low = (np.array([key[half] for key in keys], np.uint64) for half in (0, 1))
    for partition, inside in snapshot.with_chunks(store.directory.chunks_of(trace_hash(low))):
        for chunk in inside:
            columns = snapshot.chunks.columns(partition, chunk)
            places = np.flatnonzero(np.isin(columns.trace_lo, low) & np.isin(columns.trace_hi, high))
            snapshot.limits.take_spans(len(places))
            if len(places):
                yield partition, chunk, places


def load_traces(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> dict[TraceKey, list[Span]]:
    """The spans of each trace that exists, by start; a span that was sent twice appears once."""
    traces: dict[TraceKey, dict[int, Span]] = {key: {} for key in keys}
    for partition, chunk, places in places_of(store, snapshot, keys):
        for span in _read_spans(store, snapshot, partition, chunk, places):
            if span.trace in traces:
                traces[span.trace].setdefault(span.span_id, span)
    return {key: sorted(spans.values(), key=lambda span: span.start_ns) for key, spans in traces.items() if spans}


def _read_spans(
    store: Store, snapshot: Snapshot, partition: Partition, chunk: int, places: npt.NDArray[np.intp]
) -> Iterator[Span]:
    reader, all_series = snapshot.chunks, store.registry.all
    columns = reader.columns(partition, chunk)
    rests, borders = reader.rests(partition, chunk)
    ids, parents = reader.ids(partition, chunk)
    of_spans = (columns.trace_hi, columns.trace_lo, ids, parents, columns.start_ns, columns.duration_ns)
    numbers = (array[places].tolist() for array in (*of_spans, columns.status, columns.series))
    bounds = borders[places].tolist(), borders[places + 1].tolist()
    for high, low, span_id, parent, start_ns, duration_ns, status, series, begin, end in zip(
        *numbers, *bounds, strict=True
    ):
        rest = rests[begin:end]
        yield Span((high, low), span_id, parent, start_ns, duration_ns, status, all_series[series], rest)
