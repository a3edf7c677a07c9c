"""A session that is told of all orders of its user, by whatever way they were placed, and can ask for nothing.

The exchange keeps what it tells users for a day; the ledger knows how far this session was told. So a copy that was
away goes on where it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from services.fix_gateway import reports
from services.fix_gateway.exchange import Exchange, Login, Socket, connect
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.reports import Order
from services.fix_gateway.session_orders import OWN, Send
from services.fix_gateway.wire import Fields, Message
from shared.errors import Problem, Unavailable

log = structlog.get_logger()

RETRY_S = 1.0
IS_COPY = (797, "Y")
"""CopyMsgIndicator."""


class DropCopy:
    """One user's copy. ``open`` it before the logon is answered, then keep ``run`` running until ``close``."""

    def __init__(self, name: str, login: Login, exchange: Exchange, ledger: Ledger, send: Send) -> None:
        self._name = name
        self._login = login
        self._exchange = exchange
        self._ledger = ledger
        self._send = send
        self._socket: Socket | None = None
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._seq = 0
        self._count = 0
        self._again = 0
        self._tracer = trace.get_tracer("services.fix_gateway.drop_copy")
        self.handlers: dict[str, Callable[[Message], Awaitable[None]]] = {}

    async def open(self) -> None:
        """Signs in and asks for what was missed. Raises Problem, Unavailable."""
        known = self._ledger.position(self._name)
        self._heard = asyncio.Queue()
        self._socket = await connect(self._exchange, self.hear)
        asked: dict[str, Any] = {"token": self._login.token, "channels": ["orders", "fills"]}
        if known is not None:
            self._seq, self._count = known
            self._again = self._count
            asked["after"] = self._seq - 1 if self._count else self._seq
        answer = await self._socket.ask("auth", **asked)
        if known is None:
            self._move(answer.body["seq"], 0)

    async def run(self) -> None:
        """Tells what the exchange tells, in its order. Ends with a Problem when the user is refused."""
        while True:
            try:
                if self._socket is None or self._socket.lost:
                    await self.open()
                await self._live()
            except (Problem, Unavailable) as error:
                if isinstance(error, Problem) and error.status == 401:
                    raise
                log.info("a drop copy waits for the exchange", session=self._name, error=str(error))
                await self.close()  # and begins again where it is
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    def refusal(self, request: Message, problem: Problem) -> Fields:
        raise AssertionError("there is nothing to ask for")

    def hear(self, said: dict[str, Any]) -> None:
        if said["type"] in OWN:
            self._heard.put_nowait(said)

    async def _live(self) -> None:
        """Until the connection to the exchange is lost."""
        assert self._socket is not None
        ending = asyncio.ensure_future(self._socket.end())
        try:
            while not ending.done():
                next_one = asyncio.ensure_future(self._heard.get())
                await asyncio.wait((next_one, ending), return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    next_one.cancel()
                    return
                await self._copy(next_one.result())
        finally:
            ending.cancel()

    async def _copy(self, said: dict[str, Any]) -> None:
        seq = said["seq"]
        if seq == self._seq and self._again:
            self._again -= 1
            return
        self._again = 0
        order = self._ledger.get(self._name, said["order_id"])
        if order is None:
            with self._tracer.start_as_current_span("FIX read_order", Context()):
                view = await self._exchange.request("GET", f"/v1/order/{said['order_id']}", self._login)
            order = reports.order_of(view, view["client_order_id"] or "")
            self._tell(order, reports.by_view(order, view))
        self._tell(order, reports.by_message(order, said))
        self._move(seq, self._count + 1 if seq == self._seq else 1)

    def _tell(self, order: Order, told: Iterable[Fields]) -> None:
        for report in told:
            self._send([*report, IS_COPY])
        self._ledger.put(self._name, order)

    def _move(self, seq: int, count: int) -> None:
        self._seq, self._count = seq, count
        self._ledger.move(self._name, seq, count)
