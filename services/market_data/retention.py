"""Forgets what is much and not needed for long: one-second candles after a day, the record after some days."""

import asyncio
import time

import structlog

from services.market_data.market import Market
from services.market_data.settings import Settings
from services.market_data.store import DAY_S, forget_events, forget_seconds, forget_trades
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

SECONDS_KEPT_S = 86_400
EVERY_S = 600.0


class Retention:
    """Runs beside the service."""

    def __init__(self, market: Market, database: Database, settings: Settings) -> None:
        self._market = market
        self._database = database
        self._settings = settings

    async def run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            try:
                async with self._database.connection(durable=False) as connection:
                    now_s, symbols = int(time.time()), sorted(self._market.books)
                    await forget_seconds(connection, symbols, now_s - SECONDS_KEPT_S)
                    await forget_events(connection, now_s // DAY_S - self._settings.event_days_kept + 1)
                    await forget_trades(connection, symbols, now_s - self._settings.trade_days_kept * DAY_S)
            except Unavailable as error:
                log.warning("old market data not deleted", error=str(error))
