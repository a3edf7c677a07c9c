"""What the engine's events do here: books and tapes move, trades and candles are stored, and everybody hears of it."""

from collections.abc import Sequence

from opentelemetry.trace import SpanKind

from services.market_data import store
from services.market_data.candles import candles_of
from services.market_data.feed import Feed
from services.market_data.market import Market
from services.market_data.tape import trades_of
from shared.attributes import MESSAGE_ID, processing
from shared.connections import Connection
from shared.consumer import AfterCommit
from shared.contracts.events import EXECUTIONS, EngineEvent, Trade
from shared.tracing import ItemAttributes, item_spans

UPDATE_BOOK = ItemAttributes(
    {
        "messaging.message.id": ("seq", MESSAGE_ID),
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
    },
    processing("update_book", EXECUTIONS),
)


class Executions:
    """Applies engine events to the market."""

    def __init__(self, market: Market, feed: Feed) -> None:
        self._market = market
        self._feed = feed

    async def apply(self, connection: Connection, events: Sequence[EngineEvent]) -> AfterCommit:
        """One span per event that has reports. What it brought is published once it is stored.

        The books in memory move first and remember how far they are, so events that come again do not move them twice.
        """
        told = [event for event in events if event.reports]
        with item_spans(
            "update_book",
            [event.traceparent for event in told],
            kind=SpanKind.CONSUMER,
            attributes=UPDATE_BOOK,
            items=told,
        ) as spans:
            await self._market.apply(events)
            if trades := trades_of(told):
                traded = [span for span, event in zip(spans, told, strict=True) if _has_trade(event)]
                await store.record(connection, traded, trades, candles_of(trades))
            if recorded := self._market.record.take():
                await store.add_events(connection, recorded)
        return self._after

    async def _after(self) -> None:
        self._market.record.stored()
        await self._feed.publish()


def _has_trade(event: EngineEvent) -> bool:
    return any(isinstance(report, Trade) for report in event.reports)
