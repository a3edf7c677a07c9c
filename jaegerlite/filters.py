"""The tag filters of the newest chunks in memory: a search for a tag looks at every chunk's, and at little else."""

import threading
from collections.abc import Sequence
from typing import Final

import numpy as np

from jaegerlite.columns import BoolArray
from jaegerlite.tagfilter import FILTER_VERSION, tag_places

BYTES_MAX: Final = 40_000_000
SHARE_DROPPED: Final = 0.25


class FilterCache:
    """Filters by chunk number, as they are stored; a chunk never changes, so none of them is ever out of date."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        """Hold so many bytes at most; of too many the oldest quarter goes, since searches begin at the newest."""
        self._bytes_max = bytes_max
        self._filters: dict[int, bytes] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, chunk: int) -> bytes | None:
        """The filter of a chunk, if it is here."""
        return self._filters.get(chunk)

    def put(self, chunk: int, tag_filter: bytes) -> None:
        """Keep the filter of a chunk; on any thread."""
        with self._lock:
            if chunk in self._filters:
                return
            self._filters[chunk] = tag_filter
            self._bytes += len(tag_filter)
            if self._bytes > self._bytes_max:
                for oldest in sorted(self._filters)[: max(1, int(SHARE_DROPPED * len(self._filters)))]:
                    self._bytes -= len(self._filters.pop(oldest))


def filters_with_tag(filters: Sequence[bytes], key: bytes, text: bytes) -> BoolArray:
    """Which of these filters may have a tag in them; one of an older hash says nothing, and may."""
    found = np.ones(len(filters), np.bool_)
    sizes = np.array(
        [len(each) if each.endswith(FILTER_VERSION) and len(each) % 2 else 0 for each in filters], np.int64
    )
    for size in np.unique(sizes[sizes > 0]).tolist():
        rows = np.flatnonzero(sizes == size).tolist()
        bits = np.frombuffer(b"".join([filters[row] for row in rows]), np.uint8).reshape(len(rows), size)
        ways = np.array(tag_places(key, text, size - len(FILTER_VERSION)), np.int64)
        is_set: BoolArray = (bits[:, ways >> 3] >> (ways & 7).astype(np.uint8) & 1).astype(np.bool_)
        found[rows] = np.any(np.all(is_set, axis=2), axis=1)
    return found
