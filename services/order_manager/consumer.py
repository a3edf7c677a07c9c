"""What the engine's events do here: each order gets its executions and its status."""

from collections.abc import Sequence

import structlog
from opentelemetry.trace import SpanKind

from services.order_manager.store import OrderStore
from shared.attributes import processing
from shared.connections import Connection
from shared.contracts.events import EXECUTIONS, EngineEvent, Trade, Triggered
from shared.tracing import ItemAttributes, item_spans

log = structlog.get_logger()

APPLY_EXECUTION = ItemAttributes(
    {"order.id": ("order_id", str), "order.symbol": "symbol", "event.seq": "seq"},
    processing("apply_execution", EXECUTIONS),
)


class Executions:
    """Applies engine events to orders."""

    def __init__(self, store: OrderStore) -> None:
        self._store = store

    async def apply(self, connection: Connection, events: Sequence[EngineEvent]) -> None:
        """One span per event, in the trace of the order that caused it, linked to the other order it met first."""
        events = [event for event in events if event.reports]
        if not events:
            return
        with item_spans(
            "apply_execution",
            [event.traceparent for event in events],
            kind=SpanKind.CONSUMER,
            attributes=APPLY_EXECUTION,
            items=events,
            links=[_elsewhere(event) for event in events],
        ) as spans:
            unknown = await self._store.apply(connection, events, spans)
        if unknown:
            # The engine is the authority on what traded; an order that only it knows is a bug for the audit to show.
            log.error("events for orders that are not here", order_ids=sorted(unknown)[:10], count=len(unknown))


def _elsewhere(event: EngineEvent) -> str | None:
    """The trace of the first maker, or of the first stop order that was triggered."""
    for report in event.reports:
        if isinstance(report, Trade) and report.maker_traceparent:
            return report.maker_traceparent
        if isinstance(report, Triggered) and report.order_traceparent != event.traceparent:
            return report.order_traceparent or None
    return None
