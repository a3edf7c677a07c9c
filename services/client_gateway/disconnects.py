"""Cancel on disconnect: ``{"type": "cancel_on_disconnect", "scope": "all"}``, and orders end with the connection.

A connection is lost when it is closed, by either side or by the network, when it is silent for longer than it said it
would be, and when the gateway dies (``lifelines.py``).
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Annotated, Any

import structlog
from msgspec import Meta
from opentelemetry import trace
from opentelemetry.context import Context
from redis.asyncio import Redis

from services.client_gateway.api import Told
from services.client_gateway.connection import Connection
from services.client_gateway.lifelines import Lifeline, Lifelines
from services.client_gateway.sign_in import Login, Logins
from services.client_gateway.socket import Message, Sockets
from shared.batching import Clients
from shared.contracts import engine, orders
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from shared.ids import created_us, node_of
from shared.tracing import current_traceparent

log = structlog.get_logger()

OPEN = (orders.OrderStatus.PENDING_NEW, orders.OrderStatus.OPEN, orders.OrderStatus.PARTIALLY_FILLED)
PAGE = 500
RETRY_S = 0.25
GIVE_UP_S = 30.0
"""How long an order may stay on its way that is neither on its book nor gone. The sweeper settles those."""

REMEMBERED_MAX = 10_000
"""Orders that a connection remembers before it asks which of them are still open."""

LOOK_EVERY_S = 0.5
CLOSE_SILENT = 4009

Mine = Callable[[int], bool]
"""Whether an order, by its id, is one of those that end."""


class Scope(StrEnum):
    """Which orders end with the connection."""

    OFF = "off"
    CONNECTION = "connection"
    """Those that were placed over it after this was said."""
    ALL = "all"
    """All open orders of the user."""


class CancelOnDisconnect(Message, frozen=True, kw_only=True, tag="cancel_on_disconnect"):
    """``silence_s``: the connection counts as lost when nothing is said on it for so long. A ping will do."""

    scope: Scope
    silence_s: Annotated[int, Meta(ge=1, le=3600)] | None = None


class Ending:
    """What ends with a connection, and when the connection counts as lost."""

    def __init__(self, login: Login, scope: Scope, node: int) -> None:
        self.name = secrets.token_hex(8)
        self.login = login
        self.scope = scope
        self.silence_s: int | None = None
        self.remembered_max = REMEMBERED_MAX
        since_us = time.time_ns() // 1000 if scope is Scope.CONNECTION else 0
        self.lifeline = Lifeline(user_id=login.user_id, node=node, since_us=since_us)

    def mine(self) -> Mine:
        """Those of the orders there are now that end."""
        if self.login.placed is not None:
            return self.login.placed.__contains__
        until_us = time.time_ns() // 1000
        return lambda order_id: created_us(order_id) <= until_us


class Disconnects:
    """Connections whose orders end with them. ``run`` is to be kept running, and the two loops of ``lifelines``."""

    def __init__(self, clients: Clients, redis: Redis, logins: Logins, told: Told, node: int) -> None:
        self._clients = clients
        self._logins = logins
        self._told = told
        self._node = node
        self.lifelines = Lifelines(redis, self.cut)
        self._endings: dict[Connection, Ending] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracer = trace.get_tracer("services.client_gateway.disconnects")

    def install(self, sockets: Sockets) -> None:
        sockets.on(CancelOnDisconnect, self.choose)

    async def choose(self, connection: Connection, message: CancelOnDisconnect) -> Mapping[str, Any]:
        """In force with the answer. Raises Unavailable where it can't be written down: then all is as it was before."""
        login, ending = self._logins.of(connection), self._endings.get(connection)
        if ending is None or ending.scope is not message.scope:
            if message.scope is not Scope.OFF:
                new = Ending(login, message.scope, self._node)
                await self.lifelines.keep(new.name, new.lifeline)
                self._endings[connection] = new
                login.placed = set() if message.scope is Scope.CONNECTION else None
                connection.at_end(lambda: self._lost(connection))
            elif ending is not None:
                del self._endings[connection]
                login.placed = None
            if ending is not None:
                await self.lifelines.forget(ending.name)
        if connection in self._endings:
            self._endings[connection].silence_s = message.silence_s
        return {"type": "cancel_on_disconnect", "scope": message.scope, "silence_s": message.silence_s}

    async def run(self) -> None:
        """Looks for connections that are silent for too long, and for orders that need not be remembered, for ever."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for connection, ending in list(self._endings.items()):
                silent_s = time.monotonic() - connection.heard_at_s
                if ending.silence_s is not None and silent_s > ending.silence_s:
                    connection.end(CLOSE_SILENT, "Nothing was heard for longer than silence_s.")
                elif ending.login.placed is not None and len(ending.login.placed) > ending.remembered_max:
                    await self._remember_open(ending, ending.login.placed)

    async def cut(self, lifeline: Lifeline, until_us: int) -> None:
        """Ends what a gateway that died can't end any more. Raises Unavailable."""

        def mine(order_id: int) -> bool:
            if not lifeline.since_us <= created_us(order_id) <= until_us:
                return False
            return not lifeline.since_us or node_of(order_id) == lifeline.node

        await self._cancel(lifeline.user_id, mine)

    def _lost(self, connection: Connection) -> None:
        ending = self._endings.pop(connection, None)
        if ending is not None:
            task = asyncio.create_task(self._end(ending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _end(self, ending: Ending) -> None:
        """As long as it takes. Orders that were read from the connection are placed by then, and end, too."""
        await ending.login.idle()
        mine = ending.mine()
        while True:
            try:
                await self._cancel(ending.login.user_id, mine)
                break
            except Unavailable as error:
                log.warning("orders of a lost connection are still open", error=str(error))
                await asyncio.sleep(RETRY_S)
        await self.lifelines.forget(ending.name)

    async def _cancel(self, user_id: int, mine: Mine) -> None:
        """Cancels until none of them is open. Raises Unavailable."""
        give_up_s = time.monotonic() + GIVE_UP_S
        attributes = {"user.id": str(user_id)}
        with self._tracer.start_as_current_span("cancel_on_disconnect", Context(), attributes=attributes) as span:
            cancelled = 0
            while found := [order for order in await self._open(user_id) if mine(order.order_id)]:
                answers = await asyncio.gather(*map(self._cancel_one, found))
                cancelled += sum(answers)
                if not any(answers):
                    if time.monotonic() > give_up_s:
                        log.warning("orders of a lost connection can't be cancelled", user_id=user_id)
                        break
                    await asyncio.sleep(RETRY_S)
            span.set_attribute("orders.cancelled", cancelled)

    async def _cancel_one(self, order: orders.Order) -> bool:
        answer = await self._clients.call(
            engine.CANCEL_ORDER,
            engine.CancelOrder(
                order_id=order.order_id,
                user_id=order.user_id,
                symbol=order.symbol,
                traceparent=current_traceparent(),
            ),
        )
        if isinstance(answer, Refused):
            return False
        self._told.note(order.user_id, answer.position)
        return True

    async def _open(self, user_id: int) -> list[orders.Order]:
        """All open orders of a user, as of what this gateway knows of them."""
        found: list[orders.Order] = []
        while True:
            query = orders.OrderQuery(
                user_id=user_id,
                position=self._told.position(user_id),
                status=OPEN,
                before=found[-1].order_id if found else 0,
                limit=PAGE,
                traceparent=current_traceparent(),
            )
            page = await self._clients.call(orders.LIST_ORDERS, query)
            if isinstance(page, Refused):
                raise Unavailable("order-manager", page.detail)
            found += page.orders
            if len(page.orders) < PAGE:
                return found

    async def _remember_open(self, ending: Ending, placed: set[int]) -> None:
        """Forgets orders that are open no more."""
        known = set(placed)
        try:
            with self._tracer.start_as_current_span("list_open_orders", Context()):
                still_open = {order.order_id for order in await self._open(ending.login.user_id)}
        except Unavailable as error:
            log.info("orders are remembered for longer", error=str(error))
            return
        placed -= known - still_open
        ending.remembered_max = max(REMEMBERED_MAX, 2 * len(placed))
