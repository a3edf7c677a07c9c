"""A few threads that read the store, each with a cursor of its own: no query holds up the receiving of spans."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, Final, ParamSpec, TypeVar

from jaegerlite.partitions import Snapshot
from jaegerlite.store import Store

READERS: Final = 2
P = ParamSpec("P")
T = TypeVar("T")


class Readers:
    """Runs jobs that read, at most `READERS` at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")

    async def run(self, job: Callable[Concatenate[Store, Snapshot, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job with the store and a snapshot of it, and give its result."""

        def work() -> T:
            if not hasattr(self._local, "cursor"):
                self._local.cursor = self._store.cursor()
            with self._store.snapshot(self._local.cursor) as snapshot:
                return job(self._store, snapshot, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    def close(self) -> None:
        """Wait for the running queries and end the threads."""
        self._pool.shutdown(cancel_futures=True)
