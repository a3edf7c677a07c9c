"""Internal calls, as they are served: who calls, what they say, one span per item, the answers.

They are most of what a service does, so they meet it before FastAPI's routing does: as an ASGI middleware that knows
its paths. ``/docs`` describes them all the same.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog
from opentelemetry.trace import Span
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.auth import ServiceCredentials
from shared.consumer import Consumer
from shared.contracts.operations import A, I, Operation, Refused
from shared.errors import Problem, Unavailable
from shared.tracing import item_spans
from shared.web import bug_problem, problem_body, unavailable_problem

log = structlog.get_logger()

Serve = Callable[[Sequence[I], Sequence[Span]], Awaitable[Sequence[A | Refused]]]
Attributes = Callable[[I], Mapping[str, Any]]

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Far above any batch. What is larger is no call of ours."""

CALLS = Counter("outcry_calls_total", "Items of internal calls by outcome", ["operation", "outcome"])
CALL_SECONDS = Histogram("outcry_call_seconds", "Time to serve one batch", ["operation"])
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCH_ITEMS = Histogram("outcry_batch_items", "Items in a batch", ["operation"], buckets=BATCH_BUCKETS)

_encode = msgspec.json.Encoder().encode


class Endpoint:
    """One operation: its items go to ``handle``, all that come together at once."""

    def __init__(
        self,
        operation: Operation[I, A],
        handle: Serve[I, A],
        attributes: Attributes[I] | None,
        fresh: Consumer | None,
    ) -> None:
        self.operation = operation
        self._handle: Serve[Any, Any] = handle
        self._attributes: Attributes[Any] | None = attributes
        self._fresh = fresh
        self._decode = msgspec.json.Decoder(list[operation.item]).decode  # type: ignore[name-defined]
        self._seconds = CALL_SECONDS.labels(operation.name)
        self._items = BATCH_ITEMS.labels(operation.name)
        self._ok = CALLS.labels(operation.name, "ok")
        self._refused = CALLS.labels(operation.name, "refused")

    async def serve(self, body: bytes) -> bytes:
        """The answers to a list of items. Raises Problem for what is no such list, Unavailable in an outage."""
        try:
            items = self._decode(body)
        except msgspec.DecodeError as error:
            expected = self.operation.item.__name__
            raise Problem(400, "invalid_items", f"Send a JSON list of {expected}: {error}.") from error
        started = time.perf_counter()
        answers = await self._answer(items) if items else []
        self._seconds.observe(time.perf_counter() - started)
        self._items.observe(len(items))
        refused = sum(1 for answer in answers if type(answer) is Refused)
        if refused:
            self._refused.inc(refused)
        self._ok.inc(len(answers) - refused)
        return _encode(answers)

    async def _answer(self, items: Sequence[Any]) -> Sequence[Any]:
        """All at once; where that fails, but for an outage, one by one, so that a bad item fails alone."""
        try:
            return await self._once(items)
        except Unavailable:
            raise
        except Exception:
            if len(items) == 1:
                raise
            log.exception("batch failed, trying its items one by one", operation=self.operation.name)
        answers: list[Any] = []
        for item in items:
            try:
                answers += await self._once([item])
            except Unavailable:
                raise
            except Exception:
                log.exception("item failed", operation=self.operation.name)
                answers.append(Refused(code="internal_error", detail="Something went wrong on our side."))
        return answers

    async def _once(self, items: Sequence[Any]) -> Sequence[Any]:
        if self._fresh is not None:
            await self._fresh.reached(max(item.position for item in items))
        if not self.operation.traced:
            answers: Sequence[Any] = await self._handle(items, ())
            return answers
        described = [self._attributes(item) for item in items] if self._attributes else None
        traceparents = [item.traceparent for item in items]
        with item_spans(self.operation.name, traceparents, attributes=described) as spans:
            answers = await self._handle(items, spans)
            for span, answer in zip(spans, answers, strict=True):
                if type(answer) is Refused:
                    span.set_attribute("refusal.code", answer.code)
        return answers


class InternalCalls:
    """ASGI middleware: answers the paths of ``endpoints`` itself and passes everything else on."""

    def __init__(
        self,
        app: ASGIApp,
        endpoints: Mapping[str, Endpoint],
        credentials: ServiceCredentials,
        leads: Callable[[], bool],
    ) -> None:
        self._app = app
        self._endpoints = endpoints
        self._credentials = credentials
        self._leads = leads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope["path"]) if scope["type"] == "http" else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        try:
            self._admit(scope, endpoint.operation)
            await _send(send, 200, await endpoint.serve(await _body(receive)))
        except Problem as problem:
            await _send_problem(send, problem)
        except Unavailable as error:
            await _send_problem(send, unavailable_problem(error))
        except Exception as error:
            await _send_problem(send, bug_problem(error))

    def _admit(self, scope: Scope, operation: Operation[Any, Any]) -> None:
        """Raises Problem unless one of the operation's callers sent this."""
        if scope["method"] != "POST":
            raise Problem(405, "method_not_allowed", "Operations are called with POST.")
        authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        caller = self._credentials.caller(authorization.decode("latin-1"))
        if caller is None:
            raise Problem(401, "service_credential_required", "Only the exchange's own services are served here.")
        if caller not in operation.callers:
            raise Problem(403, "caller_not_allowed", f"{caller} may not call {operation.name}.")
        if not self._leads():
            raise Problem(503, "not_leader", "Another process of this service leads, or will in a moment.")


async def _body(receive: Receive) -> bytes:
    message: Message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = bytearray(body)
    while message.get("more_body", False):
        message = await receive()
        parts += message.get("body", b"")
        if len(parts) > BODY_BYTES_MAX:
            raise Problem(413, "body_too_large", f"Send at most {BODY_BYTES_MAX} bytes.")
    return bytes(parts)


async def _send(send: Send, status: int, body: bytes, kind: bytes = b"application/json") -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _send_problem(send: Send, problem: Problem) -> None:
    await _send(send, problem.status, _encode(problem_body(problem)), b"application/problem+json")
