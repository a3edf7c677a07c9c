"""Server spans for FastAPI and Starlette: one per request, named by its route, with the HTTP semantic conventions.

The middleware wraps the whole stack of an application, so it sees what every other middleware does, and an exception
before it becomes a 500. https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode

from shared.tracing.context import record_error, traceparent_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

EXCLUDED = ("/health", "/ready", "/metrics", "/internal/")
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}


def instrument_fastapi(app: Any, exclude: Sequence[str] = EXCLUDED) -> None:
    """Trace every request and WebSocket of a FastAPI or Starlette application, except under the `exclude` paths.

    An entry of `exclude` that ends in "/" covers everything below it, another one that path and what is below it.
    Instrumenting an application twice changes nothing. Responses carry `traceresponse` (W3C) and `X-Trace-Id`.
    """
    if getattr(app, "_traced", False):
        return
    app._traced = True
    build = app.build_middleware_stack
    tracer = trace.get_tracer("shared.tracing.asgi")

    def build_traced() -> AsgiApp:
        return TracingMiddleware(build(), tracer, exclude)

    app.build_middleware_stack = build_traced
    # An application that serves already has its stack: let it build a new one.
    app.middleware_stack = None


class TracingMiddleware:
    """The ASGI middleware behind `instrument_fastapi`; wraps any other ASGI application as well."""

    def __init__(self, app: AsgiApp, tracer: trace.Tracer, exclude: Sequence[str] = EXCLUDED) -> None:
        self.app = app
        self.tracer = tracer
        self.excluded = frozenset(exclude)
        self.excluded_below = tuple(path if path.endswith("/") else path + "/" for path in exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        path = scope.get("path", "")
        if scope["type"] == "lifespan" or path in self.excluded or path.startswith(self.excluded_below):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        else:
            await self._serve_websocket(scope, receive, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        span = self._start(scope, scope["method"] if scope["method"] in METHODS else "HTTP")
        status = 0

        async def traced_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *response_headers(span)]
            await send(message)

        token = context_api.attach(trace.set_span_in_context(span))
        try:
            await self.app(scope, receive, traced_send)
        except BaseException as error:
            record_error(span, error)
            raise
        finally:
            context_api.detach(token)
            if span.is_recording():
                self._name(span, scope, scope["method"] if scope["method"] in METHODS else "HTTP")
                describe_status(span, status)
            span.end()

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The span covers the handshake: a connection may last for days, and what it carries has spans of its own."""
        span = self._start(scope, "WS")
        open_handshake = True

        def finish(status: int) -> None:
            nonlocal open_handshake
            if open_handshake:
                open_handshake = False
                self._name(span, scope, "WS")
                describe_status(span, status)
                span.end()

        async def traced_send(message: Message) -> None:
            if open_handshake and message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *response_headers(span)]
            await send(message)
            if message["type"] == "websocket.accept":
                finish(101)
            elif message["type"] == "websocket.http.response.start":
                finish(message["status"])
            elif message["type"] == "websocket.close":
                finish(403)

        token = context_api.attach(trace.set_span_in_context(span))
        try:
            await self.app(scope, receive, traced_send)
        except BaseException as error:
            record_error(span, error)
            raise
        finally:
            context_api.detach(token)
            finish(0)

    def _start(self, scope: Scope, name: str) -> trace.Span:
        parent = propagate.extract(scope["headers"], getter=HEADERS)
        return self.tracer.start_span(name, parent, SpanKind.SERVER, request_attributes(scope))

    @staticmethod
    def _name(span: trace.Span, scope: Scope, method: str) -> None:
        route = route_of(scope)
        if route:
            span.update_name(f"{method} {route}")
            span.set_attribute("http.route", route)


class _Headers(Getter[Any]):
    """Reads ASGI header lists."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: Any) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


HEADERS = _Headers()


def request_attributes(scope: Scope) -> dict[str, str | int]:
    """What is known of a request before it is served. The query string stays out: it may hold secrets."""
    method = scope.get("method", "GET")
    attributes: dict[str, str | int] = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "url.path": scope.get("path", ""),
        "url.scheme": scope.get("scheme", "http"),
        "network.protocol.version": scope.get("http_version", "1.1"),
    }
    if method not in METHODS:
        attributes["http.request.method_original"] = method
    if scope["type"] == "websocket":
        attributes["network.protocol.name"] = "websocket"
    client, server = scope.get("client"), scope.get("server")
    if client:
        attributes["client.address"] = client[0]
    if server:
        attributes["server.address"] = server[0]
        if server[1]:
            attributes["server.port"] = server[1]
    for name, value in scope["headers"]:
        if name == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
    return attributes


def route_of(scope: Scope) -> str:
    """The path template that matched, e.g. `/v1/order/{order_id}`; "" if none did."""
    route = scope.get("route")
    return getattr(route, "path", "") if route is not None else ""


def response_headers(span: trace.Span) -> list[tuple[bytes, bytes]]:
    """The headers that tell a client which trace its request made; none without a valid span."""
    traceparent = traceparent_of(span).encode("latin-1")
    return [(b"traceresponse", traceparent), (b"x-trace-id", traceparent[3:35])] if traceparent else []


def describe_status(span: trace.Span, status: int) -> None:
    """The response's status code; only 5xx are errors of the server (semantic conventions, HTTP server spans)."""
    if not status:
        return
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        attributes = getattr(span, "attributes", None) or {}
        if "error.type" not in attributes:
            span.set_attribute("error.type", str(status))
        span.set_status(Status(StatusCode.ERROR))
