"""The first promise of the ledger, looked at all the time: per asset, all accounts together are zero.

`outcry audit` proves far more, now and then; this one figure costs one statement a minute and is what an alert watches.
"""

import asyncio

import structlog
from prometheus_client import Gauge

from services.wallet_service import statements as sql
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

IMBALANCE = Gauge(
    "outcry_ledger_imbalance",
    "Sum over all accounts in the asset's smallest unit; 0 while the books are right",
    ["asset"],
)


class Imbalance:
    """Runs beside the service and looks every ``every_s`` seconds."""

    def __init__(self, database: Database, every_s: float) -> None:
        self._database = database
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except Unavailable as error:
                log.warning("the ledger's sum is not known", error=str(error))
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Reads the sums in one statement, and so of one moment, and shows them."""
        async with self._database.connection(durable=False) as connection:
            rows = await sql.SUM_ACCOUNTS.fetch(connection, ())
        for row in rows:
            IMBALANCE.labels(row["asset"]).set(int(row["total"]))
            if row["total"]:
                log.error("the ledger does not balance", asset=row["asset"], total=str(row["total"]))
