"""What goes out to the sockets and to the risk checks: the topics' messages and quotes, through Valkey."""

import asyncio
import time
from collections.abc import Iterable

import msgspec
import structlog
from redis.exceptions import RedisError

from services.market_data.view import MarketView
from shared.contracts.market import HEARTBEAT_S, QUOTES_KEY, Quote
from shared.valkey import Command, Valkey, raise_refused

log = structlog.get_logger()

TICK_S = 1.0

_encode = msgspec.json.Encoder().encode


class Feed:
    """Publishes what changed in the market since it last did."""

    def __init__(self, market: MarketView, valkey: Valkey) -> None:
        self._market = market
        self._valkey = valkey
        self._quotes: dict[str, Quote] = {}
        self._sending = asyncio.Lock()

    async def publish(self) -> None:
        """Sends what there is. What Valkey does not take is lost for the sockets, which see the gap."""
        async with self._sending:
            messages, self._market.messages = self._market.messages, []
            quotes = self._take_quotes(self._market.changed)
            self._market.changed.clear()
            if not messages and not quotes:
                return
            commands: list[Command] = [("PUBLISH", m.topic.valkey_channel, m.payload) for m in messages]
            if quotes:
                commands.append(("HSET", QUOTES_KEY, *quotes))
            counts = await self._valkey.pipeline(commands)
            raise_refused(counts)
            for message, count in zip(messages, counts, strict=False):
                message.reached(count)

    async def run(self) -> None:
        """Tells, for ever, what is due by time, and of books that were taken anew between events.

        All quotes are written as often as hearts beat, changed or not: so long they are missing after a loss of Valkey.
        """
        beat_due_s = 0.0
        while True:
            try:
                await asyncio.wait_for(self._market.taken.wait(), TICK_S)
                self._market.taken.clear()
            except TimeoutError:
                beat = time.monotonic() >= beat_due_s
                if beat:
                    beat_due_s = time.monotonic() + HEARTBEAT_S
                    self._quotes.clear()
                    self._market.changed.update(self._market.books)
                self._market.tick(beat)
            try:
                await self.publish()
            except (RedisError, OSError) as error:
                log.warning("market data not published", error=str(error))

    def _take_quotes(self, symbols: Iterable[str]) -> list[str | bytes]:
        """Symbol and JSON in turn, of those whose quote changed since it was last written."""
        quotes: list[str | bytes] = []
        for symbol in symbols:
            quote = self._market.quote(symbol)
            if self._quotes.get(symbol) != quote:
                self._quotes[symbol] = quote
                quotes += (symbol, _encode(quote))
        return quotes
