"""Deleting the oldest spans, by age and by size.

Chunks are numbered in order of arrival and a chunk's rows lie together, so what is deleted is the low end of each
table: whole row groups, whose blocks DuckDB gives back for reuse at the checkpoint. The file keeps its size and grows
no further.
"""

import logging
import time
from typing import Final

from jaegerlite import metrics
from jaegerlite.store import Store

INTERVAL_S: Final = 60.0
# Delete some more than needed at a time, so that it is seldom needed.
SHARE_DELETED: Final = 0.05
log = logging.getLogger("jaegerlite")


class Retention:
    """Keeps the store within its age and size; runs on the thread that writes."""

    def __init__(self, store: Store, hours: float, disk_bytes_max: int) -> None:
        self._store = store
        self._age_ms_max = int(hours * 3_600_000)
        self._disk_bytes_max = disk_bytes_max
        self._due_s = time.monotonic() + INTERVAL_S

    def is_due(self) -> bool:
        """Whether it is time to run again."""
        return time.monotonic() >= self._due_s

    def run(self) -> None:
        """Delete what is too old or too much, and put dependency counts of past minutes together."""
        self._due_s = time.monotonic() + INTERVAL_S
        cursor = self._store.cursor()
        oldest_ms = time.time_ns() // 1_000_000 - self._age_ms_max
        row = cursor.execute("SELECT max(id) FROM chunk WHERE arrived_ms < ?", [oldest_ms]).fetchone()
        last = row[0] if row else None
        if self._store.disk_bytes_used() > self._disk_bytes_max:
            row = cursor.execute(
                "SELECT min(id) + ?::DOUBLE * (max(id) - min(id) + 1) FROM chunk", [SHARE_DELETED]
            ).fetchone()
            if row and row[0] is not None:
                last = max(last or 0, int(row[0]))
        if last is not None:
            deleted = self._store.delete_through(last)
            metrics.SPANS_DELETED.inc(deleted)
            log.info("deleted the oldest %d spans", deleted)
        self._store.sum_up_edges(oldest_ms // 60_000, time.time_ns() // 60_000_000_000 - 1)
