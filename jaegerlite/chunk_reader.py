"""Reading chunks: the columns of their spans as arrays, and what is packed, unpacked as it is asked for.

A statement costs DuckDB about as much as the chunk that it reads, so several chunks are asked for in one: a run of
neighbours from one to another, and runs apart from each other, in whatever partitions, as a union. Of a list of numbers
DuckDB would make a join over every column of whole row groups. What was read last stays at hand, since a search looks
at a chunk to find a trace, and then again to load it.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import duckdb
import numpy as np
import numpy.typing as npt

from jaegerlite.chunk import unpack_parents, unpack_rests
from jaegerlite.columns import I32Array, I64Array, U8Array, U64Array
from jaegerlite.partition import Partition

# The columns of a chunk have about 150 kilobytes, its ids and its packed rests some tens each, unpacked a megabyte and
# more.
COLUMNS_KEPT: Final = 32
RESTS_KEPT: Final = 64
IDS_KEPT: Final = 64
CHUNKS_AT_ONCE: Final = 16
T = TypeVar("T")
ChunkOf = tuple[Partition, int]
"""A chunk, and the partition that it is in."""


@dataclass(frozen=True, slots=True)
class ChunkColumns:
    """The columns of a chunk's spans, by their places."""

    trace_hi: U64Array
    trace_lo: U64Array
    series: I32Array
    start_ns: I64Array
    duration_ns: I64Array
    status: U8Array

    def at(self, places: npt.NDArray[np.intp]) -> "ChunkColumns":
        """The columns of the spans at these places alone."""
        arrays = (self.trace_hi, self.trace_lo, self.series, self.start_ns, self.duration_ns, self.status)
        return ChunkColumns(*(array[places] for array in arrays))  # type: ignore[arg-type]


class ChunkReader:
    """Reads chunks of one state of the store."""

    def __init__(self, cursor: duckdb.DuckDBPyConnection) -> None:
        self._cursor = cursor
        self._columns: OrderedDict[int, ChunkColumns] = OrderedDict()
        self._ids: OrderedDict[int, tuple[bytes, bytes]] = OrderedDict()
        self._packed: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._rests: tuple[int, bytes, I64Array] | None = None

    def columns(self, partition: Partition, chunk: int) -> ChunkColumns:
        """The columns of all spans of a chunk."""
        self.fetch_columns([(partition, chunk)])
        return _newest(self._columns, chunk, COLUMNS_KEPT)

    def fetch_columns(self, wanted: Iterable[ChunkOf]) -> None:
        """Read the columns of several chunks (`CHUNKS_AT_ONCE` at most)."""
        runs = _runs([one for one in wanted if one[1] not in self._columns])
        if not runs:
            return
        rows = self._cursor.execute(
            " UNION ALL ".join(
                "SELECT chunk, place, trace_hi, trace_lo, series, start_ns, duration_ns, status"  # noqa: S608
                f" FROM {partition.span_table} WHERE chunk BETWEEN {first:d} AND {last:d}"
                for partition, first, last in runs
            )
        ).fetchnumpy()
        chunk_of, place, *arrays = (np.ma.getdata(column) for column in rows.values())
        at = chunk_of.astype(np.int64) << 16 | place
        if (at[1:] < at[:-1]).any():
            order = np.argsort(at)
            chunk_of, arrays = chunk_of[order], [array[order] for array in arrays]
        for _, first, last in runs:
            for chunk in range(first, last + 1):
                begin, end = np.searchsorted(chunk_of, (chunk, chunk + 1))
                self._columns[chunk] = ChunkColumns(*(array[begin:end] for array in arrays))
                _newest(self._columns, chunk, COLUMNS_KEPT)

    def fetch_ids(self, wanted: Iterable[ChunkOf]) -> None:
        """Read the ids of the spans of several chunks, as `fetch_columns` does."""
        for chunk, span_ids, parents in self._rows("span_ids, parents", [c for c in wanted if c[1] not in self._ids]):
            self._ids[chunk] = span_ids, parents
            _newest(self._ids, chunk, IDS_KEPT)

    def ids(self, partition: Partition, chunk: int) -> tuple[U64Array, U64Array]:
        """The ids of all spans of a chunk, and those of their parents (0 for none)."""
        self.fetch_ids([(partition, chunk)])
        span_ids, parents = _newest(self._ids, chunk, IDS_KEPT)
        ids = np.frombuffer(span_ids, np.uint64)
        return ids, unpack_parents(ids, parents)

    def fetch(self, wanted: Iterable[ChunkOf]) -> None:
        """Read all that is packed of several chunks, ids and rests, as `fetch_columns` does."""
        missing = [one for one in wanted if one[1] not in self._packed]
        for chunk, spans, span_ids, parents, rests in self._rows("spans, span_ids, parents, rests", missing):
            self._ids[chunk] = span_ids, parents
            _newest(self._ids, chunk, IDS_KEPT)
            self._packed[chunk] = spans, rests
            _newest(self._packed, chunk, RESTS_KEPT)

    def _rows(self, columns: str, chunks: list[ChunkOf]) -> list[Any]:
        if not chunks:
            return []
        return self._cursor.execute(
            " UNION ALL ".join(
                f"SELECT id, {columns} FROM {partition.chunk_table} WHERE id BETWEEN {first:d} AND {last:d}"  # noqa: S608
                for partition, first, last in _runs(chunks)
            )
        ).fetchall()

    def rests(self, partition: Partition, chunk: int) -> tuple[bytes, I64Array]:
        """The kept parts of all spans of a chunk in one piece, and the borders between them."""
        if self._rests is None or self._rests[0] != chunk:
            self.fetch([(partition, chunk)])
            spans, packed = _newest(self._packed, chunk, RESTS_KEPT)
            # Not two at a time: they are large.
            self._rests = None
            self._rests = (chunk, *unpack_rests(packed, spans))
        return self._rests[1:]


def _runs(wanted: list[ChunkOf]) -> list[tuple[Partition, int, int]]:
    """The first and the last of each run of neighbours among chunks, in order of their numbers."""
    runs: list[tuple[Partition, int, int]] = []
    for partition, chunk in sorted(wanted, key=lambda one: one[1]):
        if runs and runs[-1][0] is partition and runs[-1][2] + 1 == chunk:
            runs[-1] = partition, runs[-1][1], chunk
        else:
            runs.append((partition, chunk, chunk))
    return runs


def _newest(kept: OrderedDict[int, T], chunk: int, most: int) -> T:
    """What is kept of a chunk, which counts as used just now; the one that was not used for longest may go for it."""
    kept.move_to_end(chunk)
    if len(kept) > most:
        kept.popitem(last=False)
    return kept[chunk]
