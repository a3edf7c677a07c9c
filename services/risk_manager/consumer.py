"""What the engine's events do here: open orders, positions and the day's value move, in PostgreSQL and in Valkey."""

import asyncio
from collections.abc import Sequence

import structlog
from opentelemetry.trace import SpanKind
from redis.exceptions import RedisError

from services.risk_manager import store
from services.risk_manager.control_store import load_controls
from services.risk_manager.state import RiskState
from shared.attributes import MESSAGE_ID, processing
from shared.connections import Connection
from shared.consumer import Consumer
from shared.contracts.events import EXECUTIONS, EngineEvent
from shared.errors import Unavailable
from shared.postgres import Database
from shared.tracing import ItemAttributes, item_spans

log = structlog.get_logger()

UPDATE_POSITION = ItemAttributes(
    {
        "messaging.message.id": ("seq", MESSAGE_ID),
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
    },
    processing("update_position", EXECUTIONS),
)

WATCH_S = 0.5


class Executions:
    """Applies engine events to what accounts have at risk."""

    def __init__(self, state: RiskState) -> None:
        self._state = state

    async def apply(self, connection: Connection, events: Sequence[EngineEvent]) -> None:
        """One span per event that has reports.

        Valkey goes first. Should the transaction fail, the same events come again and Valkey passes over them; should
        the process die in between, the start finds the two apart and makes Valkey's state again.
        """
        told = [event for event in events if event.reports]
        with item_spans(
            "update_position",
            [event.traceparent for event in told],
            kind=SpanKind.CONSUMER,
            attributes=UPDATE_POSITION,
            items=told,
        ) as spans:
            effects = await self._state.apply(connection, spans, events)
            await store.record(connection, spans, effects)


class Watch:
    """Sees that Valkey's state is there and not behind PostgreSQL's, and has it made again when it is."""

    def __init__(self, state: RiskState, database: Database, executions: Consumer) -> None:
        self._state = state
        self._database = database
        self._executions = executions

    async def start(self) -> None:
        """At start any difference means that something died half-way: the state is made again. Raises Unavailable.

        So may a change of an account's firm have.
        """
        async with self._database.connection() as connection:
            seq = await store.load_position(connection)
            memberships = (await load_controls(connection)).memberships
        if await self._state.position() != seq:
            await self._rebuild()
        await self._state.join(memberships)

    async def run(self) -> None:
        """Looks for ever. While running Valkey may be ahead, by events whose transaction is not committed yet."""
        while True:
            await asyncio.sleep(WATCH_S)
            try:
                stored = self._executions.position
                if await self._state.position() < stored:
                    await self._rebuild()
            except (Unavailable, RedisError) as error:
                log.warning("risk state can't be looked after", error=str(error))

    async def ready(self) -> None:
        """Raises Unavailable while the state is lost."""
        if await self._state.position() < 0:
            raise Unavailable("risk state", "it is being rebuilt")

    async def _rebuild(self) -> None:
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            await self._state.rebuild(connection)
