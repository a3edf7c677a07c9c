"""The three streams that reports are made of: executions, orders, funds."""

import asyncio
from collections.abc import Mapping, Sequence

from opentelemetry.trace import SpanKind

from services.reporting.figures import count_executions
from services.reporting.positions import Holding
from services.reporting.store import ReportStore
from services.reporting.trades import DAY_US, Counts, Day, DayKey, Key, days_of, settle, sides_of
from shared.attributes import MESSAGE_ID, SIDES, price_text, processing
from shared.connections import Connection
from shared.consumer import AfterCommit
from shared.contracts.events import EXECUTIONS, FUNDS, ORDER_EVENTS, Closed, EngineEvent, FundsEvent, OrderEvent, Trade
from shared.contracts.money import CASH, Money
from shared.contracts.orders import OrderStatus
from shared.faults import SLOW_CONSUMER
from shared.tracing import ItemAttributes, item_spans

SLOW_S = 1.2
"""What a batch of trades takes more under ``SLOW_CONSUMER``."""

RECORD_TRADE = ItemAttributes(
    {
        "messaging.message.id": ("0.seq", MESSAGE_ID),
        "trade.id": ("1.trade_id", str),
        "order.symbol": "0.symbol",
        "order.price": ("1.price", price_text),
        "order.quantity": "1.quantity",
    },
    processing("record_trade", EXECUTIONS),
)
"""Of an event and one of its trades."""

RECORD_ORDER = ItemAttributes(
    {
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
        "order.side": ("side", SIDES),
        "user.id": ("user_id", str),
    },
    processing("record_order", ORDER_EVENTS),
)
RECORD_FUNDS = ItemAttributes({"user.id": ("user_id", str)}, processing("record_funds", FUNDS))


class Recorder:
    """Keeps trades, positions and statistics up to date."""

    def __init__(self, store: ReportStore) -> None:
        self._store = store

    async def apply_executions(self, connection: Connection, events: Sequence[EngineEvent]) -> AfterCommit | None:
        """Trades change positions and statistics; an order that the engine rejected counts as rejected."""
        trades = [(event, report) for event in events for report in event.reports if isinstance(report, Trade)]
        counts = _engine_rejections(events)
        if not trades:
            if counts:
                await self._store.add_counts(connection, (), counts)
            return self._after(events, set())
        sides = [side for event, trade in trades for side in sides_of(event, trade)]
        keys = {(side.user_id, side.symbol) for side in sides}
        with item_spans(
            "record_trade",
            [event.traceparent for event, _ in trades],
            kind=SpanKind.CONSUMER,
            attributes=RECORD_TRADE,
            items=trades,
            links=[trade.maker_traceparent or None for _, trade in trades],
        ) as spans:
            if SLOW_CONSUMER.on:
                await asyncio.sleep(SLOW_S)
            holdings = await self._store.lock_holdings(connection, spans, keys)
            settle(sides, holdings)
            last_prices = {event.symbol: trade.price for event, trade in trades}
            await self._store.write_trades(connection, spans, sides, holdings, last_prices, days_of(sides))
            if counts:
                await self._store.add_counts(connection, spans, counts)
        return self._after(events, keys)

    async def apply_orders(self, connection: Connection, events: Sequence[OrderEvent]) -> AfterCommit | None:
        """Orders that were taken in, and those that were written off before the engine saw them."""
        counts: dict[int, Counts] = {}
        for event in events:
            counted = counts.setdefault(event.user_id, Counts())
            if event.status == OrderStatus.REJECTED:
                counted.rejected += 1
            else:
                counted.orders += 1
        with item_spans(
            "record_order",
            [event.traceparent for event in events],
            kind=SpanKind.CONSUMER,
            attributes=RECORD_ORDER,
            items=events,
        ) as spans:
            await self._store.add_counts(connection, spans, counts)
        return None

    async def apply_funds(self, connection: Connection, events: Sequence[FundsEvent]) -> AfterCommit | None:
        """Shares from outside are a position at their unit cost, those from another user at what they had cost there.

        Cash is the wallet's business.
        """
        shares = [event for event in events if event.asset != CASH and event.amount]
        if not shares:
            return None
        keys = {(user, event.asset) for event in shares for user in (event.user_id, event.to_user_id) if user}
        with item_spans(
            "record_funds",
            [event.traceparent for event in shares],
            kind=SpanKind.CONSUMER,
            attributes=RECORD_FUNDS,
            items=shares,
        ) as spans:
            holdings = await self._store.lock_holdings(connection, spans, keys)
            days: dict[DayKey, Day] = {}
            for event in shares:
                profit, user_id = _move(event, holdings)
                if profit:
                    day = days.setdefault((user_id, event.time_us // DAY_US, event.asset), Day())
                    day.realised += profit
            await self._store.write_holdings(connection, spans, holdings)
            if days:
                await self._store.add_days(connection, spans, days)
        return self._after((), keys)

    def _after(self, events: Sequence[EngineEvent], keys: set[Key]) -> AfterCommit:
        async def stored() -> None:
            self._store.remember(keys)
            count_executions(events)

        return stored


def _move(event: FundsEvent, holdings: Mapping[Key, Holding]) -> tuple[Money, int]:
    """Moves shares. Answers the profit that this brought to light, mostly 0, and whose it is."""
    holding = holdings[event.user_id, event.asset]
    if event.amount > 0:
        return holding.take_in(event.amount, event.unit_cost), event.user_id
    if not event.to_user_id:
        holding.withdraw(-event.amount)
        return 0, event.user_id
    receiver = holdings[event.to_user_id, event.asset]
    return holding.give(receiver, -event.amount, event.unit_cost), event.to_user_id


def _engine_rejections(events: Sequence[EngineEvent]) -> dict[int, Counts]:
    counts: dict[int, Counts] = {}
    for event in events:
        for report in event.reports:
            if isinstance(report, Closed) and report.status == OrderStatus.REJECTED:
                counts.setdefault(report.user_id, Counts()).rejected += 1
    return counts
