"""Internal calls, as they are served: who calls, what they say, one span per item, the answers.

They are most of what a service does, so they are answered straight from the socket (``server``). ``/docs`` describes
them all the same.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog
from opentelemetry.trace import Span
from prometheus_client import Counter

from shared.auth import ServiceCredentials
from shared.consumer import Consumer
from shared.contracts.operations import A, I, Operation, Refused
from shared.errors import Problem, Unavailable
from shared.metrics import Histogram
from shared.server import Answer, Request, Route
from shared.tracing import ItemAttributes, item_spans
from shared.web import bug_problem, problem_body, unavailable_problem

log = structlog.get_logger()

Serve = Callable[[Sequence[I], Sequence[Span]], Awaitable[Sequence[A | Refused]]]

BODY_BYTES_MAX = 16 * 1024 * 1024
"""Far above any batch. What is larger is no call of ours."""

CALLS = Counter("outcry_calls_total", "Items of internal calls by outcome", ["operation", "outcome"])
"""``ok``, ``refused`` (a no by the rules) or ``failed`` (an outage or a bug)."""

CALL_SECONDS = Histogram("outcry_call_seconds", "Time to serve one batch", ["operation"])
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
BATCH_ITEMS = Histogram("outcry_batch_items", "Items in a batch", ["operation"], BATCH_BUCKETS)

_encode = msgspec.json.Encoder().encode


class Endpoint:
    """One operation: its items go to ``handle``, all that come together at once."""

    def __init__(
        self,
        operation: Operation[I, A],
        handle: Serve[I, A],
        attributes: ItemAttributes | None,
        fresh: Consumer | None,
    ) -> None:
        self.operation = operation
        self._handle: Serve[Any, Any] = handle
        self._attributes = attributes
        self._fresh = fresh
        self._decode = msgspec.json.Decoder(list[operation.item]).decode  # type: ignore[name-defined]
        self._seconds = CALL_SECONDS.labels(operation.name)
        self._items = BATCH_ITEMS.labels(operation.name)
        self._ok = CALLS.labels(operation.name, "ok")
        self._refused = CALLS.labels(operation.name, "refused")
        self._failed = CALLS.labels(operation.name, "failed")

    async def serve(self, body: bytes) -> bytes:
        """The answers to a list of items. Raises Problem for what is no such list, Unavailable in an outage."""
        try:
            items = self._decode(body)
        except msgspec.DecodeError as error:
            expected = self.operation.item.__name__
            raise Problem(400, "invalid_items", f"Send a JSON list of {expected}: {error}.") from error
        started = time.perf_counter()
        try:
            answers = await self._answer(items) if items else []
        except Exception:
            self._failed.inc(len(items))
            raise
        self._seconds.observe(time.perf_counter() - started, self._trace_of(items))
        self._items.observe(len(items))
        refused = sum(1 for answer in answers if type(answer) is Refused)
        if refused:
            self._refused.inc(refused)
        self._ok.inc(len(answers) - refused)
        return _encode(answers)

    def _trace_of(self, items: Sequence[Any]) -> str:
        """The trace that stands for a batch: that of its first item."""
        return items[0].traceparent if items and self.operation.traced else ""

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
        traceparents = [item.traceparent for item in items]
        with item_spans(self.operation.name, traceparents, attributes=self._attributes, items=items) as spans:
            answers = await self._handle(items, spans)
            for span, answer in zip(spans, answers, strict=True):
                if type(answer) is Refused:
                    span.set_attribute("refusal.code", answer.code)
        return answers


class InternalCall:
    """An operation as its peers call it over HTTP: who asks is checked, then the items are served."""

    def __init__(self, endpoint: Endpoint, credentials: ServiceCredentials, leads: Callable[[], bool]) -> None:
        self._endpoint = endpoint
        self._credentials = credentials
        self._leads = leads

    async def __call__(self, request: Request) -> Answer:
        try:
            self._admit(request)
            return Answer(await self._endpoint.serve(request.body))
        except Problem as problem:
            return _problem_answer(problem)
        except Unavailable as error:
            return _problem_answer(unavailable_problem(error))
        except Exception as error:
            return _problem_answer(bug_problem(error))

    def _admit(self, request: Request) -> None:
        """Raises Problem unless one of the operation's callers sent this."""
        operation = self._endpoint.operation
        caller = self._credentials.caller(request.headers.get("authorization", ""))
        if caller is None:
            raise Problem(401, "service_credential_required", "Only the exchange's own services are served here.")
        if caller not in operation.callers:
            raise Problem(403, "caller_not_allowed", f"{caller} may not call {operation.name}.")
        if request.too_large:
            raise Problem(413, "body_too_large", f"Send at most {BODY_BYTES_MAX} bytes.")
        if not self._leads():
            raise Problem(503, "not_leader", "Another process of this service leads, or will in a moment.")


def _problem_answer(problem: Problem) -> Answer:
    return Answer(_encode(problem_body(problem)), problem.status, content_type=b"application/problem+json")


def internal_route(endpoint: Endpoint, credentials: ServiceCredentials, leads: Callable[[], bool]) -> Route:
    """The route of an operation. ``leads``: whether this process serves, or waits to take over."""
    call = InternalCall(endpoint, credentials, leads)
    return Route("POST", endpoint.operation.path, call, traced=False, body_bytes_max=BODY_BYTES_MAX)
