"""How the gateway's routes are made: who asks, how often, what they say, one way for all of them.

A handler gets a ``Call`` and the decoded body or query, and gives back a response. Everything that can be wrong before
it runs is answered here, as a problem.
"""

import inspect
import time
from collections import OrderedDict
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from services.client_gateway.limits import RateLimit, Verdict
from services.client_gateway.settings import GatewaySettings
from shared.batching import Clients
from shared.contracts.operations import A, I, Operation, Refused
from shared.contracts.users import VERIFY_TOKEN, Identity, Token
from shared.errors import Problem, Unavailable
from shared.faults import NOISY_USER
from shared.metrics import Histogram
from shared.openapi import add_described
from shared.server import Answer, Request, Route, direct_table
from shared.tracing import current_span, current_traceparent
from shared.web import bug_response, problem_response, unavailable_response

TOLD_MAX = 200_000

REQUEST_SECONDS = Histogram(
    "outcry_http_request_seconds", "Time to answer a client's request", ["method", "route", "status"]
)

REFUSAL_STATUS = {
    "order_not_found": 404,
    "no_events": 404,
    "too_many_exports": 429,
    "order_not_open": 409,
    "order_changed": 409,
    "book_not_empty": 409,
    "symbol_listed": 409,
    "account_blocked": 403,
    "firm_blocked": 403,
    "symbol_restricted": 403,
    "duplicate_order": 409,
    "firm_not_found": 404,
    "firm_name_taken": 409,
    "username_taken": 409,
    "invalid_credentials": 401,
    "invalid_token": 401,
    "token_expired": 401,
    "token_revoked": 401,
    "order_rate_limit": 429,
    "firm_order_rate_limit": 429,
    "internal_error": 500,
    "unknown_user": 404,
    "transaction_not_found": 404,
    "webhook_not_found": 404,
    "email_not_set": 404,
    "delivery_not_found": 404,
    "too_many_webhooks": 409,
    "already_corrected": 409,
    "not_available": 409,
    "own_role": 409,
    "password_reset_required": 403,
    "invalid_reset_code": 401,
}
"""Refusals that are not 422."""


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    """No query, no body."""


@dataclass(slots=True)
class Call:
    """A client's request on its way through the gateway, over HTTP or a socket. ``params`` are those of its path."""

    clients: Clients
    traceparent: str
    identity: Identity
    position: int
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    async def ask(self, operation: Operation[I, A], item: I) -> A:
        """A service's answer. Raises Problem where it refuses, Unavailable where it does not answer."""
        answer = await self.clients.call(operation, item)
        if isinstance(answer, Refused):
            raise refusal(answer)
        return answer


Handler = Callable[[Call, Any], Awaitable[Response]]

Hear = Callable[[str, str, Request, Identity, Response, float], None]
"""Hears of an answered request: method, path template, request, who asked, response, and when it came (monotonic)."""

UNRECORDED = ("/admin/", "/auth/")

NOBODY = Identity(user_id=0, username="", roles=())


def refusal(refused: Refused) -> Problem:
    """A service's no as the problem that the client sees."""
    status = REFUSAL_STATUS.get(refused.code, 422)
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if status == 401 else {}
    if status == 429:
        headers["Retry-After"] = "1"
    return Problem(status, refused.code, refused.detail, figures=refused.figures, headers=headers)


class Told:
    """Per user the last engine event that an answer spoke of. What the user reads next must not be older."""

    def __init__(self) -> None:
        self._positions: OrderedDict[int, int] = OrderedDict()

    def note(self, user_id: int, position: int) -> None:
        self._positions[user_id] = max(position, self._positions.pop(user_id, 0))
        if len(self._positions) > TOLD_MAX:
            self._positions.popitem(last=False)

    def position(self, user_id: int) -> int:
        return self._positions.get(user_id, 0)


class Api:
    """Adds routes to the gateway's app."""

    def __init__(self, app: FastAPI, clients: Clients, settings: GatewaySettings) -> None:
        self._app = app
        self._clients = clients
        self._body_bytes_max = settings.body_bytes_max
        self.told = Told()
        self.listeners: list[Hear] = []
        self._table = direct_table(app)
        self._by_user = RateLimit(settings.user_requests_per_s, settings.user_requests_burst)
        self._by_address = RateLimit(settings.address_requests_per_s, settings.address_requests_burst)

    def route(
        self,
        method: str,
        path: str,
        handler: Handler,
        *,
        body: type[msgspec.Struct] | None = None,
        query: type[msgspec.Struct] = Nothing,
        public: bool = False,
        tag: str,
        answers: tuple[int, ...] = (200,),
    ) -> None:
        """A route. ``body`` or ``query`` is what the handler gets, ``public`` ones need no token.

        ``answers`` are the statuses of success, the usual one first, as they are told in ``/docs``.

        It is answered before FastAPI's routing, which knows it for ``/docs`` and refuses other methods on its path.
        """
        decode = msgspec.json.Decoder(body).decode if body is not None else None
        recorded = not path.startswith(UNRECORDED)

        async def serve(request: Request) -> Answer:
            started = time.monotonic()
            verdict = self._by_address.take(request.address, started)
            identity = NOBODY
            try:
                _pass(verdict)
                if not public:
                    identity = await self.identify(request.headers.get("authorization", ""))
                    verdict = self._by_user.take(identity.user_id, time.monotonic())
                    if not NOISY_USER.on:
                        _pass(verdict)
                said = read_query(request, query) if decode is None else read_body(decode, self._body(request))
                call = self._call(identity)
                call.params, call.headers = request.path_params, request.headers
                response = await handler(call, said)
            except Problem as problem:
                response = problem_response(problem)
            except Unavailable as error:
                response = unavailable_response(error)
            except Exception as error:
                response = bug_response(error)
            seconds = REQUEST_SECONDS.labels(method, path, str(response.status_code))
            seconds.observe(time.monotonic() - started, current_traceparent())
            if self.listeners and recorded:
                for hear in self.listeners:
                    hear(method, path, request, identity, response, started)
            return _answer(response, verdict)

        self._table.add(Route(method, path, serve, traced=True, body_bytes_max=self._body_bytes_max))

        said = inspect.cleandoc(handler.__doc__ or "")
        add_described(self._app, method, path, said, tag=tag, body=body, query=query, public=public, answers=answers)

    async def call(self, token: str, params: Mapping[str, Any]) -> Call:
        """A call that came over a socket. Raises Problem 401, and 429 where the user calls too often."""
        identity = await self.identify(f"Bearer {token}")
        _pass(self._by_user.take(identity.user_id, time.monotonic()))
        call = self._call(identity)
        call.params = params
        return call

    def _call(self, identity: Identity) -> Call:
        return Call(self._clients, current_traceparent(), identity, self.told.position(identity.user_id))

    def admit(self, address: str) -> None:
        """One more message from there. Raises Problem 429 where there are too many."""
        _pass(self._by_address.take(address, time.monotonic()))

    async def identify(self, authorization: str) -> Identity:
        """Who sent this ``Authorization`` header. Raises Problem 401."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Problem(
                401,
                "token_required",
                "Send the header 'Authorization: Bearer TOKEN' with the token that POST /auth/login gives.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        answer = await self._clients.call(VERIFY_TOKEN, Token(token=token, traceparent=current_traceparent()))
        if isinstance(answer, Refused):
            raise refusal(answer)
        current_span().set_attribute("user.id", str(answer.user_id))
        return answer

    def _body(self, request: Request) -> bytes:
        if request.too_large:
            raise Problem(413, "body_too_large", f"Send at most {self._body_bytes_max} bytes.")
        return request.body


def _pass(verdict: Verdict) -> None:
    """Raises Problem 429 where a limit is reached."""
    if verdict.retry_after_s:
        raise Problem(429, "rate_limited", f"Too many requests. Try again in {verdict.retry_after_s} s.")


def _answer(response: Response, verdict: Verdict) -> Answer:
    """A handler's response as it goes out, with what is left of the caller's limit."""
    named = {name: value for name, value in response.raw_headers if name != b"content-length"}
    kind = named.pop(b"content-type", b"application/octet-stream")
    stream = None
    if isinstance(response, StreamingResponse):
        stream = _bytes(response.body_iterator)
    for name, value in verdict.headers().items():
        named.setdefault(name.lower().encode(), value.encode())
    return Answer(bytes(getattr(response, "body", b"")), response.status_code, list(named.items()), kind, stream)


async def _bytes(parts: AsyncIterable[Any]) -> AsyncIterator[bytes]:
    async for part in parts:
        yield part.encode() if isinstance(part, str) else bytes(part)


def read_body(decode: Callable[[bytes], Any], body: bytes) -> Any:
    """A JSON body as its struct. Raises Problem: 400 for what is not JSON, 422 for what is not this struct."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid_field", f"{error}.") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Problem(400, "malformed_json", f"The body must be JSON: {error}.") from error


def read_query(request: Request, kind: type[msgspec.Struct]) -> Any:
    """A query string as its struct. Raises Problem 422 naming the field."""
    try:
        return msgspec.convert(request.query_params, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Problem(422, "invalid_query", f"{error}.") from error
