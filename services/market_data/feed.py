"""What goes out to the sockets and to the risk checks: deltas, trades and quotes, through Valkey.

Messages are JSON, one per symbol and batch, ready for a client. Prices are decimals as text, quantities and ids too:

    {"type": "book_delta", "symbol", "first_sequence", "sequence", "bids": [[price, quantity]], "asks": [...]}
    {"type": "book_reset", "symbol", "sequence"}
    {"type": "trades", "symbol", "trades": [{"trade_id", "price", "quantity", "side", "time_us"}]}

A delta holds the new quantity of each level that changed, "0" where the level is gone; where ``session`` or
``indication`` (the auction as it would be now) changed, it names both, as a snapshot does. Each follows on the one
before: ``first_sequence`` is the last ``sequence`` plus one. A client that sees a gap or a reset reads the book again.
"""

import asyncio
from collections.abc import Iterable

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.market_data.book import Delta
from services.market_data.market import Market
from shared.contracts.codes import Side
from shared.contracts.market import QUOTES_KEY, PublicTrade, Ticker, market_channel, status_view
from shared.contracts.money import money_text

log = structlog.get_logger()

QUOTES_S = 5.0
"""How often all quotes are written, whether they changed or not: so long they are missing after a loss of Valkey."""

_encode = msgspec.json.Encoder().encode


class Feed:
    """Publishes what changed in the market since it last did."""

    def __init__(self, market: Market, redis: Redis) -> None:
        self._market = market
        self._redis = redis
        self._quotes: dict[str, Ticker] = {}
        self._sending = asyncio.Lock()

    async def publish(self) -> None:
        """Sends what there is. What Valkey does not take is lost for the sockets, which see the gap."""
        async with self._sending:
            messages = self._take_messages()
            quotes = self._take_quotes(self._market.changed)
            self._market.changed.clear()
            if not messages and not quotes:
                return
            pipeline = self._redis.pipeline(transaction=False)
            for channel, message in messages:
                pipeline.publish(channel, message)
            if quotes:
                pipeline.hset(QUOTES_KEY, items=quotes)
            await pipeline.execute()

    async def run(self) -> None:
        """Tells of books that were taken anew between events, and writes all quotes now and then, for ever."""
        while True:
            try:
                await asyncio.wait_for(self._market.taken.wait(), QUOTES_S)
                self._market.taken.clear()
            except TimeoutError:
                self._quotes.clear()
                self._market.changed.update(self._market.books)
            try:
                await self.publish()
            except (RedisError, OSError) as error:
                log.warning("market data not published", error=str(error))

    def _take_messages(self) -> list[tuple[str, bytes]]:
        market = self._market
        messages = []
        for symbol in market.restarted:
            reset = {"type": "book_reset", "symbol": symbol, "sequence": market.books[symbol].sequence}
            messages.append((market_channel(symbol), _encode(reset)))
        market.restarted.clear()
        for symbol in market.changed:
            if (delta := market.take_delta(symbol)) is not None:
                messages.append((market_channel(symbol), _delta_message(symbol, delta)))
        for symbol, trades in market.trades.items():
            messages.append((market_channel(symbol), _trades_message(symbol, trades)))
        market.trades = {}
        return messages

    def _take_quotes(self, symbols: Iterable[str]) -> list[str | bytes]:
        """Symbol and JSON in turn, of those whose quote changed since it was last written."""
        quotes: list[str | bytes] = []
        for symbol in symbols:
            ticker = self._market.ticker(symbol)
            if self._quotes.get(symbol) != ticker:
                self._quotes[symbol] = ticker
                quotes += (symbol, _encode(ticker))
        return quotes


def _delta_message(symbol: str, delta: Delta) -> bytes:
    message: dict[str, object] = {
        "type": "book_delta",
        "symbol": symbol,
        "first_sequence": delta.first_sequence,
        "sequence": delta.sequence,
        "bids": [(money_text(price), str(quantity)) for price, quantity in delta.bids],
        "asks": [(money_text(price), str(quantity)) for price, quantity in delta.asks],
    }
    if delta.status is not None:
        message |= status_view(delta.status.session, delta.status.indication)
    return _encode(message)


def _trades_message(symbol: str, trades: list[PublicTrade]) -> bytes:
    shown = [
        {
            "trade_id": str(trade.trade_id),
            "price": money_text(trade.price),
            "quantity": str(trade.quantity),
            "side": SIDES[trade.side],
            "time_us": trade.time_us,
        }
        for trade in trades
    ]
    return _encode({"type": "trades", "symbol": symbol, "trades": shown})


SIDES = {side.value: side.name for side in Side}
