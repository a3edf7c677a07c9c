"""Reading chunks: the columns of their spans as arrays, and what is packed, unpacked as it is asked for.

Chunks are asked for by themselves, or from one to another: of a list of them DuckDB makes a join over every column of
whole row groups. What was read last stays at hand, since a search looks at a chunk to find a trace, and then again to
load it.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import duckdb
import numpy as np

from jaegerlite.chunk import unpack_parents, unpack_rests
from jaegerlite.columns import I32Array, I64Array, U8Array, U64Array
from jaegerlite.partition import Partition

# The columns of a chunk have about 150 kilobytes, its packed rests some tens, unpacked a megabyte and more.
COLUMNS_KEPT: Final = 32
RESTS_KEPT: Final = 64
CHUNKS_AT_ONCE: Final = 16
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ChunkColumns:
    """The columns of a chunk's spans, by their places."""

    trace_hi: U64Array
    trace_lo: U64Array
    series: I32Array
    start_ns: I64Array
    duration_ns: I64Array
    status: U8Array


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
        self.fetch_columns(partition, [chunk])
        return _newest(self._columns, chunk, COLUMNS_KEPT)

    def fetch_columns(self, partition: Partition, chunks: Sequence[int]) -> None:
        """Read the columns of several chunks (`CHUNKS_AT_ONCE` at most, ascending), neighbours together."""
        for first, last in _runs([chunk for chunk in chunks if chunk not in self._columns]):
            rows = self._cursor.execute(
                "SELECT chunk, place, trace_hi, trace_lo, series, start_ns, duration_ns, status"  # noqa: S608
                f" FROM {partition.span_table} WHERE chunk BETWEEN {first:d} AND {last:d}"
            ).fetchnumpy()
            chunk_of, place, *arrays = (np.ma.getdata(column) for column in rows.values())
            at = chunk_of.astype(np.int64) << 16 | place
            if (at[1:] < at[:-1]).any():
                order = np.argsort(at)
                chunk_of, arrays = chunk_of[order], [array[order] for array in arrays]
            for chunk in range(first, last + 1):
                begin, end = np.searchsorted(chunk_of, (chunk, chunk + 1))
                self._columns[chunk] = ChunkColumns(*(array[begin:end] for array in arrays))
                _newest(self._columns, chunk, COLUMNS_KEPT)

    def fetch_ids(self, partition: Partition, chunks: Sequence[int]) -> None:
        """Read the ids of the spans of several chunks, as `fetch_columns` does."""
        for first, last in _runs([chunk for chunk in chunks if chunk not in self._ids]):
            for chunk, span_ids, parents in self._cursor.execute(
                f"SELECT id, span_ids, parents FROM {partition.chunk_table}"  # noqa: S608
                f" WHERE id BETWEEN {first:d} AND {last:d}"
            ).fetchall():
                self._ids[chunk] = span_ids, parents
                _newest(self._ids, chunk, COLUMNS_KEPT)

    def ids(self, partition: Partition, chunk: int) -> tuple[U64Array, U64Array]:
        """The ids of all spans of a chunk, and those of their parents (0 for none)."""
        self.fetch_ids(partition, [chunk])
        span_ids, parents = _newest(self._ids, chunk, COLUMNS_KEPT)
        ids = np.frombuffer(span_ids, np.uint64)
        return ids, unpack_parents(ids, parents)

    def fetch(self, partition: Partition, chunks: Sequence[int]) -> None:
        """Read the rests of several chunks, packed, as `fetch_columns` does."""
        for first, last in _runs([chunk for chunk in chunks if chunk not in self._packed]):
            for chunk, spans, rests in self._cursor.execute(
                f"SELECT id, spans, rests FROM {partition.chunk_table} WHERE id BETWEEN {first:d} AND {last:d}"  # noqa: S608
            ).fetchall():
                self._packed[chunk] = spans, rests
                _newest(self._packed, chunk, RESTS_KEPT)

    def rests(self, partition: Partition, chunk: int) -> tuple[bytes, I64Array]:
        """The kept parts of all spans of a chunk in one piece, and the borders between them."""
        if self._rests is None or self._rests[0] != chunk:
            self.fetch(partition, [chunk])
            spans, packed = _newest(self._packed, chunk, RESTS_KEPT)
            # Not two at a time: they are large.
            self._rests = None
            self._rests = (chunk, *unpack_rests(packed, spans))
        return self._rests[1:]


def _runs(chunks: list[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of neighbours among numbers that ascend."""
    begin = 0
    for place, chunk in enumerate(chunks):
        if place + 1 == len(chunks) or chunks[place + 1] != chunk + 1:
            yield chunks[begin], chunk
            begin = place + 1


def _newest(kept: OrderedDict[int, T], chunk: int, most: int) -> T:
    """What is kept of a chunk, which counts as used just now; the one that was not used for longest may go for it."""
    kept.move_to_end(chunk)
    if len(kept) > most:
        kept.popitem(last=False)
    return kept[chunk]
