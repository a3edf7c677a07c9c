"""Outlets: one destination of spans each, with what waits for it.

While a backend is away its payloads are kept up to a number of bytes, the oldest are dropped and counted, and it is
tried again with growing pauses; one warning is logged per outage.
"""

import http.client
import logging
import random
import time
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from shared.tracing.span import Span

logger = logging.getLogger(__name__)

BACKLOG_BYTES_MAX = 16 * 1024 * 1024
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 15.0


class Rejected(Exception):
    """The backend understood the request and refused these spans: sending them again would not help."""


class Exporter(Protocol):
    """Speaks one protocol to one backend."""

    name: str

    def encode(self, spans: Sequence[Span]) -> list[tuple[int, bytes]]:
        """Payloads with the number of spans in each; spans too large for the protocol are left out."""

    def send(self, payload: bytes) -> None:
        """Deliver one payload. Raises `Rejected` if it never will be taken, OSError or HTTPException if later
        might do."""

    def close(self) -> None:
        """Give up connections."""


class Outlet:
    """One exporter with its backlog of encoded payloads, its pauses and its counts."""

    def __init__(self, exporter: Exporter, backlog_bytes_max: int = BACKLOG_BYTES_MAX) -> None:
        self.exporter = exporter
        self.backlog: deque[tuple[int, bytes]] = deque()
        self.backlog_bytes = 0
        self.backlog_spans = 0
        self.backlog_bytes_max = backlog_bytes_max
        self.retry_at_s = 0.0
        self.pause_s = 0.0
        self.exported = 0
        self.dropped: dict[str, int] = {"backlog_full": 0, "rejected": 0, "shutdown": 0, "encoding": 0, "too_large": 0}

    def put(self, spans: Sequence[Span]) -> None:
        """Encode spans into the backlog; drops the oldest payloads beyond the byte limit."""
        payloads = self.exporter.encode(spans)
        self.backlog.extend(payloads)
        self.backlog_bytes += sum(len(payload) for _, payload in payloads)
        fitting = sum(count for count, _ in payloads)
        self.backlog_spans += fitting
        self.dropped["too_large"] += len(spans) - fitting
        while self.backlog_bytes > self.backlog_bytes_max:
            self._drop_oldest("backlog_full")

    def send(self, ignore_pause: bool = False) -> None:
        """Send what is waiting, oldest first, until it is gone or the backend fails."""
        if time.monotonic() < self.retry_at_s and not ignore_pause:
            return
        while self.backlog:
            count, payload = self.backlog[0]
            try:
                self.exporter.send(payload)
            except Rejected as error:
                logger.warning("Trace backend %s refused %d spans: %s", self.exporter.name, count, error)
                self._drop_oldest("rejected")
                continue
            except (OSError, http.client.HTTPException) as error:
                self._pause(error)
                return
            self._pop()
            self.exported += count
            if self.pause_s:
                logger.info("Trace backend %s is back.", self.exporter.name)
                self.pause_s = 0.0

    def give_up(self) -> None:
        """Count what could not be sent before the end, and close."""
        while self.backlog:
            self._drop_oldest("shutdown")
        self.exporter.close()

    def _pause(self, error: Exception) -> None:
        if not self.pause_s:
            logger.warning("Trace backend %s cannot be reached (%s); spans wait in memory.", self.exporter.name, error)
        self.pause_s = min(PAUSE_MAX_S, self.pause_s * 2 or PAUSE_FIRST_S)
        # Jitter, so that nine services do not knock at a returning backend in step.
        self.retry_at_s = time.monotonic() + self.pause_s * random.uniform(0.7, 1.0)  # noqa: S311
        self.exporter.close()

    def _drop_oldest(self, reason: str) -> None:
        self.dropped[reason] += self._pop()

    def _pop(self) -> int:
        """Take the oldest payload out; answers its number of spans."""
        count, payload = self.backlog.popleft()
        self.backlog_bytes -= len(payload)
        self.backlog_spans -= count
        return count
