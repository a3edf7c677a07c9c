"""A session for orders: each request goes to the public API as that of its user, each answer becomes reports."""

import asyncio
import time
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.context import Context

from services.fix_gateway import reports, requests
from services.fix_gateway.exchange import Answer, Exchange, Login, Socket, connect
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.session_orders import Entry, Send, SessionOrders
from services.fix_gateway.wire import Fields, Message
from shared.errors import Problem, Unavailable
from shared.web import trace_id

log = structlog.get_logger()

SETTLED_S = 20
"""An order of which the exchange knows nothing after so long was not placed: its sweeper needs 15 s at most."""

LOOK_EVERY_S = 1.0
READ_AT_ONCE = 16


class OrderSession:
    """One user's orders. ``open`` it before the logon is answered, then keep ``run`` running until ``close``."""

    def __init__(self, name: str, login: Login, exchange: Exchange, ledger: Ledger, send: Send, ends: bool) -> None:
        """``ends``: the orders that are placed over it end with its connection."""
        self._name = name
        self._login = login
        self._exchange = exchange
        self._send = send
        self._ends = ends
        self._orders = SessionOrders(name, ledger, send)
        self._socket: Socket | None = None
        self._tracer = trace.get_tracer("services.fix_gateway.order_session")
        self.handlers = {
            "D": self.place,
            "F": self.cancel,
            "G": self.replace,
            "q": self.cancel_all,
            "H": self.status,
        }

    # Its life

    async def open(self) -> None:
        """Signs in. Raises Problem, Unavailable."""
        self._orders.pause()
        self._socket = await connect(self._exchange, self._orders.hear)
        try:
            await self._socket.ask("auth", token=self._login.token, channels=["orders", "fills"])
            if self._ends:
                await self._socket.ask("cancel_on_disconnect", scope="connection")
        except BaseException:
            await self._socket.close()
            raise

    async def run(self) -> None:
        """Tells what was missed, and goes on after each interruption. Ends with a Problem when the user is refused."""
        while True:
            try:
                if self._socket is None or self._socket.lost:
                    await self.open()
                with self._tracer.start_as_current_span("FIX catch_up", Context()):
                    await self._catch_up()
                await self._live()
            except (Problem, Unavailable) as error:
                if isinstance(error, Problem) and error.status == 401:
                    raise
                log.info("a session waits for the exchange", session=self._name, error=str(error))
                await asyncio.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _live(self) -> None:
        """Until the connection to the exchange is lost: settles what is on its way."""
        assert self._socket is not None
        ending = asyncio.ensure_future(self._socket.end())
        try:
            while not ending.done():
                for request, made_s in self._orders.unsettled():
                    with self._tracer.start_as_current_span("FIX settle", Context()):
                        await self._settle(request, made_s)
                await asyncio.wait((ending,), timeout=LOOK_EVERY_S)
        finally:
            ending.cancel()

    async def _settle(self, request: Message, made_s: int) -> None:
        """Finds out what became of an order whose answer did not come. Raises Problem, Unavailable."""
        cl_ord_id = request.get(11)
        try:
            view = await self._exchange.request("GET", "/v1/order", self._login, {"client_order_id": cl_ord_id})
        except Problem as problem:
            if problem.status != 404:
                raise
            if time.time() - made_s > SETTLED_S:
                self._orders.forget(cl_ord_id)
                lost = Problem(503, "order_not_placed", "The exchange could not take this order. Send a new one.")
                self._send(reports.rejected(request, lost, time.time_ns() // 1000, trace_id()))
            return
        if view["status"] != "PENDING_NEW":
            self._orders.settle(Entry(), cl_ord_id, view)

    async def _catch_up(self) -> None:
        """Tells what happened to open orders meanwhile. Raises Problem, Unavailable."""
        entries = self._orders.open_entries()
        for start in range(0, len(entries), READ_AT_ONCE):
            await asyncio.gather(*map(self._look, entries[start : start + READ_AT_ONCE]))
        self._orders.resume()

    async def _look(self, entry: Entry) -> None:
        async with self._orders.turn(entry) as order:
            order.amended.clear()
            view = await self._exchange.request("GET", f"/v1/order/{order.order_id}", self._login)
            self._orders.tell(order, reports.by_view(order, view))

    # What the client asks for: each raises Problem, Unavailable

    async def place(self, request: Message) -> None:
        """NewOrderSingle."""
        entry = Entry()
        if not self._orders.begin(request, entry):
            await self._known_already(request)
            return
        try:
            if (answer := await self._ask_to_place(request)) is not None:
                trace.get_current_span().set_attribute("order.id", answer.body["order_id"])
                self._orders.settle(entry, request.get(11), answer.body)
        finally:
            if entry.order is None:
                self._orders.leave(request.get(11))
            entry.known.set()

    async def _ask_to_place(self, request: Message) -> Answer | None:
        """The exchange's answer; None where nobody knows yet what became of it."""
        try:
            answer = await self._ask("place", order=requests.new_order(request))
            if answer.status == 200:
                detail = "This ClOrdID is the client_order_id of an order that you placed in another way."
                raise Problem(409, "duplicate_cl_ord_id", detail)
        except (Problem, Unavailable) as error:
            if not _may_be_done(error):
                self._orders.forget(request.get(11))
                raise
            log.info("an order is on its way", session=self._name, error=str(error))
            return None
        return answer

    async def cancel(self, request: Message) -> None:
        """OrderCancelRequest."""
        if request.may_be_known and self._orders.used(request.get(11)):
            await self.status(request)
            return
        async with self._orders.turn(self._orders.find(request.get(41), request.get(37))) as order:
            answer = await self._ask("cancel", order_id=order.order_id)
            self._orders.name(request.get(11), order)
            done = {"ended_by": request.get(11), "asked_in": trace_id()}
            self._orders.tell(order, reports.by_view(order, answer.body, **done))

    async def replace(self, request: Message) -> None:
        """OrderCancelReplaceRequest: another price, another quantity, or both."""
        entry = self._orders.find(request.get(41), request.get(37))
        if not self._orders.begin(request, entry):
            await self._known_already(request)
            return
        try:
            async with self._orders.turn(entry) as order:
                requests.check_same(request, order.symbol, order.side, order.order_type, order.trigger)
                terms = requests.new_terms(request, order.decremented)
                answer = await self._ask("amend", order_id=order.order_id, terms=terms)
                self._orders.name(request.get(11), order)
                done = {"amended_by": request.get(11), "asked_in": trace_id()}
                self._orders.tell(order, reports.by_view(order, answer.body, **done))
        except BaseException as error:
            if entry.order is None or not _may_be_done(error):
                self._orders.forget(request.get(11))
            else:  # what becomes of it shows in the order, which may be named either way
                self._orders.name(request.get(11), entry.order)
            raise

    async def cancel_all(self, request: Message) -> None:
        """OrderMassCancelRequest. The report of each order follows as the exchange tells of it."""
        answer = await self._ask("cancel_all", symbol=requests.mass_cancel_symbol(request))
        self._send(reports.mass_cancelled(request, answer.body["cancelled"], time.time_ns() // 1000, trace_id()))

    async def status(self, request: Message) -> None:
        """OrderStatusRequest."""
        async with self._orders.turn(self._orders.find(request.get(11), request.get(37))) as order:
            view = await self._exchange.request("GET", f"/v1/order/{order.order_id}", self._login)
            self._orders.tell(order, reports.by_view(order, view))
            self._send(reports.status_of(order, request))

    def refusal(self, request: Message, problem: Problem) -> Fields:
        """How a request is refused."""
        now_us = time.time_ns() // 1000
        if request.type in ("F", "G"):
            try:
                order = self._orders.find(request.get(41), request.get(37)).order
            except Problem:
                order = None
            return reports.cancel_rejected(request, order, problem, now_us, trace_id())
        if request.type == "q":
            return reports.mass_cancel_rejected(request, problem, now_us, trace_id())
        return reports.rejected(request, problem, now_us, trace_id())

    async def _known_already(self, request: Message) -> None:
        """A ClOrdID for the second time: how its order is for who says that it may be so, a mistake for all others."""
        if not request.may_be_known:
            raise Problem(409, "duplicate_cl_ord_id", "This ClOrdID (11) was used before. Choose a new one.")
        if self._orders.used(request.get(11)):
            await self.status(request)

    async def _ask(self, kind: str, **fields: Any) -> Answer:
        if self._socket is None:
            raise Unavailable("client-gateway", "the connection is lost", sent=False)
        return await self._socket.ask(kind, **fields)


def _may_be_done(error: BaseException) -> bool:
    """Whether the exchange may have done, or still do, what it was asked for."""
    if isinstance(error, Unavailable):
        return error.sent
    return not isinstance(error, Problem) or (error.status >= 500 and error.code != "overloaded")
