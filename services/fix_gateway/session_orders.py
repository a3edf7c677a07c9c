"""The orders of one session: found by any ClOrdID they had, worked on by one request at a time, told of once.

What was told is in the ledger. Messages about an order wait while a request for it is under way, and those about
orders that nobody knows wait while some order's answer is still to come: it may be about that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from services.fix_gateway import reports
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.reports import Order
from services.fix_gateway.wire import Fields, Message
from shared.errors import Problem
from shared.tracing import current_span

OWN = ("order", "trade", "amended", "triggered", "reduced")
"""Types of messages that tell of an order."""

Send = Callable[[Fields], None]


class Entry:
    """An order, or one that is on its way."""

    def __init__(self, order: Order | None = None) -> None:
        self.order = order
        self.names: list[str] = []
        """ClOrdIDs by which it is found without the ledger."""
        self.known = asyncio.Event()
        """Set once there is an order, or it is certain that there is none."""
        self.turn = asyncio.Lock()
        self.busy = False
        self.held: list[Mapping[str, Any]] = []
        if order is not None:
            self.known.set()


class SessionOrders:
    """All of them. Closed ones are in the ledger only."""

    def __init__(self, session: str, ledger: Ledger, send: Send) -> None:
        self._session = session
        self._ledger = ledger
        self._send = send
        self._by_id: dict[str, Entry] = {}
        self._by_name: dict[str, Entry] = {}
        self._awaited: set[str] = set()
        self._unknown: list[Mapping[str, Any]] = []
        self._early: list[Mapping[str, Any]] | None = None
        for request, _ in ledger.on_their_way(session):
            if request.type == "D":
                self._awaited.add(request.get(11))
            elif order_id := ledger.order_id(session, request.get(41)):  # what became of a replace shows in its order
                ledger.name(session, request.get(11), order_id)
            else:
                ledger.forget(session, request.get(11))

    def open_entries(self) -> list[Entry]:
        """Those of whose end the session was not told."""
        for order in self._ledger.open_orders(self._session):
            if order.order_id not in self._by_id:
                self._by_id[order.order_id] = Entry(order)
        return list(self._by_id.values())

    def find(self, cl_ord_id: str, order_id: str = "") -> Entry:
        """The order that has or had this ClOrdID, else the one with this OrderID. Raises Problem without one."""
        if (entry := self._by_name.get(cl_ord_id)) is not None:
            return entry
        found = self._ledger.order_id(self._session, cl_ord_id) or order_id
        if found and (entry := self._by_id.get(found)) is not None:
            return entry
        order = self._ledger.get(self._session, found) if found else None
        if order is None:
            raise Problem(404, "order_not_found", "This session has no such order. Name the last ClOrdID it had.")
        return Entry(order)

    @asynccontextmanager
    async def turn(self, entry: Entry) -> AsyncIterator[Order]:
        """The order, once it is there and all earlier requests for it are answered. Raises Problem without one."""
        await entry.known.wait()
        async with entry.turn:
            if entry.order is None:
                raise Problem(404, "order_not_found", "The order was not accepted.")
            current_span().set_attribute("order.id", entry.order.order_id)
            entry.busy = True
            try:
                yield entry.order
            finally:
                entry.busy = False
                held, entry.held = entry.held, []
                for said in held:
                    self.hear(said)

    # ClOrdIDs

    def begin(self, request: Message, entry: Entry) -> bool:
        """A request gives its ClOrdID to this order. False where the session has used it before."""
        name = request.get(11)
        if not self._ledger.begin(self._session, name, request.text):
            return False
        self._call(entry, name)
        if request.type == "D":
            self._awaited.add(name)
        return True

    def name(self, cl_ord_id: str, order: Order) -> None:
        """The order has this ClOrdID for good."""
        self._ledger.name(self._session, cl_ord_id, order.order_id)

    def used(self, cl_ord_id: str) -> bool:
        """Whether there is an order that has or had this ClOrdID."""
        return bool(self._ledger.order_id(self._session, cl_ord_id))

    def forget(self, cl_ord_id: str) -> None:
        """Nothing came of the request."""
        self._by_name.pop(cl_ord_id, None)
        self._ledger.forget(self._session, cl_ord_id)
        self._hear_again(cl_ord_id)

    def leave(self, cl_ord_id: str) -> None:
        """Nobody knows yet what became of the order: it is not to be found until it is settled."""
        self._by_name.pop(cl_ord_id, None)

    def unsettled(self) -> list[tuple[Message, int]]:
        """Orders that are on their way and not asked about, and when they came, in seconds of Unix time."""
        found = self._ledger.on_their_way(self._session)
        return [(request, made_s) for request, made_s in found if request.get(11) not in self._by_name]

    # What is told

    def settle(self, entry: Entry, cl_ord_id: str, view: Mapping[str, Any]) -> None:
        """An order is there."""
        order = entry.order = reports.order_of(view, cl_ord_id)
        self._by_id[order.order_id] = entry
        self._call(entry, cl_ord_id)
        self.name(cl_ord_id, order)
        entry.known.set()
        self.tell(order, reports.by_view(order, view))
        self._hear_again(cl_ord_id)

    def pause(self) -> None:
        """Messages may have been missed: those from now on wait until that is made good."""
        if self._early is None:
            self._early = []

    def resume(self) -> None:
        """All orders are told of as they are; what was heard meanwhile follows."""
        early, self._early = self._early or [], None
        for said in early:
            self.hear(said)

    def hear(self, said: Mapping[str, Any]) -> None:
        """An own message of the user's, of an order that may be another session's."""
        if said["type"] not in OWN:
            return
        if self._early is not None:
            self._early.append(said)
            return
        entry = self._by_id.get(said["order_id"])
        if entry is None:
            if self._awaited:
                self._unknown.append(said)
        elif entry.busy:
            entry.held.append(said)
        elif entry.order is not None:
            self.tell(entry.order, reports.by_message(entry.order, said))

    def tell(self, order: Order, told: Iterable[Fields]) -> None:
        """Sends reports, and notes that they were told before anything of it leaves."""
        for report in told:
            self._send(report)
        self._ledger.put(self._session, order)
        if order.is_final and (entry := self._by_id.pop(order.order_id, None)) is not None:
            for name in entry.names:
                self._by_name.pop(name, None)

    def _call(self, entry: Entry, cl_ord_id: str) -> None:
        self._by_name[cl_ord_id] = entry
        entry.names.append(cl_ord_id)

    def _hear_again(self, cl_ord_id: str) -> None:
        self._awaited.discard(cl_ord_id)
        unknown, self._unknown = self._unknown, []
        for said in unknown:
            self.hear(said)
