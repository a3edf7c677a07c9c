"""Settlement: what the engine's events do to the ledger. Trades move cash and shares, closed orders free holds."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import ExitStack

from opentelemetry.trace import Span, SpanKind

from services.wallet_service.ledger import EXCHANGE, AccountKey, Ledger
from services.wallet_service.store import lock_accounts, make_accounts, select_holds, write
from shared.attributes import MESSAGE_ID, price_text
from shared.connections import Connection
from shared.consumer import AfterCommit
from shared.contracts.codes import Side
from shared.contracts.events import EXECUTIONS, Amended, Closed, Decremented, EngineEvent, Trade
from shared.contracts.money import CASH, cost_per_share
from shared.faults import LOCK_CONTENTION
from shared.ids import created_us
from shared.metrics import Histogram
from shared.tracing import ItemAttributes, item_spans

KNOWN_MAX = 100_000
"""Accounts that are remembered as existing, at some 200 bytes each. Beyond that they are asked for once more."""

LOCKED_S = 0.4
"""For how long accounts stay locked under ``LOCK_CONTENTION``."""

SETTLEMENT_SECONDS = Histogram(
    "outcry_settlement_seconds", "From an order's making to the settlement of its trades"
).labels()

RELEASING = (Closed, Decremented, Amended)
"""Reports that change a hold without a trade."""


class Settlement:
    """Applies engine events to the ledger, many in one transaction."""

    def __init__(self) -> None:
        self._known: set[AccountKey] = set()

    async def apply(self, connection: Connection, events: Sequence[EngineEvent]) -> AfterCommit | None:
        """One span per trade, in its taker's trace and linked to the maker's; one per order closed without a trade."""
        keys, order_ids = _touched(events)
        if not keys:
            return None
        with ExitStack() as stack:
            spans = _open_spans(stack, events)
            if keys - self._known:
                await make_accounts(connection, spans, keys - self._known)
            accounts = await lock_accounts(connection, spans, keys)
            ledger = Ledger(accounts, await select_holds(connection, spans, order_ids))
            settle(ledger, events)
            await write(connection, spans, ledger)
            if LOCK_CONTENTION.on:
                await asyncio.sleep(LOCKED_S)

        async def remember() -> None:
            if len(self._known) > KNOWN_MAX:
                self._known.clear()
            self._known |= keys
            _measure(events)

        return remember


def _measure(events: Sequence[EngineEvent]) -> None:
    """How long each order that traded at once has taken, from its making to here, where its trades are settled."""
    now_us = time.time_ns() // 1000
    for event in events:
        trade = next((report for report in event.reports if type(report) is Trade), None)
        # An amended order was made long before, and so was a stop that another order triggered.
        if trade is not None and trade.taker_order_id == event.order_id and not event.amend_id:
            SETTLEMENT_SECONDS.observe((now_us - created_us(event.order_id)) / 1e6, event.traceparent)


def settle(ledger: Ledger, events: Sequence[EngineEvent]) -> None:
    """All that these events do, in their order, to a ledger that has their accounts and holds."""
    for event in events:
        if event.amend_id:
            ledger.close_hold(event.amend_id)
        for report in event.reports:
            if isinstance(report, Trade):
                ledger.settle(report, event.symbol, event.time_us)
            elif isinstance(report, Decremented):
                ledger.reduce_hold(report.taker_order_id, report.quantity)
                ledger.reduce_hold(report.maker_order_id, report.quantity)
            elif isinstance(report, Amended):
                unit = cost_per_share(report.price, report.fee_ppm) if report.side == Side.BUY else 1
                ledger.amend_hold(report.order_id, unit, report.quantity)
            elif isinstance(report, Closed):
                ledger.close_hold(report.order_id)


def _touched(events: Sequence[EngineEvent]) -> tuple[set[AccountKey], set[int]]:
    """The accounts and the orders that these events change."""
    keys: set[AccountKey] = set()
    order_ids: set[int] = set()
    for event in events:
        if event.amend_id:
            order_ids.add(event.amend_id)
        for report in event.reports:
            if isinstance(report, Trade):
                order_ids |= {report.taker_order_id, report.maker_order_id}
                for user in (report.taker_user_id, report.maker_user_id):
                    keys |= {(user, CASH), (user, event.symbol)}
                if report.taker_fee or report.maker_fee:
                    keys.add((EXCHANGE, CASH))
            elif isinstance(report, Decremented):
                order_ids |= {report.taker_order_id, report.maker_order_id}
                keys |= {(report.user_id, CASH), (report.user_id, event.symbol)}
            elif isinstance(report, (Closed, Amended)):
                order_ids.add(report.order_id)
                keys.add((report.user_id, CASH if report.side == Side.BUY else event.symbol))
    return keys, order_ids


def _open_spans(stack: ExitStack, events: Sequence[EngineEvent]) -> list[Span]:
    trades = [(event, report) for event in events for report in event.reports if isinstance(report, Trade)]
    releases = [
        (event, next(report for report in event.reports if isinstance(report, RELEASING)))
        for event in events
        if any(isinstance(report, RELEASING) for report in event.reports)
        and not any(isinstance(report, Trade) for report in event.reports)
    ]
    spans: list[Span] = []
    if trades:
        spans += stack.enter_context(
            item_spans(
                "settle_trade",
                [event.traceparent for event, _ in trades],
                kind=SpanKind.CONSUMER,
                attributes=_SETTLE_TRADE,
                items=trades,
                links=[trade.maker_traceparent or None for _, trade in trades],
            )
        )
    if releases:
        spans += stack.enter_context(
            item_spans(
                "release_hold",
                [event.traceparent for event, _ in releases],
                kind=SpanKind.CONSUMER,
                attributes=_RELEASE_HOLD,
                items=releases,
            )
        )
    return spans


_PROCESS = {
    "messaging.system": "redis",
    "messaging.operation.type": "process",
    "messaging.destination.name": EXECUTIONS.name,
}
_SETTLE_TRADE = ItemAttributes(
    {
        "messaging.message.id": ("0.seq", MESSAGE_ID),
        "trade.id": ("1.trade_id", str),
        "order.symbol": "0.symbol",
        "trade.price": ("1.price", price_text),
        "trade.quantity": "1.quantity",
    },
    _PROCESS,
)
_RELEASE_HOLD = ItemAttributes(
    {
        "messaging.message.id": ("0.seq", MESSAGE_ID),
        "order.id": (lambda pair: _order_of(pair[1]), str),
        "order.symbol": "0.symbol",
        "user.id": ("1.user_id", str),
    },
    _PROCESS,
)


def _order_of(release: Closed | Decremented | Amended) -> int:
    return release.taker_order_id if isinstance(release, Decremented) else release.order_id
