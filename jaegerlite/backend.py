"""What all listeners and routes stand on: the settings, and the tenants with their stores.

A tenant's spans lie in a store of their own, so that no query can ever mix them up. Without tenants there is one store,
for everybody.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from jaegerlite.alerts.keeper import AlertKeeper
from jaegerlite.flusher import Flusher
from jaegerlite.partitions import Snapshot
from jaegerlite.readers import Readers
from jaegerlite.settings import Settings
from jaegerlite.store import Store

EVERYBODY: Final = ""
P = ParamSpec("P")
T = TypeVar("T")


def _explorer_url(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.query_port}"


class Tenant:
    """One store with its threads; `name` is empty where there are no tenants."""

    def __init__(self, name: str, folder: Path, settings: Settings) -> None:
        self.name = name
        self.store = Store(
            folder,
            memory_limit=settings.memory_limit,
            waiting_bytes_max=settings.waiting_bytes_max,
            retention_hours=settings.retention_hours,
            disk_bytes_max=settings.disk_bytes_max,
        )
        self.flusher = Flusher(self.store, settings.flush_interval_ms / 1000)
        self.alerts = AlertKeeper(folder, settings.alert_rules, settings.public_url or _explorer_url(settings))
        self._readers = Readers(self.store)

    async def read(self, job: Callable[Concatenate[Store, Snapshot, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a job that reads, on a thread, with the store and a snapshot of it; give its result."""
        return await self._readers.run(job, *args, **kwargs)

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


class Backend:
    """The settings and the tenants; made within the running event loop."""

    def __init__(self, settings: Settings) -> None:
        """Open the stores.

        Raises:
            duckdb.IOException: another process has the data open.
            RulesError: the file of alert rules cannot be used.
        """
        self.settings = settings
        self.tenants = {EVERYBODY: Tenant(EVERYBODY, settings.data_dir, settings)}

    @property
    def is_ready(self) -> bool:
        """Whether spans can be stored."""
        return not any(tenant.store.is_failing for tenant in self.tenants.values())

    def tenant(self, name: str = EVERYBODY) -> Tenant:
        """A tenant by its name. Raises KeyError where there is none."""
        return self.tenants[name]

    async def run(self) -> None:
        """Store what comes until `stop`."""
        await asyncio.gather(*(tenant.run() for tenant in self.tenants.values()))

    def stop_retrying(self) -> None:
        """Let flushes that cannot succeed give up, since the process is to end."""
        for tenant in self.tenants.values():
            tenant.store.stop_retrying()

    def stop(self) -> None:
        """Let `run` end once what waits is stored."""
        for tenant in self.tenants.values():
            tenant.stop()

    def close(self) -> None:
        """Close the stores, after the end of `run`."""
        for tenant in self.tenants.values():
            tenant.close()
