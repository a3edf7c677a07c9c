"""The export thread: takes ended spans out of the buffer, redacts and encodes them (unless `early` did) and sends them.

Requests never wait for it; what a backend that is away does not take waits in its outlet (`outlet`).
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from shared.tracing.buffer import SpanBuffer
from shared.tracing.early import COMPILED, OtlpEncoder
from shared.tracing.outlet import Outlet
from shared.tracing.redact import redact_spans
from shared.tracing.retention import Retention
from shared.tracing.span_group import Ended, span_count

logger = logging.getLogger(__name__)

BUSY_SPANS, BUSY_DELAYS = 100, 5
"""A request costs both ends some 0.3 ms of CPU, whatever is in it: when there is much to send, it gathers longer."""

CLOSE_TRIES, CLOSE_PAUSE_S = 50, 0.001
"""How often, and after which pauses, the request that is open is tried to be had."""


class ExportWorker:
    """The thread between the buffer of ended spans and the outlets.

    It wakes every `delay_s`, five times as seldom under load, or earlier when the buffer is long. The wake queue is a
    `SimpleQueue` because its `put` may be called from signal handlers and from the hot path without a lock that could
    be held already.
    """

    def __init__(
        self,
        buffer: SpanBuffer,
        outlets: Sequence[Outlet],
        delay_s: float,
        batch_size: int,
        retention: Retention | None = None,
    ) -> None:
        self.buffer = buffer
        self.outlets = outlets
        self.delay_s = delay_s
        self.batch_size = max(1, batch_size)
        self.retention = retention
        buffer.records_unsampled = retention is not None
        self.encoder: OtlpEncoder | None = None
        if COMPILED and retention is None and all(outlet.exporter.takes_otlp for outlet in outlets):
            self.encoder = OtlpEncoder(buffer, self.batch_size)
        self.requests: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self.stopping = False
        self.stop_at_s = 0.0
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; the buffer wakes it from now on."""
        self.buffer.wake = self.wake
        self.buffer.encoder = self.encoder
        self.thread = threading.Thread(target=self._run, name="span-export", daemon=True)
        self.thread.start()

    def wake(self) -> None:
        """Do not wait for the timer."""
        self.requests.put(None)

    def flush(self, timeout_s: float) -> bool:
        """Send what is buffered now. True if nothing was left waiting within the time."""
        done = threading.Event()
        until_s = time.monotonic() + timeout_s
        self.requests.put(done.set)
        if not done.wait(timeout_s):
            return False
        return all(outlet.settle(max(0.0, until_s - time.monotonic())) for outlet in self.outlets)

    def stop(self, timeout_s: float) -> None:
        """Flush, then end the thread; waits `timeout_s` at most."""
        self.stopping = True
        self.stop_at_s = time.monotonic() + timeout_s
        self.requests.put(None)
        if self.thread is not None:
            self.thread.join(timeout_s)

    def restart_after_fork(self) -> None:
        """A child has none of its parent's threads, and its parent sends the parent's spans."""
        self.buffer.ended.clear()
        if self.encoder is not None:
            self.encoder = OtlpEncoder(self.buffer, self.batch_size)
        self.requests = queue.SimpleQueue()
        if self.retention is not None:
            self.retention.clear()
        for outlet in self.outlets:
            outlet.restart_after_fork()
        self.start()

    def _run(self) -> None:
        delay_s = self.delay_s
        while not self.stopping:
            flushed: Callable[[], None] | None = None
            try:
                flushed = self.requests.get(timeout=delay_s)
            except queue.Empty:
                flushed = None
            busy = self._export(ignore_pause=flushed is not None) > BUSY_SPANS
            delay_s = self.delay_s * (BUSY_DELAYS if busy else 1)
            if flushed is not None:
                flushed()
        self._export(ignore_pause=True)
        for outlet in self.outlets:
            outlet.settle(max(0.0, self.stop_at_s - time.monotonic()))
            outlet.give_up()

    def _export(self, ignore_pause: bool) -> int:
        """Sends what has ended by now; what ends meanwhile is for the next time. Gives how much it was."""
        retention = self.retention
        waiting = len(self.buffer.ended)
        for start in range(0, waiting, self.batch_size):
            batch = self.buffer.take_out(min(self.batch_size, waiting - start))
            self._put(batch if retention is None else retention.sort(batch))
        if retention is not None:
            self._put(retention.due())
        waiting += self._put_encoded()
        for outlet in self.outlets:
            if outlet.backlog_spans:
                outlet.send(ignore_pause)
        return waiting

    def _put_encoded(self) -> int:
        """What was encoded when it ended; gives the number of spans. The request that is open may be written just now:
        that takes microseconds, unless it is this very moment that a signal has interrupted."""
        encoder = self.encoder
        if encoder is None:
            return 0
        for _ in range(CLOSE_TRIES):
            if encoder.close_open():
                break
            time.sleep(CLOSE_PAUSE_S)
        requests = encoder.take_full()
        for outlet in self.outlets:
            outlet.add(requests)
        return sum(count for count, _ in requests)

    def _put(self, batch: Sequence[Ended]) -> None:
        for start in range(0, len(batch), self.batch_size):
            self._put_some(batch[start : start + self.batch_size])

    def _put_some(self, batch: Sequence[Ended]) -> None:
        dirty = failing(redact_spans, batch)
        clean = [entry for entry in batch if entry not in dirty] if dirty else batch
        for outlet in self.outlets:
            lost = dirty + failing(outlet.put, clean)
            outlet.dropped["encoding"] += span_count(lost)
            outlet.send()


def failing(work: Callable[[Sequence[Ended]], None], batch: Sequence[Ended]) -> list[Ended]:
    """Does something with a batch, in halves where it raises; gives those with which it can't be done even alone.

    A span that can't be redacted or encoded is a bug here. It must not take others with it, nor end the export.
    """
    if not batch:
        return []
    try:
        work(batch)
    except Exception:
        if len(batch) == 1:
            logger.exception("A span could not be redacted or encoded, and is dropped.")
            return list(batch)
        half = len(batch) // 2
        return failing(work, batch[:half]) + failing(work, batch[half:])
    return []
