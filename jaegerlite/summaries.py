"""What a list of traces shows of each: root, times, spans, errors, services; from columns, without the attributes."""

from dataclasses import dataclass, field

from jaegerlite.chunk_reader import CHUNKS_AT_ONCE
from jaegerlite.partitions import Snapshot
from jaegerlite.store import Store
from jaegerlite.tags import ERROR
from jaegerlite.traces import TraceKey, places_of


@dataclass(slots=True)
class ServiceSummary:
    """A service's part in a trace."""

    spans: int = 0
    errors: int = 0


@dataclass(slots=True)
class TraceSummary:
    """A trace; times in nanoseconds since 1970. The root is its earliest span without a parent in the trace."""

    key: TraceKey
    start_ns: int = 0
    end_ns: int = 0
    root_service: str = ""
    root_operation: str = ""
    spans: int = 0
    errors: int = 0
    orphans: int = 0
    services: dict[str, ServiceSummary] = field(default_factory=dict)

    @property
    def duration_ns(self) -> int:
        """From the first start to the last end."""
        return self.end_ns - self.start_ns


@dataclass(frozen=True, slots=True)
class _Row:
    span_id: int
    parent_id: int
    series: int
    start_ns: int
    duration_ns: int
    status: int


def load_summaries(store: Store, snapshot: Snapshot, keys: list[TraceKey]) -> dict[TraceKey, TraceSummary]:
    """A summary of each trace that exists; a span that was sent twice counts once."""
    traces: dict[TraceKey, dict[int, _Row]] = {key: {} for key in keys}
    places = list(places_of(store, snapshot, keys))
    for at, some in enumerate(places):
        if at % CHUNKS_AT_ONCE == 0:
            snapshot.chunks.fetch_ids([(one.partition, one.chunk) for one in places[at : at + CHUNKS_AT_ONCE]])
        snapshot.limits.take_spans(len(some.places))
        columns = some.columns
        ids, parents = (array[some.places] for array in snapshot.chunks.ids(some.partition, some.chunk))
        of_rows = (ids, parents, columns.series, columns.start_ns, columns.duration_ns, columns.status)
        numbers = (array.tolist() for array in (columns.trace_hi, columns.trace_lo, *of_rows))
        for high, low, span_id, *rest in zip(*numbers, strict=True):
            if (high, low) in traces:
                traces[(high, low)].setdefault(span_id, _Row(span_id, *rest))
    return {key: _summary(store, key, rows) for key, rows in traces.items() if rows}


def _summary(store: Store, key: TraceKey, rows: dict[int, _Row]) -> TraceSummary:
    summary = TraceSummary(key, spans=len(rows))
    summary.start_ns = min(row.start_ns for row in rows.values())
    summary.end_ns = max(row.start_ns + row.duration_ns for row in rows.values())
    roots = []
    for row in rows.values():
        service = summary.services.setdefault(store.registry.all[row.series].service, ServiceSummary())
        service.spans += 1
        if row.status == ERROR:
            service.errors += 1
            summary.errors += 1
        if row.parent_id not in rows:
            roots.append(row)
            summary.orphans += row.parent_id != 0
    # A span that names no parent is a better root than one whose parent is missing; a circle of spans has neither.
    root = min(roots or rows.values(), key=lambda row: (row.parent_id != 0, row.start_ns))
    series = store.registry.all[root.series]
    summary.root_service, summary.root_operation = series.service, series.name
    return summary
