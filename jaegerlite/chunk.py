"""A chunk: up to a few thousand spans, sorted by trace and packed, as one row of the store.

Why chunks. A span's columns (trace, series, start, duration, status) compress to about 9 bytes in DuckDB and answer
searches with SQL. What is left, 150 bytes and more of ids, attributes and events, is seldom read and compresses well
only together with its neighbours: sorted by trace, the attributes of an order lie next to each other and cost about
11 bytes per span. The span ids are random and cost their 8 bytes; a parent is mostly a span of the same chunk and
costs two bytes less what zstd finds.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zstandard

from jaegerlite.columns import I64Array, SpanColumns, U8Array, U64Array
from jaegerlite.spanmap import SpanMap
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


def new_compressor() -> zstandard.ZstdCompressor:
    """What `pack` compresses with, on one thread at a time; its tables are as dear as a small chunk."""
    return zstandard.ZstdCompressor(ZSTD_LEVEL)


def pack(columns: SpanColumns, order: I64Array, compressor: zstandard.ZstdCompressor) -> PackedChunk:
    """Pack the rows that `order` names, in that order (sorted by trace)."""
    starts, stops = columns.rest_start[order], columns.rest_stop[order]
    rests = gather(columns.bodies, columns.body_starts, starts, stops)
    bits: U8Array = np.zeros(filter_bytes(len(order)), np.uint8)
    fill_tag_filter(rests, _borders(stops - starts), bits)
    start_ns = columns.start_ns[order]
    span_ids = columns.span_id[order]
    return PackedChunk(
        spans=len(order),
        start_ns_min=int(start_ns.min()),
        start_ns_max=int(start_ns.max()),
        traces=np.unique(trace_hash(columns.trace_lo[order])).tobytes(),
        tags=bits.tobytes() + FILTER_VERSION,
        span_ids=span_ids.tobytes(),
        parents=compressor.compress(_pack_parents(span_ids, columns.parent_id[order])),
        rests=compressor.compress(rests),
    )


def _pack_parents(span_ids: U64Array, parents: U64Array) -> bytes:
    """Each parent as its place in the chunk (int16); ids of parents that are elsewhere follow after the places."""
    by_id = SpanMap(1 << (2 * len(span_ids) - 1).bit_length())
    by_id.put(span_ids, np.arange(len(span_ids), dtype=np.int32))
    places = np.full(len(span_ids), PARENT_ELSEWHERE, np.int32)
    by_id.get(parents, places)
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


def unpack_rests(packed: bytes, spans: int) -> tuple[bytes, I64Array]:
    """The rests of all spans of a chunk in one piece, and the borders between them (`spans + 1` offsets)."""
    raw = zstandard.decompress(packed)
    return raw, _borders(np.frombuffer(raw, np.uint32, spans))


def _borders(lengths: npt.NDArray[Any]) -> I64Array:
    """Where spans of these lengths begin and end behind their lengths, as `gather` puts them."""
    borders: I64Array = np.empty(len(lengths) + 1, np.int64)
    borders[0] = 4 * len(lengths)
    np.cumsum(lengths, out=borders[1:])
    borders[1:] += borders[0]
    return borders
