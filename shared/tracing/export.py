"""The export thread: takes ended spans out of the buffer, redacts and encodes them and sends the bytes.

Requests never wait for it. While a backend is away its payloads are kept up to a number of bytes, the oldest are
dropped and counted, and it is tried again with growing pauses; one warning is logged per outage.
"""

import http.client
import logging
import queue
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from shared.tracing.redact import redact_spans
from shared.tracing.span import Span, SpanBuffer

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


class ExportWorker:
    """The thread between the buffer of ended spans and the outlets.

    It wakes every `delay_s`, or earlier when the buffer is long. The wake queue is a `SimpleQueue` because its `put`
    may be called from signal handlers and from the hot path without a lock that could be held already.
    """

    def __init__(self, buffer: SpanBuffer, outlets: Sequence[Outlet], delay_s: float, batch_size: int) -> None:
        self.buffer = buffer
        self.outlets = outlets
        self.delay_s = delay_s
        self.batch_size = max(1, batch_size)
        self.requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.stopping = False
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; the buffer wakes it from now on."""
        self.buffer.wake = self.wake
        self.thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """Do not wait for the timer."""
        self.requests.put(None)

    def flush(self, timeout_s: float) -> bool:
        """Send what is buffered now. True if nothing was left waiting within the time."""
        done = threading.Event()
        self.requests.put(done.set)
        return done.wait(timeout_s) and not any(outlet.backlog for outlet in self.outlets)

    def stop(self, timeout_s: float) -> None:
        """Flush, then end the thread; waits `timeout_s` at most."""
        self.stopping = True
        self.requests.put(None)
        if self.thread is not None:
            self.thread.join(timeout_s)

    def restart_after_fork(self) -> None:
        """A child has none of its parent's threads, and its parent sends the parent's spans."""
        self.buffer.ended.clear()
        self.requests = queue.SimpleQueue()
        for outlet in self.outlets:
            outlet.backlog.clear()
            outlet.backlog_bytes = outlet.backlog_spans = 0
            outlet.exporter.close()
        self.start()

    def _run(self) -> None:
        while not self.stopping:
            flushed: Callable[[], None] | None = None
            try:
                flushed = self.requests.get(timeout=self.delay_s)
            except queue.Empty:
                flushed = None
            self._export(ignore_pause=flushed is not None)
            if flushed is not None:
                flushed()
        self._export(ignore_pause=True)
        for outlet in self.outlets:
            outlet.give_up()

    def _export(self, ignore_pause: bool) -> None:
        while batch := self._take_batch():
            redact_spans(batch)
            for outlet in self.outlets:
                try:
                    outlet.put(batch)
                except Exception:
                    # A span that cannot be encoded is a bug here; it must not end the export of all others.
                    logger.exception("Spans could not be encoded for %s.", outlet.exporter.name)
                    outlet.dropped["encoding"] += len(batch)
                outlet.send()
        for outlet in self.outlets:
            if outlet.backlog:
                outlet.send(ignore_pause)

    def _take_batch(self) -> list[Span]:
        ended = self.buffer.ended
        batch: list[Span] = []
        while len(batch) < self.batch_size:
            try:
                batch.append(ended.popleft())
            except IndexError:
                break
        return batch
