"""Reading chunks back into columns, so that many small ones can be packed again as a few large ones.

A flush writes at least one chunk, however few spans came. Small chunks compress badly and cost every search a look, so
some tens of them become one. Spans that were sent twice, and lie in different chunks for it, become one as well.
"""

from typing import Final

import duckdb
import numpy as np

from jaegerlite.chunk import SMALL_SPANS, unpack_parents, unpack_rests
from jaegerlite.columns import SpanColumns
from jaegerlite.partition import Partition
from jaegerlite.sql import number_list

SMALL_CHUNKS_MAX: Final = 32


def small_chunks(cursor: duckdb.DuckDBPyConnection, partition: Partition) -> list[int]:
    """The numbers of a partition's small chunks."""
    rows = cursor.execute(
        f"SELECT id FROM {partition.chunk_table} WHERE spans < ? ORDER BY id",  # noqa: S608
        [SMALL_SPANS],
    ).fetchall()
    return [row[0] for row in rows]


def load_columns(
    cursor: duckdb.DuckDBPyConnection, partition: Partition, chunks: list[int]
) -> tuple[SpanColumns, int, int]:
    """The spans of these chunks, each once; the arrival of the latest chunk in ms since 1970; their bytes, packed."""
    numbers = number_list(chunks)
    blobs = cursor.execute(
        f"SELECT spans, arrived_ms, span_ids, parents, rests FROM {partition.chunk_table}"  # noqa: S608
        f" WHERE id IN ({numbers}) ORDER BY id"
    ).fetchall()
    rows = cursor.execute(
        f"SELECT trace_hi, trace_lo, series, start_ns, duration_ns, status FROM {partition.span_table}"  # noqa: S608
        f" WHERE chunk IN ({numbers}) ORDER BY chunk, place"
    ).fetchnumpy()
    columns = SpanColumns()
    for name, values in rows.items():
        setattr(columns, name, np.ascontiguousarray(np.ma.getdata(values)))
    columns.count = len(columns.trace_lo)
    _unpack_blobs(columns, blobs)
    _keep_first_of_each(columns)
    return columns, max(blob[1] for blob in blobs), sum(len(blob[4]) for blob in blobs)


def _unpack_blobs(columns: SpanColumns, blobs: list[tuple[int, int, bytes, bytes, bytes]]) -> None:
    ids, parents, starts, stops = [], [], [], []
    for spans, _, span_ids, packed_parents, packed_rests in blobs:
        ids.append(np.frombuffer(span_ids, np.uint64))
        parents.append(unpack_parents(ids[-1], packed_parents))
        rests, borders = unpack_rests(packed_rests, spans)
        starts.append(borders[:-1] + columns.bodies_bytes)
        stops.append(borders[1:] + columns.bodies_bytes)
        columns.add_body(rests)
    columns.span_id, columns.parent_id = np.concatenate(ids), np.concatenate(parents)
    columns.rest_start, columns.rest_stop = np.concatenate(starts), np.concatenate(stops)


def _keep_first_of_each(columns: SpanColumns) -> None:
    keys = np.stack([columns.trace_hi, columns.trace_lo, columns.span_id], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    first.sort()
    for name, column in list(vars(columns).items()):
        if isinstance(column, np.ndarray):
            setattr(columns, name, column[first])
    columns.count = len(first)
