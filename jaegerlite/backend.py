"""What all listeners and routes stand on: the settings, the tenants with their stores, and who may see them.

A tenant's spans lie in a store of their own, so that no query can ever mix them up. Without tenants there is one store,
for everybody.
"""

import asyncio

from jaegerlite.access import EVERYBODY, Access
from jaegerlite.settings import Settings
from jaegerlite.tenant import Tenant


class Backend:
    """The settings and the tenants; made within the running event loop."""

    def __init__(self, settings: Settings) -> None:
        """Open the stores.

        Raises:
            AccessFileError: the access file cannot be used.
            duckdb.IOException: another process has the data open.
            RulesError: the file of alert rules cannot be used.
        """
        self.settings = settings
        names = settings.tenant_names
        # What is set aside for all is shared out evenly.
        share = max(len(names), 1)
        self.tenants = {name: Tenant(name, settings.folder_of(name), settings, share) for name in names} or {
            EVERYBODY: Tenant(EVERYBODY, settings.data_dir, settings, share)
        }
        self.access = Access(settings, self.tenants)

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
