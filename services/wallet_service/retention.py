"""Forgets holds that are over, a few at a time: what they moved is in the ledger, and nobody asks for them again."""

import asyncio
import time

import structlog

from services.wallet_service import statements as sql
from shared.errors import Unavailable
from shared.ids import first_at
from shared.postgres import Database

log = structlog.get_logger()

CHUNK = 2_000
"""Rows in one statement: some milliseconds, so that no order waits for it."""

EVERY_S = 60.0


class Retention:
    """Runs beside the service. Holds of orders older than ``kept_s`` go once they are over; open ones stay."""

    def __init__(self, database: Database, kept_s: int) -> None:
        self._database = database
        self._kept_s = kept_s

    async def run(self) -> None:
        while True:
            try:
                count = await self.forget()
                if count:
                    log.info("holds forgotten", count=count)
            except Unavailable as error:
                log.warning("old holds stay for now", error=str(error))
            await asyncio.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes all that may go. Answers how many that were."""
        before = first_at(time.time_ns() // 1000 - self._kept_s * 1_000_000)
        count, after = 0, 0
        while True:
            async with self._database.connection(durable=False) as connection:
                rows = await sql.DELETE_HOLDS.fetch(connection, (), after, before, CHUNK)
            count += len(rows)
            if len(rows) < CHUNK:
                return count
            after = max(row["order_id"] for row in rows)
