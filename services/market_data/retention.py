"""Forgets one-second candles after a day: they are many, and looked at only while they are fresh."""

import asyncio
import time

import structlog

from services.market_data.market import Market
from services.market_data.store import forget_seconds
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

SECONDS_KEPT_S = 86_400
EVERY_S = 600.0


class Retention:
    """Runs beside the service."""

    def __init__(self, market: Market, database: Database) -> None:
        self._market = market
        self._database = database

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                async with self._database.connection(durable=False) as connection:
                    await forget_seconds(connection, sorted(self._market.books), int(time.time()) - SECONDS_KEPT_S)
            except Unavailable as error:
                log.warning("old candles not deleted", error=str(error))
