"""A taker: now and then a small market order, on either side of any symbol, so that there are trades."""

import random
import time
from collections.abc import Mapping

import structlog

from outcry.bots import accounts
from outcry.bots.client import Client, Refused
from outcry.bots.fair_price import Instrument
from outcry.bots.quoting import SIDES

log = structlog.get_logger()

FUNDS = accounts.Funds(cash_usd=1_000_000, shares=2_000)
LOTS_MAX = 20
FILL_UP_EVERY_S = 60.0


class Taker:
    """One taker. It remembers nothing: its orders never rest."""

    def __init__(self, client: Client, instruments: Mapping[str, Instrument], draw: random.Random) -> None:
        self._client = client
        self._instruments = instruments
        self._draw = draw
        self._filled_up_s = 0.0

    async def arrive(self) -> None:
        """Has an account and money. Raises Refused, Away."""
        await accounts.join(self._client)
        await self._fill_up()
        log.info("taker trades", bot=self._client.username)

    async def turn(self) -> None:
        """Sends one order. Raises Away; what is refused is logged."""
        if time.monotonic() - self._filled_up_s > FILL_UP_EVERY_S:
            await self._fill_up()
        instrument = self._draw.choice(list(self._instruments.values()))
        order = {
            "symbol": instrument.symbol,
            "side": self._draw.choice(SIDES),
            "order_type": "MARKET",
            "quantity": self._draw.randint(1, LOTS_MAX) * instrument.lot,
        }
        try:
            await self._client.post("/v1/order", order)
        except Refused as refused:
            log.info("order refused", bot=self._client.username, code=refused.code)
            self._filled_up_s = 0.0

    async def _fill_up(self) -> None:
        await accounts.fill_up(self._client, FUNDS, self._instruments)
        self._filled_up_s = time.monotonic()
