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
TENANTS_FOLDER: Final = "tenants"
WAITING_BYTES_MIN: Final = 1_000_000
# DuckDB refuses to do anything sensible with less.
MEMORY_BYTES_MIN: Final = 32_000_000
_UNITS: Final = {"KB": 1_000, "MB": 1_000_000, "GB": 1_000_000_000}
P = ParamSpec("P")
T = TypeVar("T")


def _explorer_url(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.query_port}"


def _part_of(memory_limit: str, share: int) -> str:
    total = int(memory_limit[:-2]) * _UNITS[memory_limit[-2:]]
    return memory_limit if share == 1 else f"{max(total // share, MEMORY_BYTES_MIN) // 1000}KB"


class Tenant:
    """One store with its threads; `name` is empty where there are no tenants."""

    def __init__(self, name: str, folder: Path, settings: Settings, share: int) -> None:
        self.name = name
        self.store = Store(
            folder,
            memory_limit=_part_of(settings.memory_limit, share),
            waiting_bytes_max=max(settings.waiting_bytes_max // share, WAITING_BYTES_MIN),
            retention_hours=settings.retention_hours,
            disk_bytes_max=settings.disk_bytes_max // share,
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
        names = settings.tenant_names
        # What is set aside for all is shared out evenly.
        share = max(len(names), 1)
        self.tenants = {
            name: Tenant(name, settings.data_dir / TENANTS_FOLDER / name, settings, share) for name in names
        } or {EVERYBODY: Tenant(EVERYBODY, settings.data_dir, settings, share)}

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
