"""A few threads that read the store, each with a cursor of its own: no query holds up the receiving of spans."""

import asyncio
import itertools
import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Final, ParamSpec, TypeVar

import duckdb

from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.partitions import Snapshot
from jaegerlite.store import Store

READERS: Final = 2
QUERIES_MAX: Final = 64
P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Runs jobs that read, at most `READERS` at a time and each within its limits."""

    def __init__(self, store: Store, limits: Callable[[], QueryLimits] = QueryLimits) -> None:
        """`limits` makes those of one query; its time begins when the query does."""
        self._store = store
        self._limits = limits
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._running: dict[int, duckdb.DuckDBPyConnection] = {}
        self._lock = threading.Lock()
        self._marks = itertools.count()
        self._queries = 0

    async def run(self, job: Callable[Concatenate[Store, Snapshot, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job with the store and a snapshot of it, and give its result.

        Raises:
            QueryLimitError: too many queries are waiting, or this one cost too much.
        """
        if self._queries >= QUERIES_MAX:
            raise QueryLimitError(503, f"{QUERIES_MAX} queries are waiting already; ask again in a second")
        loop = asyncio.get_running_loop()
        mark = next(self._marks)

        def work() -> T:
            limits = self._limits()
            if limits.seconds_max < math.inf:
                loop.call_soon_threadsafe(loop.call_later, limits.seconds_max, self._interrupt, mark)
            if not hasattr(self._local, "cursor"):
                self._local.cursor = self._store.cursor()
            with self._lock:
                self._running[mark] = self._local.cursor
            try:
                with self._store.snapshot(self._local.cursor, limits) as snapshot:
                    return job(self._store, snapshot, *args, **kwargs)
            except duckdb.InterruptException as error:
                raise limits.too_long() from error
            finally:
                with self._lock:
                    del self._running[mark]

        self._queries += 1
        try:
            return await loop.run_in_executor(self._pool, work)
        finally:
            self._queries -= 1

    def _interrupt(self, mark: int) -> None:
        # Under the lock, lest the cursor be at the next query already.
        with self._lock:
            cursor = self._running.get(mark)
            if cursor is not None:
                cursor.interrupt()

    def close(self) -> None:
        """Wait for the running queries and end the threads."""
        self._pool.shutdown(cancel_futures=True)
