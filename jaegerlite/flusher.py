"""The hand-over of waiting spans to the writing thread, and to those who watch what is stored."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

import duckdb

from jaegerlite import metrics
from jaegerlite.columns import SpanColumns
from jaegerlite.store import Store

T = TypeVar("T")
FLUSH_SPANS: Final = 16_384
FLUSHED_WITHIN_S: Final = 2.0
log = logging.getLogger("jaegerlite")


class Flusher:
    """Hands the waiting spans to the writing thread: when a full batch waits, or after a while.

    `watchers` are called on the event loop with each batch, once it is stored; the columns are theirs to read, not to
    change, and a batch that is kept takes its room.
    """

    def __init__(self, store: Store, interval_s: float) -> None:
        self.watchers: list[Callable[[SpanColumns], None]] = []
        self._store = store
        self._interval_s = interval_s
        self._full = asyncio.Event()
        self._awaited: list[asyncio.Future[None]] = []
        self._stopping = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")

    def on_spans(self) -> None:
        """Look whether enough is waiting for a flush at once."""
        if self._store.waiting_spans >= FLUSH_SPANS:
            self._full.set()

    async def flushed(self) -> bool:
        """Have all that has come in stored now; False if it is already, or the disk does not take it in time."""
        if not self._store.waiting_bytes:
            return False
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._awaited.append(stored)
        self._full.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stored, FLUSHED_WITHIN_S)
            return True
        return False

    async def run(self) -> None:
        """Flush until `stop`, then once more."""
        loop = asyncio.get_running_loop()
        while not self._stopping:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self._interval_s)
            self._full.clear()
            awaited, self._awaited = self._awaited, []
            came = self._store.waiting_spans > 0
            if came:
                columns = self._store.swap()
                await loop.run_in_executor(self._thread, self._store.flush, columns)
                for watch in self.watchers:
                    watch(columns)
            _tell(awaited)
            metrics.WAITING_SPANS.set(self._store.waiting_spans)
            metrics.WAITING_BYTES.set(self._store.waiting_bytes)
            if came or self._store.housekeeping.is_due():
                await loop.run_in_executor(self._thread, self._keep_house)
        await loop.run_in_executor(self._thread, self._store.flush, self._store.swap())
        _tell(self._awaited)
        self._thread.shutdown()

    def _keep_house(self) -> None:
        try:
            self._store.housekeeping.after_flush()
        except duckdb.Error:
            # What is stored stays as it is and is tried again; spans that arrive matter more.
            log.exception("housekeeping failed, trying again later")

    async def write(self, job: Callable[[], T]) -> T:
        """Run a job on the writing thread, between two flushes."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    def stop(self) -> None:
        """Let `run` end soon."""
        self._stopping = True
        self._full.set()


def _tell(awaited: list[asyncio.Future[None]]) -> None:
    for stored in awaited:
        # Who asked may have gone meanwhile.
        if not stored.done():
            stored.set_result(None)
