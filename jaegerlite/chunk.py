"""A chunk: up to a few thousand spans, sorted by trace and packed, as one row of the store.

Why chunks. A span's columns (trace, series, start, duration, status) compress to about 9 bytes in DuckDB and answer
searches with SQL. What is left, 150 bytes and more of ids, attributes and events, is seldom read and compresses well
only together with its neighbours: sorted by trace, the attributes of an order lie next to each other and cost about
11 bytes per span. The span ids are random and cost their 8 bytes; a parent is mostly a span of the same chunk and
costs two bytes less what zstd finds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import zstandard

from jaegerlite.columns import I64Array, SpanColumns, U8Array, U64Array
from jaegerlite.tagfilter import FILTER_VERSION, fill_tag_filter
from jaegerlite.wire import gather

CHUNK_SPANS: Final = 4096
SMALL_SPANS: Final = CHUNK_SPANS // 2
FILTER_BYTES_PER_SPAN: Final = 2
ZSTD_LEVEL: Final = 3
PARENT_NONE: Final = -1
PARENT_ELSEWHERE: Final = -2


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """The blobs of a chunk: trace hashes (uint32), tag filter, span ids (uint64), parents and rests (both zstd)."""

    spans: int
    start_ns_min: int
    start_ns_max: int
    traces: bytes
    tags: bytes
    span_ids: bytes
    parents: bytes
    rests: bytes


def trace_hash(trace_lo: U64Array) -> npt.NDArray[np.uint32]:
    """The 32 bits by which a chunk's traces are listed; trace ids are random in their low half (W3C trace context)."""
    return (trace_lo & np.uint64(0xFFFFFFFF)).astype(np.uint32)


def filter_bytes(spans: int) -> int:
    """The size of a tag filter without its version, a power of two."""
    return 1 << max(6, (spans * FILTER_BYTES_PER_SPAN - 1).bit_length())


def pack(columns: SpanColumns, order: I64Array) -> PackedChunk:
    """Pack the rows that `order` names, in that order (sorted by trace)."""
    starts, stops = columns.rest_start[order], columns.rest_stop[order]
    rests = gather(columns.payload, starts, stops)
    lengths = stops - starts
    bits: U8Array = np.zeros(filter_bytes(len(order)), np.uint8)
    fill_tag_filter(rests, lengths, bits)
    start_ns = columns.start_ns[order]
    span_ids = columns.span_id[order]
    return PackedChunk(
        spans=len(order),
        start_ns_min=int(start_ns.min()),
        start_ns_max=int(start_ns.max()),
        traces=np.unique(trace_hash(columns.trace_lo[order])).tobytes(),
        tags=bits.tobytes() + FILTER_VERSION,
        span_ids=span_ids.tobytes(),
        parents=zstandard.compress(_pack_parents(span_ids, columns.parent_id[order]), ZSTD_LEVEL),
        rests=zstandard.compress(lengths.astype(np.uint32).tobytes() + rests, ZSTD_LEVEL),
    )


def _pack_parents(span_ids: U64Array, parents: U64Array) -> bytes:
    """Each parent as its place in the chunk (int16); ids of parents that are elsewhere follow after the places."""
    by_id = np.argsort(span_ids)
    sorted_ids = span_ids[by_id]
    found = np.searchsorted(sorted_ids, parents)
    found[found == len(span_ids)] = 0
    places = by_id[found]
    places[span_ids[places] != parents] = PARENT_ELSEWHERE
    places[parents == 0] = PARENT_NONE
    elsewhere = parents[places == PARENT_ELSEWHERE]
    return bytes(places.astype(np.int16).tobytes() + elsewhere.tobytes())


def unpack_parents(span_ids: U64Array, packed: bytes) -> U64Array:
    """The parents' ids, 0 for none, from what `pack` made of them."""
    raw = zstandard.decompress(packed)
    places = np.frombuffer(raw, np.int16, len(span_ids))
    # The marks are negative: as an index they would count from the end, and miss a chunk of one span altogether.
    parents = span_ids[np.maximum(places, 0)]
    parents[places == PARENT_NONE] = 0
    parents[places == PARENT_ELSEWHERE] = np.frombuffer(raw, np.uint64, offset=2 * len(span_ids))
    return parents


def unpack_rests(packed: bytes, spans: int) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The rests of all spans of a chunk in one piece, and the borders between them (`spans + 1` offsets)."""
    raw = zstandard.decompress(packed)
    borders = np.zeros(spans + 1, np.int64)
    np.cumsum(np.frombuffer(raw, np.uint32, spans), out=borders[1:])
    return raw, borders + 4 * spans
