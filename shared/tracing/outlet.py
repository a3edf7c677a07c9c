"""Outlets: one destination of spans each, with what waits for it.

While a backend is away its payloads are kept up to a number of bytes, the oldest are dropped and counted, and it is
tried again with growing pauses, or when it asked to be; one warning is logged per outage. Where there are several, each
has a thread of its own, so that one that is slow or away does not hold up the others.
"""

import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from shared.tracing.span_group import Ended, span_count

logger = logging.getLogger(__name__)

BACKLOG_BYTES_MAX = 16 * 1024 * 1024
PAUSE_FIRST_S, PAUSE_MAX_S = 0.5, 15.0
# Of its own: an application may have seeded the module's generator, to get the same numbers each time.
_jitter: Final = random.Random()  # noqa: S311


class Rejected(Exception):
    """The backend understood the request and refused these spans: sending them again would not help."""


class Later(OSError):
    """The backend cannot take these spans now; `after_s` is when it asked to be tried again, None if it did not."""

    def __init__(self, reason: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Exporter(Protocol):
    """Speaks one protocol to one backend."""

    name: str
    takes_otlp: bool
    """Whether payloads are OTLP requests, such as `early` makes without asking."""

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """Payloads with the number of spans in each; spans too large for the protocol are left out."""

    def send(self, payload: bytes) -> int:
        """Deliver one payload; the number of its spans that the backend took and then rejected.

        Raises `Rejected` if it never will be taken, OSError (`Later` with a time) if later might do.
        """

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
        self.lock = threading.Lock()
        self.requests: queue.SimpleQueue[threading.Event | bool | None] | None = None

    def start_thread(self) -> None:
        """Send on a thread of its own from now on."""
        self.requests = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(self.requests,), name="span-outlet", daemon=True).start()

    def put(self, ended: Sequence[Ended]) -> None:
        """Encode spans into the backlog; those that do not fit the protocol are counted."""
        payloads = self.exporter.encode(ended)
        self.add(payloads)
        self.dropped["too_large"] += span_count(ended) - sum(count for count, _ in payloads)

    def add(self, payloads: Sequence[tuple[int, bytes]]) -> None:
        """Put payloads, each with its number of spans, into the backlog; the oldest go beyond the byte limit."""
        with self.lock:
            self.backlog.extend(payloads)
            self.backlog_bytes += sum(len(payload) for _, payload in payloads)
            self.backlog_spans += sum(count for count, _ in payloads)
            while self.backlog and self.backlog_bytes > self.backlog_bytes_max:
                self._done(self.backlog.popleft(), "backlog_full")

    def send(self, ignore_pause: bool = False) -> None:
        """Send what is waiting, on the outlet's own thread if it has one."""
        if self.requests is None:
            self._send(ignore_pause)
        elif self.requests.empty() or ignore_pause:
            self.requests.put(ignore_pause)

    def settle(self, timeout_s: float) -> bool:
        """Whether nothing waits any more once the sending that was asked for is done."""
        if self.requests is not None:
            done = threading.Event()
            self.requests.put(done)
            done.wait(timeout_s)
        return not self.backlog_spans

    def give_up(self) -> None:
        """Count what could not be sent before the end, and close."""
        if self.requests is not None:
            self.requests.put(None)
        with self.lock:
            while self.backlog:
                self._done(self.backlog.popleft(), "shutdown")
        self.exporter.close()

    def restart_after_fork(self) -> None:
        """Leave what waits to the parent; its thread is not in the child."""
        self.lock = threading.Lock()
        self.backlog.clear()
        self.backlog_bytes = self.backlog_spans = 0
        self.exporter.close()
        if self.requests is not None:
            self.start_thread()

    def _run(self, requests: "queue.SimpleQueue[threading.Event | bool | None]") -> None:
        while (request := requests.get()) is not None:
            if isinstance(request, threading.Event):
                request.set()
            else:
                self._send(request)

    def _send(self, ignore_pause: bool) -> None:
        """Send oldest first, until nothing is left or the backend fails."""
        if time.monotonic() < self.retry_at_s and not ignore_pause:
            return
        while (entry := self._take()) is not None:
            try:
                rejected = self.exporter.send(entry[1])
            except Rejected as error:
                logger.warning("Trace backend %s refused %d spans: %s", self.exporter.name, entry[0], error)
                with self.lock:
                    self._done(entry, "rejected")
                continue
            except OSError as error:
                with self.lock:
                    self.backlog.appendleft(entry)
                self._pause(error)
                return
            with self.lock:
                self._done(entry)
                self.exported += entry[0] - rejected
                self.dropped["rejected"] += rejected
            if self.pause_s:
                logger.info("Trace backend %s is back.", self.exporter.name)
                self.pause_s = 0.0

    def _take(self) -> tuple[int, bytes] | None:
        with self.lock:
            return self.backlog.popleft() if self.backlog else None

    def _done(self, entry: tuple[int, bytes], dropped: str | None = None) -> None:
        """A payload no longer waits; call with the lock."""
        count, payload = entry
        self.backlog_bytes -= len(payload)
        self.backlog_spans -= count
        if dropped is not None:
            self.dropped[dropped] += count

    def _pause(self, error: Exception) -> None:
        if not self.pause_s:
            logger.warning("Trace backend %s cannot be reached (%s); spans wait in memory.", self.exporter.name, error)
        self.pause_s = min(PAUSE_MAX_S, self.pause_s * 2 or PAUSE_FIRST_S)
        asked_s = error.after_s if isinstance(error, Later) else None
        # Jitter, so that nine services do not knock at a returning backend in step; never before it asked to be.
        pause_s = self.pause_s * _jitter.uniform(0.7, 1.0) if asked_s is None else asked_s * _jitter.uniform(1.0, 1.2)
        self.retry_at_s = time.monotonic() + pause_s
        self.exporter.close()
