"""The order-manager's SQL: one statement for a whole batch, one commit."""

import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
from opentelemetry.trace import Span

from services.order_manager import statements as sql
from services.order_manager.lifecycle import changes_of
from shared.connections import Connection
from shared.contracts.events import EngineEvent, OrderEvent
from shared.contracts.operations import Refused
from shared.contracts.orders import (
    NO_OPTIONS,
    Created,
    Fill,
    NewOrder,
    Order,
    OrderFailure,
    OrderOptions,
    OrderPage,
    OrderQuery,
    OrderRef,
    OrderStatus,
    PendingBefore,
    Verdict,
)
from shared.contracts.wallet import OrderIds
from shared.faults import MISSING_INDEX
from shared.ids import created_us, first_at
from shared.outbox import Outbox
from shared.postgres import Database
from shared.tracing import trace_id_of, traceparent_of

LATE_US = 30_000_000
"""How long after its id was made an order may be written at the latest: several times what any call may take."""


def now_us() -> int:
    return time.time_ns() // 1000


class OrderStore:
    """Orders in PostgreSQL. Methods that serve an operation take its batch and the open span of each item."""

    def __init__(self, database: Database, outbox: Outbox) -> None:
        self._database = database
        self._outbox = outbox
        self._pending_from = 0
        """The first order that may wait for the engine; from the beginning of time after a start."""

    async def create(self, items: Sequence[NewOrder], spans: Sequence[Span]) -> list[Created | Refused]:
        """Writes new orders and their events in one commit. A known ``client_order_id`` brings up its order."""
        # In the order of ids, so that two batches never lock in opposite order.
        told = sorted(zip(items, spans, strict=True), key=lambda pair: pair[0].order_id)
        entries = self._outbox.entries(0, [_taken(*pair) for pair in told])
        async with self._database.connection() as connection:
            rows = await sql.INSERT.fetch(connection, spans, *_columns(told), [payload for _, payload, _ in entries])
        of_order = {item.order_id: entry for (item, _), entry in zip(told, entries, strict=True)}
        self._outbox.committed([(seq, *of_order[order_id][1:]) for order_id, seq in rows])
        if len(rows) == len(items):
            return [Created(order_id=item.order_id) for item in items]
        return await self._earlier(items, spans, {order_id for order_id, _ in rows})

    async def _earlier(
        self, items: Sequence[NewOrder], spans: Sequence[Span], inserted: set[int]
    ) -> list[Created | Refused]:
        repeated = [item for item in items if item.order_id not in inserted]
        refs = [OrderRef(user_id=i.user_id, client_order_id=i.client_order_id) for i in repeated if i.client_order_id]
        async with self._database.connection() as connection:
            by_id = {o.order_id: o for o in await self._by_ids(connection, spans, [i.order_id for i in repeated])}
            by_client = await self._by_client(connection, spans, refs)
        answers: list[Created | Refused] = []
        for item in items:
            own = by_id.get(item.order_id)
            known = own or by_client.get((item.user_id, item.client_order_id))
            if item.order_id in inserted:
                answers.append(Created(order_id=item.order_id))
            elif known is None or known.quantity == 0:
                answers.append(
                    Refused(code="order_abandoned", detail="This order was given up before it was complete.")
                )
            else:
                answers.append(Created(order_id=known.order_id, earlier=None if own else known))
        return answers

    async def get(self, items: Sequence[OrderRef], spans: Sequence[Span]) -> list[Order | Refused]:
        """One order each, with its fills; Refused for one that is not there or belongs to somebody else."""
        async with self._database.connection() as connection:
            by_id = {
                order.order_id: order
                for order in await self._by_ids(connection, spans, [i.order_id for i in items if i.order_id])
            }
            named = [i for i in items if not i.order_id]
            by_client = await self._by_client(connection, spans, named) if named else {}
        missing = Refused(code="order_not_found", detail="You have no such order. GET /v1/orders lists yours.")
        found = [by_id.get(i.order_id) if i.order_id else by_client.get((i.user_id, i.client_order_id)) for i in items]
        return [
            order if order is not None and order.user_id == item.user_id and order.quantity else missing
            for item, order in zip(items, found, strict=True)
        ]

    async def page(self, items: Sequence[OrderQuery], spans: Sequence[Span]) -> list[OrderPage]:
        """A page of orders each, newest first."""
        async with self._database.connection() as connection:
            rows = await (sql.SELECT_PAGE_UNINDEXED if MISSING_INDEX.on else sql.SELECT_PAGE).fetch(
                connection,
                spans,
                list(range(len(items))),
                [i.user_id for i in items],
                [i.symbol for i in items],
                [",".join(i.status) for i in items],
                [i.before for i in items],
                [i.limit for i in items],
            )
        pages: dict[int, list[Order]] = defaultdict(list)
        for row in rows:
            pages[row["number"]].append(_order(row))
        return [OrderPage(orders=tuple(pages[number])) for number in range(len(items))]

    async def fail(self, items: Sequence[OrderFailure], spans: Sequence[Span]) -> list[Verdict]:
        """Writes orders off that the engine has not and never will have. Unknown ones are barred."""
        async with self._database.transaction() as connection:
            failed = await sql.FAIL.fetch(
                connection, spans, [i.order_id for i in items], [i.reason for i in items], now_us()
            )
            origins = {i.order_id: (i.reason, i.traceparent) for i in items}
            events = [
                OrderEvent(
                    time_us=now_us(),
                    traceparent=origins[row["order_id"]][1],
                    order_id=row["order_id"],
                    user_id=row["user_id"],
                    symbol=row["symbol"],
                    side=row["side"],
                    status=OrderStatus.REJECTED,
                    reason=origins[row["order_id"]][0],
                )
                for row in failed
            ]
            entries = await self._outbox.append(connection, (), events) if events else []
            dead = await self._bury(connection, items, spans)
        self._outbox.committed(entries)
        return [Verdict(order_id=i.order_id, dead=i.order_id in dead) for i in items]

    async def bury_unknown(self, items: Sequence[OrderFailure], spans: Sequence[Span]) -> list[Verdict]:
        """Bars the ids of orders that never came; says of each whether it is dead."""
        async with self._database.transaction() as connection:
            dead = await self._bury(connection, items, spans)
        return [Verdict(order_id=i.order_id, dead=i.order_id in dead) for i in items]

    async def pending(self, items: Sequence[PendingBefore], spans: Sequence[Span]) -> list[OrderIds]:
        """Orders that have waited for the engine's answer for longer than it can take.

        What was looked through once need not be read again: no order comes later than ``LATE_US`` after its id.
        """
        until_us = max(i.until_us for i in items)
        async with self._database.connection() as connection:
            rows = await sql.SELECT_PENDING.fetch(connection, spans, self._pending_from, until_us)
        looked_through = min([first_at(until_us - LATE_US), *(row["order_id"] for row in rows[:1])])
        self._pending_from = max(self._pending_from, looked_through)
        ids = OrderIds(order_ids=tuple(row["order_id"] for row in rows), user_ids=tuple(row["user_id"] for row in rows))
        return [ids] * len(items)

    async def apply(self, connection: Connection, events: Sequence[EngineEvent], spans: Sequence[Span]) -> set[int]:
        """Brings orders up to these events, in the caller's transaction. Answers the ids of orders not known here."""
        changes, executions = changes_of(events)
        if not changes:
            return set()
        ids = sorted(changes)
        ordered = [changes[i] for i in ids]
        rows = await sql.APPLY.fetch(
            connection,
            spans,
            ids,
            [c.filled_quantity for c in ordered],
            [c.filled_value for c in ordered],
            [c.decremented_quantity for c in ordered],
            [c.status for c in ordered],
            [c.reason for c in ordered],
            [c.updated_us for c in ordered],
            [c.price for c in ordered],
            [c.quantity for c in ordered],
            [c.triggered for c in ordered],
        )
        if executions:
            await sql.INSERT_EXECUTIONS.fetch(
                connection,
                spans,
                [e.trade_id for e in executions],
                [e.order_id for e in executions],
                [e.side for e in executions],
                [e.price for e in executions],
                [e.quantity for e in executions],
                [e.time_us for e in executions],
                [e.fee for e in executions],
            )
        return set(ids) - {row["order_id"] for row in rows}

    async def _bury(self, connection: Connection, items: Sequence[OrderFailure], spans: Sequence[Span]) -> set[int]:
        rows = await sql.BURY.fetch(
            connection, spans, [i.order_id for i in items], [i.user_id for i in items], now_us()
        )
        return {row["order_id"] for row in rows}

    async def _by_ids(self, connection: Connection, spans: Sequence[Span], ids: list[int]) -> list[Order]:
        if not ids:
            return []
        rows = await sql.SELECT.fetch(connection, spans, ids)
        return await self._with_fills(connection, spans, rows)

    async def _by_client(
        self, connection: Connection, spans: Sequence[Span], refs: Sequence[OrderRef]
    ) -> dict[tuple[int, str], Order]:
        if not refs:
            return {}
        rows = await sql.SELECT_BY_CLIENT.fetch(
            connection, spans, [r.user_id for r in refs], [r.client_order_id for r in refs]
        )
        orders = await self._with_fills(connection, spans, rows)
        return {(order.user_id, order.client_order_id): order for order in orders}

    async def _with_fills(self, connection: Connection, spans: Sequence[Span], rows: Sequence[Any]) -> list[Order]:
        fills: dict[int, list[Fill]] = defaultdict(list)
        if any(row["filled_quantity"] for row in rows):
            for row in await sql.SELECT_FILLS.fetch(connection, spans, [row["order_id"] for row in rows]):
                fills[row["order_id"]].append(
                    Fill(
                        trade_id=row["trade_id"],
                        price=row["price"],
                        quantity=row["quantity"],
                        time_us=row["time_us"],
                        fee=row["fee"],
                    )
                )
        return [_order(row, tuple(fills[row["order_id"]])) for row in rows]


def _taken(order: NewOrder, span: Span) -> OrderEvent:
    """The event that tells of a new order."""
    return OrderEvent(
        time_us=created_us(order.order_id),
        traceparent=traceparent_of(span),
        order_id=order.order_id,
        user_id=order.user_id,
        symbol=order.symbol,
        side=order.side,
        status=OrderStatus.PENDING_NEW,
    )


def _columns(told: Sequence[tuple[NewOrder, Span]]) -> list[list[Any]]:
    """The arguments of INSERT."""
    orders = [order for order, _ in told]
    return [
        [order.order_id for order in orders],
        [order.user_id for order in orders],
        [order.client_order_id for order in orders],
        [order.symbol for order in orders],
        [order.side for order in orders],
        [order.order_type for order in orders],
        [order.time_in_force for order in orders],
        [order.price for order in orders],
        [order.quantity for order in orders],
        [created_us(order.order_id) for order in orders],
        [trace_id_of(span) for _, span in told],
        ["" if order.options == NO_OPTIONS else _encode(order.options).decode() for order in orders],
    ]


def _order(row: Any, fills: tuple[Fill, ...] = ()) -> Order:
    return Order(
        order_id=row["order_id"],
        user_id=row["user_id"],
        client_order_id=row["client_order_id"] or "",
        symbol=row["symbol"],
        side=row["side"],
        order_type=row["order_type"],
        time_in_force=row["time_in_force"],
        price=row["price"],
        quantity=row["quantity"],
        filled_quantity=row["filled_quantity"],
        filled_value=row["filled_value"],
        status=OrderStatus(row["status"]),
        reason=row["reason"],
        created_us=row["created_us"],
        updated_us=row["updated_us"],
        trace_id=row["trace_id"],
        fills=fills,
        options=_decode(row["options"]) if row["options"] else NO_OPTIONS,
        decremented_quantity=row["decremented_quantity"],
        triggered=row["triggered"],
    )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(OrderOptions).decode
