"""The operations: books and tickers from memory, trades and candles from PostgreSQL."""

import asyncio
from collections.abc import Sequence

import msgspec
from opentelemetry.trace import Span

from services.market_data import store
from services.market_data.view import MarketView
from shared.contracts.market import (
    INTERVALS_S,
    BookView,
    Candles,
    Channel,
    MarketQuery,
    PublicTrades,
    Snapshot,
    SnapshotQuery,
    TickerQuery,
    Tickers,
)
from shared.contracts.operations import Refused
from shared.faults import CACHE_STAMPEDE
from shared.postgres import Database

DEPTH_MAX = 1000
ROWS_MAX = 1000
INTERVAL_MAX_S = 31 * 86_400
NO_INTERVAL = Refused(
    code="invalid_interval", detail=f"Candles have an interval, one of {', '.join(INTERVALS_S)}; nothing else has one."
)


class BookQueries:
    """What the gateway asks and memory knows."""

    def __init__(self, market: MarketView) -> None:
        self._market = market

    async def order_book(self, items: Sequence[MarketQuery], _spans: Sequence[Span]) -> list[BookView | Refused]:
        """The best levels of each book, at most 1,000 a side."""
        return [self._order_book(item) for item in items]

    async def tickers(self, items: Sequence[TickerQuery], _spans: Sequence[Span]) -> list[Tickers]:
        """All tickers, by symbol."""
        await self._market.ready()
        tickers = Tickers(tickers=tuple([self._market.ticker(symbol) for symbol in sorted(self._market.books)]))
        return [tickers for _ in items]

    async def snapshot(self, items: Sequence[SnapshotQuery], _spans: Sequence[Span]) -> list[Snapshot | Refused]:
        """Each topic as it is."""
        return [self._snapshot(item) for item in items]

    def _snapshot(self, item: SnapshotQuery) -> Snapshot | Refused:
        found = self._market.snapshot(item.channel, item.symbol, item.interval)
        return found or (_unknown(item.symbol) if item.symbol not in self._market.books else NO_INTERVAL)

    def _order_book(self, item: MarketQuery) -> BookView | Refused:
        book = self._market.book(item.symbol)
        if book is None:
            return _unknown(item.symbol)
        bids, asks = book.depth(min(max(item.depth, 1), DEPTH_MAX))
        position = max(book.position, self._market.position)
        return BookView(
            symbol=item.symbol,
            sequence=self._market.topics[item.symbol].sequence(Channel.L2),
            position=position,
            bids=bids,
            asks=asks,
            checksum=book.checksum(),
            session=book.status.session,
            indication=book.status.indication,
        )


class Queries(BookQueries):
    """And what PostgreSQL knows."""

    def __init__(self, market: MarketView, database: Database) -> None:
        super().__init__(market)
        self._database = database

    async def tickers(self, items: Sequence[TickerQuery], spans: Sequence[Span]) -> list[Tickers]:
        """From memory; under ``CACHE_STAMPEDE`` each item works its day out for itself before."""
        if CACHE_STAMPEDE.on:
            await asyncio.gather(*(self._work_out(span) for span in spans))
        return await super().tickers(items, spans)

    async def _work_out(self, span: Span) -> None:
        async with self._database.connection() as connection:
            await store.SELECT_DAY.fetch(connection, [span])

    async def trades(self, items: Sequence[MarketQuery], spans: Sequence[Span]) -> list[PublicTrades | Refused]:
        """The newest trades below ``before`` (a trade id), at most 1,000."""
        async with self._database.connection() as connection:
            found = await store.select_trades(connection, spans, [_bounded(item) for item in items])
        return [
            PublicTrades(trades=tuple(trades)) if self._is_known(item) else _unknown(item.symbol)
            for item, trades in zip(items, found, strict=True)
        ]

    async def candles(self, items: Sequence[MarketQuery], spans: Sequence[Span]) -> list[Candles | Refused]:
        """The newest candles that start below ``before`` (Unix seconds), at most 1,000, of any interval to 31 days."""
        async with self._database.connection() as connection:
            found = await store.select_candles(connection, spans, [_bounded(item) for item in items])
        return [
            self._refusal(item) or Candles(candles=tuple(candles)) for item, candles in zip(items, found, strict=True)
        ]

    def _is_known(self, item: MarketQuery) -> bool:
        return item.symbol in self._market.books

    def _refusal(self, item: MarketQuery) -> Refused | None:
        if not self._is_known(item):
            return _unknown(item.symbol)
        if not 1 <= item.interval_s <= INTERVAL_MAX_S:
            return Refused(
                code="invalid_interval",
                detail=f"A candle can last 1 to {INTERVAL_MAX_S} seconds, not {item.interval_s}.",
                figures={"limit": str(INTERVAL_MAX_S), "value": str(item.interval_s)},
            )
        return None


def _bounded(item: MarketQuery) -> MarketQuery:
    """The query with figures that cost a bounded amount of work, whatever the caller let through."""
    return msgspec.structs.replace(
        item,
        limit=min(max(item.limit, 1), ROWS_MAX),
        before=min(max(item.before, 0), (1 << 63) - 1),
        interval_s=min(max(item.interval_s, 1), INTERVAL_MAX_S),
    )


def _unknown(symbol: str) -> Refused:
    return Refused(
        code="unknown_symbol",
        detail=f"{symbol} is not traded here. GET /marketdata/symbols lists what is.",
        figures={"symbol": symbol},
    )
