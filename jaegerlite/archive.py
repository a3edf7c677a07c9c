"""Traces kept for good, each as one packed OTLP message: retention does not touch them."""

import time
from typing import Final

import duckdb
import zstandard

from jaegerlite.otlp_spans import otlp_from_spans, spans_from_otlp
from jaegerlite.partitions import Snapshot
from jaegerlite.traces import Span, TraceKey
from jaegerlite.writer import transaction

ZSTD_LEVEL: Final = 9


def pack_trace(spans: list[Span]) -> bytes:
    """What `keep_trace` stores of a trace."""
    return zstandard.compress(otlp_from_spans(spans), ZSTD_LEVEL)


def keep_trace(cursor: duckdb.DuckDBPyConnection, key: TraceKey, packed: bytes) -> None:
    """Archive a trace; one that is archived already is replaced, since spans may have come since."""
    with transaction(cursor):
        cursor.execute("DELETE FROM archive WHERE trace_hi = ? AND trace_lo = ?", list(key))
        cursor.execute("INSERT INTO archive VALUES (?, ?, ?, ?)", [*key, time.time_ns() // 1_000_000, packed])


def kept_trace(snapshot: Snapshot, key: TraceKey) -> list[Span] | None:
    """The spans of an archived trace by start; None if it is not in the archive."""
    rows = snapshot.cursor.execute(
        "SELECT spans FROM archive WHERE trace_hi = ? AND trace_lo = ?", list(key)
    ).fetchall()
    if not rows:
        return None
    spans = spans_from_otlp(zstandard.decompress(rows[0][0]))[key]
    snapshot.limits.take_spans(len(spans))
    return spans


def is_kept(snapshot: Snapshot, key: TraceKey) -> bool:
    """Whether a trace is in the archive."""
    found = snapshot.cursor.execute("SELECT 1 FROM archive WHERE trace_hi = ? AND trace_lo = ?", list(key)).fetchone()
    return found is not None
