"""A client's requests: each has a trace of its own, and whatever comes of it the client is told."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from services.fix_gateway.wire import Fields, Message, printable
from shared.errors import Problem, Unavailable
from shared.metrics import Histogram
from shared.tracing import current_traceparent, record_error
from shared.web import bug_problem, unavailable_problem

NAMES = {
    "A": "Logon",
    "D": "NewOrderSingle",
    "F": "OrderCancelRequest",
    "G": "OrderCancelReplaceRequest",
    "H": "OrderStatusRequest",
    "q": "OrderMassCancelRequest",
    "V": "MarketDataRequest",
    "x": "SecurityListRequest",
}
"""Messages that somebody answers."""

TOLD = {
    "8": "ExecutionReport",
    "9": "OrderCancelReject",
    "j": "BusinessMessageReject",
    "r": "OrderMassCancelReport",
    "W": "MarketDataSnapshotFullRefresh",
    "X": "MarketDataIncrementalRefresh",
    "Y": "MarketDataRequestReject",
    "y": "SecurityList",
}
OTHER = "other"

IN_FLIGHT_MAX = 256
"""Requests of one client that may be under way at once. Until one is answered, nothing more is read from it."""

MESSAGES = Counter("outcry_fix_messages_total", "FIX messages", ["direction", "type"])
REQUEST_SECONDS = Histogram("outcry_fix_request_seconds", "Time to answer a FIX request", ["type"])

Handler = Callable[[Message], Awaitable[None]]
"""Answers a request. Raises Problem, Unavailable."""


class Session(Protocol):
    """What a client's session can do."""

    @property
    def handlers(self) -> Mapping[str, Handler]: ...
    async def open(self) -> None: ...
    async def run(self) -> None: ...
    async def close(self) -> None: ...
    def refusal(self, request: Message, problem: Problem) -> Fields | None: ...


class Answering:
    """The requests of one connection."""

    def __init__(
        self, session: Session, address: str, send: Callable[[Fields], None], end: Callable[[str], None]
    ) -> None:
        """``end`` logs the client out, with a reason."""
        self._session = session
        self._address = address
        self._send = send
        self._end = end
        self._free = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._under_way: set[asyncio.Task[None]] = set()
        self._tracer = trace.get_tracer("services.fix_gateway")

    async def take(self, request: Message) -> None:
        """Answers a request beside the others; returns at once, unless too many are under way."""
        await self._free.acquire()
        task = asyncio.create_task(self._answer(request))
        self._under_way.add(task)
        task.add_done_callback(self._done)

    async def stop(self) -> None:
        """What is under way is not waited for: the exchange carries it out, and the next logon tells of it."""
        for task in self._under_way:
            task.cancel()
        if self._under_way:
            await asyncio.wait(set(self._under_way))

    async def _answer(self, request: Message) -> None:
        name, started = NAMES.get(request.type, OTHER), time.monotonic()
        MESSAGES.labels("in", name).inc()
        attributes = attributes_of(request, self._address)
        with self._tracer.start_as_current_span(f"FIX {name}", Context(), SpanKind.SERVER, attributes) as span:
            try:
                handler = self._session.handlers.get(request.type)
                if handler is None:
                    raise Problem(
                        422, "unsupported_message", f"{request.get(56)} has no answer to MsgType {request.type}."
                    )
                await handler(request)
            except Problem as problem:
                span.set_attribute("error.code", problem.code)
                self._say_no(request, problem)
            except Unavailable as error:
                record_error(span, error)
                self._say_no(request, unavailable_problem(error))
            except Exception as error:
                record_error(span, error)
                self._say_no(request, bug_problem(error))
            REQUEST_SECONDS.labels(name).observe(time.monotonic() - started, current_traceparent())

    def _say_no(self, request: Message, problem: Problem) -> None:
        text = f"{problem.code}: {problem.detail}"
        fields = self._session.refusal(request, problem) if request.type in self._session.handlers else None
        if fields is None:  # BusinessMessageReject
            reason = "3" if problem.code == "unsupported_message" else "0"
            fields = [(35, "j"), (45, request.get(34)), (372, request.type), (380, reason), (58, printable(text))]
        self._send(fields)
        if problem.status == 401:
            self._end(text)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._under_way.discard(task)
        self._free.release()


def attributes_of(message: Message, address: str) -> dict[str, str]:
    """What a message's span tells of it."""
    found = {
        "network.protocol.name": "fix",
        "network.protocol.version": "4.4",
        "client.address": address,
        "fix.msg_type": message.type[:8],
        "fix.msg_seq_num": message.get(34)[:16],
        "fix.sender_comp_id": message.get(49)[:64],
        "fix.target_comp_id": message.get(56)[:64],
        "fix.cl_ord_id": message.get(11)[:64],
        "fix.may_be_known": "true" if message.may_be_known else "",
    }
    return {name: value for name, value in found.items() if value}
