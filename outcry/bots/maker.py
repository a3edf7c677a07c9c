"""A market maker: keeps its ladder of quotes on both sides of every symbol."""

import random
import time
from collections.abc import Mapping
from typing import Any

import structlog

from outcry.bots import accounts, quoting
from outcry.bots.client import Client, Refused
from outcry.bots.fair_price import FairPrices, Instrument
from outcry.bots.quoting import Ladder, Placing, Quote

log = structlog.get_logger()

FUNDS = accounts.Funds(cash_usd=10_000_000, shares=10_000)
LADDER = Ladder()
QUANTITIES = range(50, 201, 10)
"""Shares of a quote: the whole ladder of one maker takes an ordinary order, whatever is drawn."""

LOOK_EVERY_S = 15.0
"""How often it looks which of its quotes are still there: others trade with them."""

FILL_UP_EVERY_S = 60.0
BATCH_MAX = 100
OPEN = ("OPEN", "PARTIALLY_FILLED")


class Maker:
    """One maker. ``quotes`` are its orders in the book as it knows them, oldest first."""

    def __init__(
        self, client: Client, instruments: Mapping[str, Instrument], fair: FairPrices, draw: random.Random
    ) -> None:
        self._client = client
        self._instruments = instruments
        self._fair = fair
        self._draw = draw
        self._looked_s = 0.0
        self._filled_up_s = 0.0
        self.quotes: list[Quote] = []

    async def arrive(self) -> None:
        """Takes over what it left behind, and fills what is missing at once. Raises Refused, Away."""
        await accounts.join(self._client)
        await self._fill_up()
        await self._look()
        missing = quoting.placings(self.quotes, self._fair.now, LADDER)
        for start in range(0, len(missing), BATCH_MAX):
            await self._place_many(missing[start : start + BATCH_MAX])
        log.info("maker quotes", bot=self._client.username, quotes=len(self.quotes))

    async def turn(self) -> None:
        """Changes one quote. Raises Away; what is refused is logged and looked at again later."""
        now_s = time.monotonic()
        if now_s - self._filled_up_s > FILL_UP_EVERY_S:
            await self._fill_up()
        if now_s - self._looked_s > LOOK_EVERY_S:
            await self._look()
        step = quoting.next_step(self.quotes, self._fair.now, LADDER)
        if step.cancel is not None:
            await self._cancel(step.cancel)
        if step.place is not None:
            try:
                self._remember(await self._client.post("/v1/order", self._order(step.place)))
            except Refused as refused:
                log.info("quote refused", bot=self._client.username, code=refused.code)
                self._filled_up_s = 0.0  # for lack of money, most of the time

    async def _fill_up(self) -> None:
        await accounts.fill_up(self._client, FUNDS, self._instruments)
        self._filled_up_s = time.monotonic()

    async def _look(self) -> None:
        """Reads which of its orders are open."""
        found: list[Quote] = []
        query: dict[str, str | int] = {"status": ",".join(OPEN), "limit": 500}
        while True:
            page = await self._client.get("/v1/orders", **query)
            found += [self._quote(order) for order in page["orders"] if order["symbol"] in self._instruments]
            if page["next_cursor"] is None:
                break
            query["cursor"] = page["next_cursor"]
        self.quotes = found[::-1]
        self._looked_s = time.monotonic()

    async def _cancel(self, quote: Quote) -> None:
        """A quote that is gone already is as good as cancelled."""
        self.quotes.remove(quote)
        try:
            await self._client.delete(f"/v1/order/{quote.order_id}")
        except Refused as refused:
            if refused.code not in ("order_not_open", "order_not_found"):
                log.warning("cancel refused", bot=self._client.username, code=refused.code)

    async def _place_many(self, placings: list[Placing]) -> None:
        answer = await self._client.post("/v1/orders", {"orders": [self._order(placing) for placing in placings]})
        for result in answer["results"]:
            if "order" in result:
                self._remember(result["order"])
            else:
                log.info("quote refused", bot=self._client.username, code=result["problem"]["code"])

    def _remember(self, order: dict[str, Any]) -> None:
        if order["status"] in OPEN:
            self.quotes.append(self._quote(order))

    def _order(self, placing: Placing) -> dict[str, Any]:
        instrument = self._instruments[placing.symbol]
        lots = -(-self._draw.choice(QUANTITIES) // instrument.lot)
        return {
            "symbol": placing.symbol,
            "side": placing.side,
            "order_type": "LIMIT",
            "quantity": lots * instrument.lot,
            "price": dollars(placing.price * instrument.tick),
        }

    def _quote(self, order: dict[str, Any]) -> Quote:
        price = units(order["price"]) // self._instruments[order["symbol"]].tick
        return Quote(order["order_id"], order["symbol"], order["side"], price)


def dollars(amount: int) -> str:
    """1/10,000 dollars as a decimal: 1500000 -> "150.0000"."""
    return "{}.{:04d}".format(*divmod(amount, 10_000))


def units(text: str) -> int:
    """A decimal of at most four places as 1/10,000 dollars: "150.00" -> 1500000."""
    whole, _, decimals = text.partition(".")
    return int(whole) * 10_000 + int(decimals.ljust(4, "0"))
