"""Server spans for FastAPI and Starlette: one per request, named by its route, with the HTTP semantic conventions.

The middleware wraps the whole stack of an application, so it sees what every other middleware does, and an exception
before it becomes a 500. https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from functools import cache
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode

from shared.tracing.context import record_error, traceparent_of
from shared.tracing.recorder import Tracer, context_with, start_remote_child

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

EXCLUDED = ("/health", "/ready", "/metrics", "/internal/")
EMPTY = Context()
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}


def instrument_fastapi(
    app: Any, exclude: Sequence[str] = EXCLUDED, tracer_provider: trace.TracerProvider | None = None
) -> None:
    """Trace every request and WebSocket of a FastAPI or Starlette application, except under the `exclude` paths.

    An entry of `exclude` that ends in "/" covers everything below it, another one that path and what is below it.
    Without `tracer_provider` the global one is used. Instrumenting an application twice changes nothing.
    Responses carry `traceresponse` (W3C) and `X-Trace-Id`.
    """
    if getattr(app, "_traced", False):
        return
    app._traced = True
    build = app.build_middleware_stack
    tracer = trace.get_tracer("shared.tracing.asgi", tracer_provider=tracer_provider)

    def build_traced() -> AsgiApp:
        disabled = isinstance(tracer_provider or trace.get_tracer_provider(), trace.NoOpTracerProvider)
        return build() if disabled else TracingMiddleware(build(), tracer, exclude)

    app.build_middleware_stack = build_traced
    # An application that serves already has its stack: let it build a new one.
    app.middleware_stack = None
    # FastAPI traces requests by itself where a provider is installed, with four spans each: one server span is enough.
    telemetry = getattr(app, "_telemetry", None)
    if isinstance(telemetry, dict):
        telemetry["tracing"] = False


class TracingMiddleware:
    """The ASGI middleware behind `instrument_fastapi`; wraps any other ASGI application as well."""

    def __init__(self, app: AsgiApp, tracer: trace.Tracer, exclude: Sequence[str] = EXCLUDED) -> None:
        self.app = app
        self.tracer = tracer
        self.excluded = frozenset(exclude)
        self.excluded_below = tuple(path if path.endswith("/") else path + "/" for path in exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        # Tells FastAPI applications mounted below that the request is traced already.
        scope.setdefault("fastapi.telemetry", None)
        path = scope["path"]
        if path in self.excluded or path.startswith(self.excluded_below):
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._serve_http(scope, receive, send)
        else:
            await self._serve_websocket(scope, receive, send)

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = scope["method"] if scope["method"] in METHODS else "HTTP"
        span, context = self._start(scope, method)
        status = 0

        async def traced_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *response_headers(span)]
            await send(message)

        token = context_api.attach(context)
        try:
            await self.app(scope, receive, traced_send)
        except BaseException as error:
            record_error(span, error)
            raise
        finally:
            context_api.detach(token)
            finish(span, scope, method, status)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The span covers the handshake: a connection may last for days, and what it carries has spans of its own."""
        span, context = self._start(scope, "WS")
        accepted = False

        async def traced_send(message: Message) -> None:
            nonlocal accepted
            kind = message["type"]
            if kind in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *response_headers(span)]
            await send(message)
            if accepted:
                return
            if kind == "websocket.accept":
                accepted = True
                finish(span, scope, "WS", 101)
            elif kind == "websocket.http.response.start":
                finish(span, scope, "WS", message["status"])
            elif kind == "websocket.close":
                # A close before the handshake is complete makes the server answer 403 (ASGI specification).
                finish(span, scope, "WS", 403)

        token = context_api.attach(context)
        try:
            await self.app(scope, receive, traced_send)
        except BaseException as error:
            record_error(span, error)
            raise
        finally:
            context_api.detach(token)
            finish(span, scope, "WS", 0)

    def _start(self, scope: Scope, name: str) -> tuple[trace.Span, Context]:
        return start_request(self.tracer, scope, name)


def start_request(tracer: trace.Tracer, scope: Scope, name: str) -> tuple[trace.Span, Context]:
    """The server span of an HTTP or WebSocket scope, and the context that has it as its current one."""
    attributes = request_attributes(scope)
    traceparent, plain = "", plain_propagation()
    for header, value in scope["headers"]:
        if header == b"user-agent":
            attributes["user_agent.original"] = value.decode("latin-1")
        elif header == b"traceparent":
            plain = plain and not traceparent
            traceparent = value.decode("latin-1")
        elif header == b"tracestate" or header == b"baggage":
            plain = False
    if plain and isinstance(tracer, Tracer):
        span = start_remote_child(traceparent, tracer.buffer, tracer.scope, name, SpanKind.SERVER, attributes, None)
        return span, context_with(EMPTY, span)
    parent = propagate.extract(scope["headers"], EMPTY, HEADERS)
    started = tracer.start_span(name, parent, SpanKind.SERVER, attributes)
    return started, trace.set_span_in_context(started, parent)


@cache
def plain_propagation() -> bool:
    """Whether W3C headers, and at most baggage beside them, are all that carries a trace here."""
    names = propagator_names()
    return names <= {"tracecontext", "baggage"} and "tracecontext" in names


def propagator_names() -> set[str]:
    """The propagators that the OpenTelemetry API has loaded, by name."""
    return {name.strip() for name in os.environ.get("OTEL_PROPAGATORS", "tracecontext,baggage").split(",")}


class _Headers(Getter[Any]):
    """Reads ASGI header lists."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        wanted = key.lower().encode("latin-1")
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: Any) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


HEADERS = _Headers()


def request_attributes(scope: Scope) -> dict[str, str | int]:
    """What the request line and the connection tell. The query string stays out: it may hold secrets."""
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
    return attributes


def route_of(scope: Scope) -> str:
    """The path template that matched, e.g. `/v1/order/{order_id}`; "" if none did.

    A route below a prefix or a mount knows only its own end of the template, so there the parameters are put back
    into the path that was asked for.
    """
    path, route = scope["path"], scope.get("route")
    if route is None:
        # Only a mount sets `app_root_path`; what it serves has no routes that could be named.
        return f"{scope.get('root_path', '')}/{{path}}" if "app_root_path" in scope else ""
    regex, template = getattr(route, "path_regex", None), getattr(route, "path_format", None)
    if template is not None and (regex is None or regex.match(path)):
        return str(template)
    segments = path.split("/")
    for name, value in reversed(scope.get("path_params", {}).items()):
        for index in range(len(segments) - 1, 0, -1):
            if holds(segments[index], value):
                segments[index] = f"{{{name}}}"
                break
            if "/".join(segments[index:]) == str(value):
                segments[index:] = [f"{{{name}}}"]
                break
    return "/".join(segments)


def holds(segment: str, value: object) -> bool:
    """Whether a segment of a path is the text of a path parameter; numbers have more than one (`007`, `7.0`)."""
    if segment.lower() == str(value).lower():
        return True
    if not isinstance(value, int | float):
        return False
    try:
        return float(segment) == value
    except ValueError:
        return False


def response_headers(span: trace.Span) -> list[tuple[bytes, bytes]]:
    """The headers that tell a client which trace its request made; none without a valid span."""
    traceparent = traceparent_of(span).encode("latin-1")
    return [(b"traceresponse", traceparent), (b"x-trace-id", traceparent[3:35])] if traceparent else []


def finish(span: trace.Span, scope: Scope, method: str, status: int) -> None:
    """Name the span by its route, note the response's status and end it, unless that was done already.

    Only 5xx are errors of the server (semantic conventions, HTTP server spans); `status` 0 means there was no response.
    """
    if not span.is_recording():
        return
    route = route_of(scope)
    if route:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        # What the application or an exception said about the failure is more exact and stays.
        if "error.type" not in (getattr(span, "attributes", None) or {}):
            span.set_attribute("error.type", str(status))
        if getattr(span, "status", Status()).status_code is not StatusCode.ERROR:
            span.set_status(Status(StatusCode.ERROR))
    span.end()
