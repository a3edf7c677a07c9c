"""What can be traded, as the engine lists it, and what it costs right now."""

import asyncio
from collections.abc import Sequence

import msgspec
import structlog
from opentelemetry import trace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.client_gateway.order_terms import Wanted
from shared.batching import Clients
from shared.contracts.codes import OrderType, Side
from shared.contracts.engine import INSTRUMENTS_CHANNEL, LIST_INSTRUMENTS, Instrument, Instruments
from shared.contracts.market import QUOTES_KEY, Quote
from shared.contracts.money import Money, money_text
from shared.contracts.operations import Refused
from shared.errors import Problem, Unavailable
from shared.tracing import FixedAttributes, statement_spans

log = structlog.get_logger()

REFRESH_S = 30
RETRY_S = 1.0

QUOTE_ATTRIBUTES = FixedAttributes({"db.system.name": "redis", "db.operation.name": "HGET", "peer.service": "redis"})


class Listing:
    """The instruments, kept fresh, and their quotes."""

    def __init__(self, clients: Clients, redis: Redis) -> None:
        self._clients = clients
        self._redis = redis
        self._decode = msgspec.json.Decoder(Quote).decode
        self.instruments: dict[str, Instrument] = {}

    async def load(self) -> None:
        """Raises Unavailable while the engine does not answer."""
        answer = await self._clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(answer, Refused):
            raise Unavailable("matching-engine", answer.detail)
        self.instruments = {instrument.symbol: instrument for instrument in answer.instruments}

    async def run(self) -> None:
        """Keeps the list fresh; while the engine or Valkey is away it stays as it is."""
        while True:
            try:
                await self._follow()
            except (Unavailable, RedisError, OSError) as error:
                log.info("instruments stay as they were", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def _follow(self) -> None:
        """Loads the list whenever the engine says that it has changed, and now and then all the same."""
        async with self._redis.pubsub(ignore_subscribe_messages=True) as told:
            await told.subscribe(INSTRUMENTS_CHANNEL)
            while True:
                await self.load()
                await told.get_message(timeout=REFRESH_S)

    async def expected_price(self, wanted: Wanted) -> Money:
        """Near what price an order without a limit should trade. Raises Problem where a trailing stop can't trail."""
        symbol, trigger = wanted.instrument.symbol, wanted.options.trigger
        if wanted.order_type is OrderType.STOP:
            return trigger
        if wanted.order_type is not OrderType.TRAILING_STOP:
            return await self.quote(symbol, wanted.side)
        ticker = await self.ticker(symbol)
        if ticker is None or not ticker.last:
            raise Problem(422, "no_last_price", f"{symbol} has not traded yet, so there is nothing to trail.")
        if trigger >= ticker.last:
            detail = f"trail_amount must be below the last price, {money_text(ticker.last)}."
            raise Problem(422, "invalid_trail_amount", detail)
        return ticker.last + trigger if wanted.side is Side.BUY else ticker.last - trigger

    async def quote(self, symbol: str, side: Side) -> Money:
        """What an order of ``side`` would meet: best price across, else last, else the reference price."""
        ticker = await self.ticker(symbol)
        instrument = self.instruments[symbol]
        if ticker is None:
            return instrument.reference_price
        across = ticker.ask if side is Side.BUY else ticker.bid
        return across or ticker.last or instrument.reference_price

    async def marks(self, symbols: Sequence[str]) -> dict[str, Money]:
        """What each symbol's shares count as worth, as far as the market is known right now; without Valkey of none."""
        if not symbols:
            return {}
        try:
            with statement_spans((trace.get_current_span(),), "HMGET quote", QUOTE_ATTRIBUTES):
                found = await self._redis.hmget(QUOTES_KEY, list(symbols))
        except (RedisError, OSError):
            return {}
        return {symbol: mark_price(self._decode(text)) for symbol, text in zip(symbols, found, strict=True) if text}

    async def ticker(self, symbol: str) -> Quote | None:
        """The latest quote, None where nothing has happened yet. Raises Unavailable without Valkey."""
        try:
            with statement_spans((trace.get_current_span(),), "HGET quote", QUOTE_ATTRIBUTES):
                found = await self._redis.hget(QUOTES_KEY, symbol)
        except (RedisError, OSError) as error:
            raise Unavailable("valkey", type(error).__name__) from error
        return self._decode(found) if found else None


def mark_price(ticker: Quote) -> Money:
    """The last price, brought inside the best bid and ask; between these where nothing has traded; 0 for no market."""
    if not ticker.last:
        return (ticker.bid + ticker.ask) // 2 if ticker.bid and ticker.ask else 0
    mark = max(ticker.last, ticker.bid)
    return min(mark, ticker.ask) if ticker.ask else mark
