"""How the spans of a window hang together: a bounded number of them as columns, without their attributes.

Parents and children come in batches of different processes, so neighbouring chunks are taken together: where a window
has more of them than may be read, some runs of neighbours, evenly spread.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from jaegerlite.columns import BoolArray, I32Array, I64Array, U8Array, U64Array
from jaegerlite.otlp import Value
from jaegerlite.otlp_read import read_rest
from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.traces import TraceKey

RUN_SPANS: Final = 30_000
RUN_CHUNKS: Final = 16
RUNS_MAX: Final = 4
Chunks = tuple[Partition, list[int]]


@dataclass(frozen=True, slots=True)
class Survey:
    """Spans as columns, each once; `parent` is the row of a span's parent, -1 where that is not among them.

    `chunk` and `place` say where the rest of a span is, times are nanoseconds since 1970.
    """

    trace_hi: U64Array
    trace_lo: U64Array
    span_id: U64Array
    parent_id: U64Array
    parent: I64Array
    series: I32Array
    start_ns: I64Array
    end_ns: I64Array
    status: U8Array
    chunk: I64Array
    place: I64Array
    partitions: dict[int, Partition]

    @property
    def count(self) -> int:
        """How many spans."""
        return len(self.span_id)

    @property
    def is_root(self) -> BoolArray:
        """Which spans begin a trace."""
        roots: BoolArray = self.parent_id == 0
        return roots

    @property
    def traces(self) -> int:
        """How many traces have a span among them."""
        return len(np.unique(self.trace_lo))

    def trace(self, row: int) -> TraceKey:
        """The trace that a span belongs to."""
        return int(self.trace_hi[row]), int(self.trace_lo[row])


class SurveyedAttributes:
    """The attributes of a survey's spans, by their rows; asked for together they are read together."""

    def __init__(self, snapshot: Snapshot, surveyed: Survey) -> None:
        self._snapshot = snapshot
        self._survey = surveyed
        self._known: dict[int, dict[str, Value]] = {}

    def fetch(self, rows: Iterable[int]) -> None:
        """Read those of several spans, chunk by chunk."""
        by_chunk: dict[int, list[int]] = {}
        for row in set(rows) - self._known.keys():
            by_chunk.setdefault(int(self._survey.chunk[row]), []).append(row)
        for chunk, inside in by_chunk.items():
            self._snapshot.limits.take_spans(len(inside))
            rests, borders = self._snapshot.chunks.rests(self._survey.partitions[chunk], chunk)
            for row in inside:
                place = self._survey.place[row]
                self._known[row] = dict(read_rest(rests[borders[place] : borders[place + 1]]).attributes)

    def __getitem__(self, row: int) -> dict[str, Value]:
        self.fetch((row,))
        return self._known[row]


def survey(snapshot: Snapshot, start_ns: int, end_ns: int, runs: int = RUNS_MAX) -> Survey:
    """Spans that start in a window (nanoseconds since 1970, the end not in it), the newest of it among them.

    Args:
        runs: how many runs of neighbouring chunks at most, of some 30,000 spans each.
    """
    pieces: list[dict[str, Any]] = []
    partitions: dict[int, Partition] = {}
    for partition, chunks in _runs(snapshot, start_ns, end_ns, runs):
        snapshot.limits.check()
        reader = snapshot.chunks
        reader.fetch_columns((partition, chunk) for chunk in chunks)
        reader.fetch_ids((partition, chunk) for chunk in chunks)
        for chunk in chunks:
            columns, (ids, parents) = reader.columns(partition, chunk), reader.ids(partition, chunk)
            inside = np.flatnonzero((columns.start_ns >= start_ns) & (columns.start_ns < end_ns))
            named = {name: getattr(columns, name) for name in ("trace_hi", "trace_lo", "series", "start_ns", "status")}
            named |= {"span_id": ids, "parent_id": parents, "end_ns": columns.start_ns + columns.duration_ns}
            piece = {name: column[inside] for name, column in named.items()}
            pieces.append(piece | {"chunk": np.full(len(inside), chunk, np.int64), "place": inside.astype(np.int64)})
            partitions[chunk] = partition
    return _joined(pieces, partitions)


def _runs(snapshot: Snapshot, start_ns: int, end_ns: int, most: int) -> list[Chunks]:
    """Neighbouring chunks of the window, at most `most` runs of them, the newest among these."""
    runs: list[Chunks] = []
    for partition in snapshot.overlapping(start_ns, end_ns - 1):
        rows: list[Any] = snapshot.cursor.execute(
            f"SELECT id, spans FROM {partition.chunk_table} WHERE start_ns_max >= ? AND start_ns_min < ?"  # noqa: S608
            " ORDER BY id DESC",
            [start_ns, end_ns],
        ).fetchall()
        run: list[int] = []
        spans = 0
        for chunk, count in rows:
            if run and (spans + count > RUN_SPANS or len(run) == RUN_CHUNKS):
                runs.append((partition, run[::-1]))
                run, spans = [], 0
            run.append(chunk)
            spans += count
        if run:
            runs.append((partition, run[::-1]))
    stride = max(1.0, len(runs) / most)
    return [runs[int(number * stride)] for number in range(min(most, len(runs)))]


def _joined(pieces: list[dict[str, Any]], partitions: dict[int, Partition]) -> Survey:
    names = ("trace_hi", "trace_lo", "span_id", "parent_id", "series", "start_ns", "end_ns", "status", "chunk", "place")
    if pieces:
        columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in names}
    else:
        kinds = dict.fromkeys(names, np.int64) | dict.fromkeys(names[:4], np.uint64)
        columns = {name: np.empty(0, kind) for name, kind in kinds.items()}
    ids, first = np.unique(columns["span_id"], return_index=True)
    columns = {name: column[first] for name, column in columns.items()}
    parent = np.full(len(ids), -1, np.int64)
    if len(ids):
        at = np.minimum(np.searchsorted(ids, columns["parent_id"]), len(ids) - 1)
        known = (ids[at] == columns["parent_id"]) & (columns["trace_lo"][at] == columns["trace_lo"])
        parent[known] = at[known]
    return Survey(parent=parent, partitions=partitions, **columns)
