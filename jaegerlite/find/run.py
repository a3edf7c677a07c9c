"""Running a search: the spans that fit, the traces they belong to, how many those are, and a page of them."""

import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jaegerlite import chunk_reader
from jaegerlite.columns import I64Array, U64Array
from jaegerlite.find.language import Condition, Expression
from jaegerlite.find.plan import Plan, Possible
from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.sql import number_list
from jaegerlite.store import Store
from jaegerlite.summaries import TraceSummary, load_summaries

SPANS_FOUND_MAX: Final = 2_000_000
# Chunks that no attributes are read of are asked together.
CHUNKS_AT_ONCE: Final = 256
# How far outside of the window a trace's other spans are looked for.
TRACE_NS_MAX: Final = 3_600_000_000_000
COMPARISONS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: spans that start within the times (nanoseconds since 1970) and fit the expression.

    `slowest_percent` keeps the traces that took longest; `by_duration` sorts so, else the newest come first.
    """

    expression: Expression
    start_ns_min: int
    start_ns_max: int
    slowest_percent: float = 100.0
    by_duration: bool = False
    limit: int = 20
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """A page of the traces found, each with its fitting spans; `total` counts all, `is_complete` unless cut short."""

    traces: list[tuple[TraceSummary, int]]
    total: int
    spans_total: int
    is_complete: bool


@dataclass(slots=True)
class _Traces:
    """Traces as columns: id, start of the newest fitting span, number of fitting spans."""

    hi: U64Array
    lo: U64Array
    newest_ns: I64Array
    spans: I64Array

    def where(self, rows: "np.ndarray[tuple[int], np.dtype[np.bool_ | np.intp]]") -> "_Traces":
        return _Traces(self.hi[rows], self.lo[rows], self.newest_ns[rows], self.spans[rows])


def search(store: Store, snapshot: Snapshot, wanted: Search) -> Result:
    """Run a search.

    Raises:
        ParameterError: the expression asks for something that cannot be.
        QueryLimitError: it takes too long.
    """
    plan = Plan(store, wanted.expression)
    found: list[_Traces] = []
    window = f"start_ns BETWEEN {wanted.start_ns_min:d} AND {wanted.start_ns_max:d}"
    is_complete = True
    for partition in snapshot.overlapping(wanted.start_ns_min, wanted.start_ns_max):
        snapshot.limits.check()
        if sum(len(part.lo) for part in found) > SPANS_FOUND_MAX:
            is_complete = False
            break
        whole = plan.superset()
        if whole.is_exact:
            found.append(_by_sql(snapshot, partition, f"{window} AND ({whole.sql})"))
        else:
            found += _by_reading(snapshot, partition, plan, window, wanted)
    traces = _by_trace(found)
    durations: I64Array | None = None
    if len(traces.lo) and (plan.on_trace or wanted.by_duration or wanted.slowest_percent < 100):
        traces, durations = _whole_traces(store, snapshot, wanted, plan.on_trace, traces)
    total, spans_total = len(traces.lo), int(traces.spans.sum())
    keys = _page(traces, durations, wanted)
    summaries = load_summaries(store, snapshot, list(keys))
    return Result([(summaries[k], n) for k, n in keys.items() if k in summaries], total, spans_total, is_complete)


def _by_sql(snapshot: Snapshot, partition: Partition, where: str) -> _Traces:
    rows = snapshot.cursor.execute(
        "SELECT trace_hi, trace_lo, max(start_ns) AS newest_ns, count(*) AS spans"  # noqa: S608
        f" FROM {partition.span_table} WHERE {where} GROUP BY trace_hi, trace_lo"
    ).fetchnumpy()
    return _Traces(*(np.ma.getdata(rows[name]) for name in ("trace_hi", "trace_lo", "newest_ns", "spans")))


def _by_reading(snapshot: Snapshot, partition: Partition, plan: Plan, window: str, wanted: Search) -> list[_Traces]:
    chunks = snapshot.chunk_list(partition)
    is_there = chunks.starting_in(wanted.start_ns_min, wanted.start_ns_max).tolist()
    together: dict[Possible, list[int]] = {}
    for chunk, fits, possible in zip(chunks.numbers.tolist(), is_there, plan.filtered(chunks), strict=True):
        if fits:
            together.setdefault(possible, []).append(chunk)
    found: list[_Traces] = []
    for possible, some in together.items():
        superset = plan.superset(possible)
        if not superset.is_exact:
            found += _read_chunks(snapshot, partition, some, plan, wanted)
            continue
        for at in range(0, len(some), CHUNKS_AT_ONCE):
            chosen = number_list(some[at : at + CHUNKS_AT_ONCE])
            where = f"chunk IN ({chosen}) AND {window} AND ({superset.sql})"
            found.append(_by_sql(snapshot, partition, where))
    return found


def _read_chunks(
    snapshot: Snapshot, partition: Partition, chunks: list[int], plan: Plan, wanted: Search
) -> Iterator[_Traces]:
    reader = snapshot.chunks
    for at, chunk in enumerate(chunks):
        snapshot.limits.check()
        if at % chunk_reader.CHUNKS_AT_ONCE == 0:
            reader.fetch([(partition, one) for one in chunks[at : at + chunk_reader.CHUNKS_AT_ONCE]])
        rests, borders = reader.rests(partition, chunk)
        verdicts = plan.verdicts(rests, borders)
        if not plan.may_fit(verdicts, len(borders) - 1):
            continue
        columns = reader.columns(partition, chunk)
        fits = plan.fitting(columns, rests, borders, verdicts)
        fits &= (columns.start_ns >= wanted.start_ns_min) & (columns.start_ns <= wanted.start_ns_max)
        ones = np.ones(int(fits.sum()), np.int64)
        yield _Traces(columns.trace_hi[fits], columns.trace_lo[fits], columns.start_ns[fits], ones)


def _by_trace(found: list[_Traces]) -> _Traces:
    """Each trace once."""
    if not found:
        empty: U64Array = np.empty(0, np.uint64)
        return _Traces(empty, empty, empty.astype(np.int64), empty.astype(np.int64))
    hi, lo = (np.concatenate([getattr(part, name) for part in found]) for name in ("hi", "lo"))
    newest_ns, spans = (np.concatenate([getattr(part, name) for part in found]) for name in ("newest_ns", "spans"))
    order = np.lexsort((hi, lo))
    hi, lo, newest_ns, spans = hi[order], lo[order], newest_ns[order], spans[order]
    if not len(lo):
        return _Traces(hi, lo, newest_ns, spans)
    first = np.flatnonzero(np.r_[True, (lo[1:] != lo[:-1]) | (hi[1:] != hi[:-1])])
    return _Traces(hi[first], lo[first], np.maximum.reduceat(newest_ns, first), np.add.reduceat(spans, first))


def _whole_traces(
    store: Store, snapshot: Snapshot, wanted: Search, conditions: list[Condition], traces: _Traces
) -> tuple[_Traces, I64Array]:
    """The traces that fit as wholes, and how long each took."""
    cursor = snapshot.cursor
    services = [condition for condition in conditions if condition.key == "trace.service"]
    has = "".join(f", {_has_service(store, one.text)} AS has_{i}" for i, one in enumerate(services))
    takes_part = np.zeros((len(services), len(traces.lo)), np.bool_)
    cursor.register("found_traces", {"hi": traces.hi, "lo": traces.lo, "number": np.arange(len(traces.lo))})
    start_ns = np.full(len(traces.lo), np.iinfo(np.int64).max)
    end_ns = np.zeros(len(traces.lo), np.int64)
    spans = np.zeros(len(traces.lo), np.int64)
    earliest, latest = wanted.start_ns_min - TRACE_NS_MAX, min(wanted.start_ns_max, 2**62) + TRACE_NS_MAX
    for partition in snapshot.overlapping(earliest, latest):
        snapshot.limits.check()
        rows = cursor.execute(
            f"SELECT number, min(start_ns) AS first, max(start_ns + duration_ns) AS last, count(*) AS spans{has}"  # noqa: S608
            f" FROM {partition.span_table} JOIN found_traces ON trace_lo = lo AND trace_hi = hi GROUP BY number"
        ).fetchnumpy()
        number, first, last, count = (np.ma.getdata(rows[name]) for name in ("number", "first", "last", "spans"))
        start_ns[number] = np.minimum(start_ns[number], first)
        end_ns[number] = np.maximum(end_ns[number], last)
        spans[number] += count
        for i in range(len(services)):
            takes_part[i, number] |= np.ma.getdata(rows[f"has_{i}"])
    cursor.unregister("found_traces")
    durations = end_ns - start_ns
    keep = np.ones(len(traces.lo), np.bool_)
    for condition, has_it in zip(services, takes_part, strict=True):
        keep &= has_it == (condition.comparison == "=")
    for condition in (one for one in conditions if one not in services):
        figures = durations if condition.key == "trace.duration" else spans
        keep &= COMPARISONS[condition.comparison](figures, condition.number)
    if wanted.slowest_percent < 100 and keep.any():
        slowest = max(math.ceil(int(keep.sum()) * wanted.slowest_percent / 100), 1)
        keep &= durations >= np.sort(durations[keep])[-slowest]
    return traces.where(keep), durations[keep]


def _has_service(store: Store, name: str) -> str:
    """SQL for whether a group of spans has one of the service; only numbers enter the text."""
    series = ",".join(str(one.number) for one in store.registry.all if one.service == name) or "NULL"
    return f"coalesce(bool_or(series IN ({series})), FALSE)"


def _page(traces: _Traces, durations: I64Array | None, wanted: Search) -> dict[tuple[int, int], int]:
    """The traces of the page, in order, each with the number of its fitting spans."""
    by = durations if wanted.by_duration and durations is not None else traces.newest_ns
    order = np.argsort(-by, kind="stable")[wanted.offset : wanted.offset + wanted.limit]
    page = traces.where(order)
    return dict(zip(zip(page.hi.tolist(), page.lo.tolist(), strict=True), page.spans.tolist(), strict=True))
