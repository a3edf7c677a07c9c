"""A tenant: one store, the threads that write and read it, and nothing of anybody else's."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

import duckdb

from jaegerlite.alerts.keeper import AlertKeeper
from jaegerlite.flusher import Flusher
from jaegerlite.limits import QueryLimits
from jaegerlite.partitions import Snapshot
from jaegerlite.readers import Readers
from jaegerlite.settings import Settings
from jaegerlite.store import Store

WAITING_BYTES_MIN: Final = 1_000_000
# DuckDB refuses to do anything sensible with less.
MEMORY_BYTES_MIN: Final = 32_000_000
_UNITS: Final = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
P = ParamSpec("P")
T = TypeVar("T")


def _explorer_url(settings: Settings) -> str:
    scheme = "https" if settings.tls_cert_file else "http"
    return f"{scheme}://{settings.host}:{settings.query_port}"


def _part_of(memory_limit: str, share: int) -> str:
    total = int(memory_limit[:-2]) * _UNITS[memory_limit[-2:]]
    return memory_limit if share == 1 else f"{max(total // share, MEMORY_BYTES_MIN) // 1000}KB"


class Tenant:
    """One store with its threads; `name` is empty where there are no tenants."""

    def __init__(self, name: str, folder: Path, settings: Settings, share: int) -> None:
        self.name = name
        self.folder = folder
        self.store = Store(
            folder,
            memory_limit=_part_of(settings.memory_limit, share),
            waiting_bytes_max=max(settings.waiting_bytes_max // share, WAITING_BYTES_MIN),
            retention_hours=settings.retention_hours,
            disk_bytes_max=settings.disk_bytes_max // share,
        )
        self.flusher = Flusher(self.store, settings.flush_interval_ms / 1000)
        self.alerts = AlertKeeper(folder, settings.alert_rules, settings.public_url or _explorer_url(settings))
        self._readers = Readers(
            self.store,
            lambda: QueryLimits(settings.query_seconds_max, settings.query_spans_max, settings.answer_bytes_max),
        )

    async def read(self, job: Callable[Concatenate[Store, Snapshot, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job that reads, on a thread, with the store and a snapshot of it; give its result."""
        return await self._readers.run(job, *args, **kwargs)

    async def read_newest(
        self, job: Callable[Concatenate[Store, Snapshot, P], T | None], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """As `read`; where the job finds nothing, it looks again once all that has come in is stored."""
        found = await self.read(job, *args, **kwargs)
        if found is None and await self.flusher.flushed():
            found = await self.read(job, *args, **kwargs)
        return found

    async def write(self, job: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        """Run a job that writes, on the writing thread and with its cursor, between two flushes; give its result."""
        return await self.flusher.write(lambda: job(self.store.writing_cursor))

    async def run(self) -> None:
        """Store what comes and judge the alert rules, until `stop`."""
        await asyncio.gather(self.flusher.run(), self.alerts.run(self.read))

    def stop(self) -> None:
        """Let `run` end once what waits is stored."""
        self.alerts.stop()
        self.flusher.stop()

    def close(self) -> None:
        """Wait for running queries and close the store, after the flusher's end."""
        self._readers.close()
        self.store.close()
