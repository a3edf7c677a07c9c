"""``WS /ws``: one connection for everything live. What clients may say is added by those who answer it.

A message is a JSON object with a ``type``. Its ``id``, any text of the client's, comes back in the answer; so does the
``trace_id`` of the span that answered it, which continues the message's ``traceparent``. What is wrong with a message
is answered by an ``error`` with a code, and the connection lives on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeVar, Union

import msgspec
import structlog
from fastapi import WebSocket
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind
from prometheus_client import Gauge

from services.client_gateway.api import Api
from services.client_gateway.connection import Connection
from services.client_gateway.frames import protocol_of, text_frame
from services.client_gateway.settings import GatewaySettings
from shared.errors import Problem, Unavailable
from shared.tracing import context_from, record_error
from shared.web import bug_problem, trace_id, unavailable_problem

log = structlog.get_logger()

SOCKETS = Gauge("outcry_sockets", "WebSocket connections of clients")

IN_FLIGHT_MAX = 256
"""Messages of one connection that may be under way at once. Until one is answered, nothing more is read from it."""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What a client says. Each kind is a struct of its own, with its ``type`` as its tag."""

    id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    traceparent: Annotated[str, msgspec.Meta(max_length=55)] = ""


class Ping(Message, frozen=True, kw_only=True, tag="ping"):
    """Is anybody there? The answer is a ``pong``."""


class _Id(msgspec.Struct):
    """The id of a message that can't be read as a whole."""

    id: str = ""


M = TypeVar("M", bound=Message)
Handler = Callable[[Connection, M], Awaitable[Mapping[str, Any] | None]]
"""Answers a message; None where it sends its answer itself. Raises Problem or Unavailable."""


class _Answering(NamedTuple):
    handler: Handler[Any]
    span: str
    """The name of the span that is made for each message, empty for none."""

    in_order: bool


class Sockets:
    """All connected clients, and what they may say."""

    def __init__(self, api: Api, settings: GatewaySettings) -> None:
        self._api = api
        self._message_bytes_max = settings.body_bytes_max
        self._waiting_bytes_max = settings.socket_waiting_bytes_max
        self._answering: dict[type[Message], _Answering] = {}
        self._decoder: msgspec.json.Decoder[Any] | None = None
        self._decode_id = msgspec.json.Decoder(_Id).decode
        self._tracer = trace.get_tracer("services.client_gateway.socket")
        self._under_way: set[asyncio.Task[None]] = set()
        self.on(Ping, _pong, traced=False)

    def on(self, kind: type[M], handler: Handler[M], *, traced: bool = True, in_order: bool = True) -> None:
        """Answers messages of this kind.

        ``in_order``: after the connection's earlier messages that are so. All others run side by side.
        """
        tag = str(kind.__struct_config__.tag)
        self._answering[kind] = _Answering(handler, f"WS {tag}" if traced else "", in_order)
        self._decoder = msgspec.json.Decoder(Union[tuple(self._answering)])  # noqa: UP007 - made from a tuple

    async def serve(self, socket: WebSocket) -> None:
        """One client, from its connection to its end."""
        await socket.accept()
        SOCKETS.inc()
        connection = Connection(protocol_of(socket), self._waiting_bytes_max)
        link = Link(trace.get_current_span().get_span_context())
        # Each message is a trace of its own: a connection may last for days.
        context_api.attach(Context())
        free = asyncio.Semaphore(IN_FLIGHT_MAX)
        turn: asyncio.Task[None] | None = None
        try:
            while (event := await socket.receive())["type"] == "websocket.receive" and not connection.ended:
                connection.heard_at_s = time.monotonic()
                message = self._read(connection, event.get("text") or event.get("bytes") or b"")
                if message is None:
                    continue
                await free.acquire()
                in_order = self._answering[type(message)].in_order
                task = asyncio.create_task(self._answer(connection, message, link, turn if in_order else None))
                turn = task if in_order else turn
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
                task.add_done_callback(lambda _done: free.release())
        finally:
            # What is under way goes on: an order that was read is placed, whether or not its answer can be told.
            connection.finish()
            SOCKETS.dec()

    def _read(self, connection: Connection, said: str | bytes) -> Message | None:
        """A message as its struct, None where it is none and the client has been told."""
        try:
            if len(said) > self._message_bytes_max:
                raise Problem(413, "message_too_large", f"Send at most {self._message_bytes_max} bytes.")
            self._api.admit(connection.address)
            assert self._decoder is not None
            message: Message = self._decoder.decode(said)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            connection.send(_error(self._malformed(said, error), self._id_of(said)))
        except Problem as problem:
            connection.send(_error(problem, self._id_of(said)))
        else:
            return message
        return None

    def _malformed(self, said: str | bytes, error: Exception) -> Problem:
        if str(error).endswith("`$.type`"):
            known = ", ".join(sorted(str(kind.__struct_config__.tag) for kind in self._answering))
            return Problem(422, "unknown_type", f"type must be one of {known}.")
        return Problem(422, "malformed_message", f"{error}.")

    def _id_of(self, said: str | bytes) -> str:
        try:
            return self._decode_id(said[: self._message_bytes_max]).id[:64]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""

    async def _answer(
        self, connection: Connection, message: Message, link: Link, before: "asyncio.Task[None] | None"
    ) -> None:
        if before is not None:
            await asyncio.wait((before,))
        answering = self._answering[type(message)]
        if not answering.span:
            await self._handle(connection, message, answering.handler)
            return
        attributes = {"network.protocol.name": "websocket", "client.address": connection.address}
        with self._tracer.start_as_current_span(
            answering.span, context_from(message.traceparent), SpanKind.SERVER, attributes, [link]
        ):
            await self._handle(connection, message, answering.handler)

    async def _handle(self, connection: Connection, message: Message, handler: Handler[Any]) -> None:
        """Whatever comes of it, the client is told."""
        try:
            answer = await handler(connection, message)
        except Problem as problem:
            trace.get_current_span().set_attribute("error.code", problem.code)
            answer = _error(problem)
        except Unavailable as error:
            record_error(trace.get_current_span(), error)
            answer = _error(unavailable_problem(error))
        except Exception as error:
            record_error(trace.get_current_span(), error)
            answer = _error(bug_problem(error))
        if answer is not None:
            connection.write(answer_frame(message, answer))


async def _pong(_connection: Connection, _message: Ping) -> Mapping[str, Any]:
    return {"type": "pong"}


def answer_frame(message: Message, answer: Mapping[str, Any]) -> bytes:
    """The answer to a message as a frame: it names the message and the trace that runs here."""
    return text_frame(msgspec.json.encode({**answer, **_identified(message.id)}))


def _identified(message_id: str) -> dict[str, Any]:
    """What every answer says about the message it belongs to."""
    found = {"id": message_id, "trace_id": trace_id()}
    return {name: value for name, value in found.items() if value}


def _error(problem: Problem, message_id: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {
        "type": "error",
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
    }
    if problem.figures:
        error["figures"] = problem.figures
    return error | _identified(message_id) if message_id else error
