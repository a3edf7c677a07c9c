"""What a search knows of a partition's chunks without reading them: when their spans start, and which tags they hold.

A partition that gets no more spans never changes, so its list is made once and stays in memory, the filters of its
chunks as one matrix: to look for a tag in ten million spans is then to look at some thousand bytes here and there.
"""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from jaegerlite.columns import BoolArray, I64Array, U8Array
from jaegerlite.tagfilter import FILTER_VERSION, tag_places

CLOSED_BYTES_MAX: Final = 40_000_000
OPEN_BYTES_MAX: Final = 4_000_000
SHARE_DROPPED: Final = 0.25


@dataclass(frozen=True, slots=True)
class ChunkList:
    """The chunks of a partition in one state; times in nanoseconds since 1970.

    `filters` holds those of one size together: the rows that they belong to, and their bits, a row of bytes each. A
    chunk whose filter is of an older hash is in none of them, and may hold any tag.
    """

    numbers: I64Array
    start_ns_min: I64Array
    start_ns_max: I64Array
    filters: list[tuple[I64Array, U8Array]]

    def starting_in(self, start_ns_min: int, start_ns_max: int) -> BoolArray:
        """Which of them may hold spans that start in this time."""
        found: BoolArray = (self.start_ns_max >= start_ns_min) & (self.start_ns_min <= start_ns_max)
        return found

    def with_tag(self, key: bytes, text: bytes) -> BoolArray:
        """Which of them may hold a span with this tag."""
        found = np.ones(len(self.numbers), np.bool_)
        for rows, bits in self.filters:
            ways = np.array(tag_places(key, text, bits.shape[1]), np.int64)
            is_set: BoolArray = (bits[:, ways >> 3] >> (ways & 7).astype(np.uint8) & 1).astype(np.bool_)
            found[rows] = np.any(np.all(is_set, axis=2), axis=1)
        return found

    @property
    def bytes(self) -> int:
        """What it takes in memory, about."""
        return 24 * len(self.numbers) + sum(bits.size for _, bits in self.filters)


def chunk_list(chunks: Iterable[tuple[int, int, int, bytes]]) -> ChunkList:
    """The list of chunks given by number, first and last start in nanoseconds since 1970, and filter as stored."""
    rows = list(chunks)
    by_size: dict[int, list[int]] = {}
    for row, (_, _, _, stored) in enumerate(rows):
        # A filter's size is a power of two, and its version follows it: one of an older hash has none.
        if stored.endswith(FILTER_VERSION) and len(stored) % 2:
            by_size.setdefault(len(stored), []).append(row)
    filters = [
        (
            np.array(inside, np.int64),
            np.frombuffer(b"".join([rows[row][3][:-1] for row in inside]), np.uint8).reshape(len(inside), size - 1),
        )
        for size, inside in by_size.items()
    ]
    numbers, start_ns_min, start_ns_max = (np.array([row[part] for row in rows], np.int64) for part in range(3))
    return ChunkList(numbers, start_ns_min, start_ns_max, filters)


class ChunkLists:
    """The lists of closed partitions, by their numbers, and the filters of the newest chunks, by theirs.

    Both are only what was stored, at hand: a chunk never changes, nor does a partition once it is closed.
    """

    def __init__(self, closed_bytes_max: int = CLOSED_BYTES_MAX, open_bytes_max: int = OPEN_BYTES_MAX) -> None:
        """Hold so many bytes at most; of too many the oldest go, since searches begin at the newest."""
        self._closed_bytes_max = closed_bytes_max
        self._open_bytes_max = open_bytes_max
        self._closed: dict[int, ChunkList] = {}
        self._filters: dict[int, bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def closed(self, partition: int) -> ChunkList | None:
        """The list of a closed partition, if it is here."""
        return self._closed.get(partition)

    def put_closed(self, partition: int, chunks: ChunkList) -> None:
        """Keep the list of a closed partition; on any thread."""
        with self._lock:
            self._closed[partition] = chunks
            while len(self._closed) > 1 and sum(one.bytes for one in self._closed.values()) > self._closed_bytes_max:
                del self._closed[min(self._closed)]

    def tag_filter(self, chunk: int) -> bytes | None:
        """The filter of a chunk, if it is here."""
        return self._filters.get(chunk)

    def put_filter(self, chunk: int, stored: bytes) -> None:
        """Keep the filter of a chunk of the partition that is open; on any thread."""
        with self._lock:
            if chunk in self._filters:
                return
            self._filters[chunk] = stored
            self._bytes += len(stored)
            if self._bytes > self._open_bytes_max:
                for oldest in sorted(self._filters)[: max(1, int(SHARE_DROPPED * len(self._filters)))]:
                    self._bytes -= len(self._filters.pop(oldest))
