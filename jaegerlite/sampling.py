"""A bounded number of traces out of a window, for questions about many traces that no counting answers beforehand.

Chunks are drawn evenly over the window, and traces from them: one half at random, one half those with the slowest
spans, since what is worst is rare. The cost is that of some tens of chunks, however many spans there are.
"""

import time
from typing import Any, Final

from jaegerlite.partition import Partition
from jaegerlite.partitions import Snapshot
from jaegerlite.red import NS_PER_MS, series_of
from jaegerlite.sql import number_list
from jaegerlite.store import Store
from jaegerlite.traces import Span, TraceKey, load_traces

CHUNKS_MAX: Final = 24
TRACES_AT_ONCE: Final = 16


def sample_traces(
    store: Store,
    snapshot: Snapshot,
    start_ms: int,
    end_ms: int,
    *,
    service: str = "",
    operation: str = "",
    limit: int = 100,
    seconds: float = 1.0,
) -> tuple[dict[TraceKey, list[Span]], bool]:
    """Some traces with a span (of a service, of an operation) that starts in a window, and whether time sufficed.

    Args:
        start_ms: in milliseconds since 1970, as `end_ms`, which does not belong to the window.
        limit: how many traces at most.
        seconds: time after which no more are loaded.
    """
    deadline = time.monotonic() + seconds
    where = f"start_ns BETWEEN {start_ms * NS_PER_MS:d} AND {end_ms * NS_PER_MS - 1:d}"
    if service or operation:
        where += f" AND series IN ({number_list(s.number for s in series_of(store, service, operation))})"
    chunks = _some_chunks(snapshot, start_ms * NS_PER_MS, end_ms * NS_PER_MS - 1)
    keys: dict[TraceKey, None] = {}
    each = max(1, -(-limit // max(1, 2 * sum(len(inside) for _, inside in chunks))))
    for partition, inside in chunks:
        for chunk in inside:
            for order in ("duration_ns DESC", "hash(trace_lo)"):
                keys.update(dict.fromkeys(_traces_of(snapshot, partition, chunk, where, order, each)))
    wanted = list(keys)[:limit]
    found: dict[TraceKey, list[Span]] = {}
    for at in range(0, len(wanted), TRACES_AT_ONCE):
        if time.monotonic() > deadline:
            return found, False
        found |= load_traces(store, snapshot, wanted[at : at + TRACES_AT_ONCE])
    return found, True


def _some_chunks(snapshot: Snapshot, start_ns: int, end_ns: int) -> list[tuple[Partition, list[int]]]:
    """At most `CHUNKS_MAX` of the chunks that may have spans in the window, evenly spread."""
    all_chunks: list[tuple[Partition, int]] = []
    for partition in snapshot.overlapping(start_ns, end_ns):
        rows: list[Any] = snapshot.cursor.execute(
            f"SELECT id FROM {partition.chunk_table} WHERE start_ns_max >= ? AND start_ns_min <= ?"  # noqa: S608
            " ORDER BY start_ns_max DESC",
            [start_ns, end_ns],
        ).fetchall()
        all_chunks.extend((partition, row[0]) for row in rows)
    stride = max(1.0, len(all_chunks) / CHUNKS_MAX)
    chosen = [all_chunks[int(n * stride)] for n in range(min(CHUNKS_MAX, len(all_chunks)))]
    by_partition: dict[int, tuple[Partition, list[int]]] = {}
    for partition, chunk in chosen:
        by_partition.setdefault(partition.number, (partition, []))[1].append(chunk)
    return list(by_partition.values())


def _traces_of(
    snapshot: Snapshot, partition: Partition, chunk: int, where: str, order: str, limit: int
) -> list[TraceKey]:
    """The first traces of a chunk in an order; of many spans of one trace the first decides."""
    rows: list[TraceKey] = snapshot.cursor.execute(
        f"SELECT trace_hi, trace_lo FROM {partition.span_table} WHERE chunk = {chunk:d} AND {where}"  # noqa: S608
        f" ORDER BY {order} LIMIT {20 * limit:d}"
    ).fetchall()
    return list(dict.fromkeys(rows))[:limit]
