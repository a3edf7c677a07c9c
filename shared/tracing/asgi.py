"""Server spans for FastAPI and Starlette: one per request, named by its route, with the HTTP semantic conventions.

The middleware wraps the whole stack of an application, so it sees what every other middleware does, and an exception
before it becomes a 500. https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace

from shared.tracing.context import record_error
from shared.tracing.server_span import METHODS, Scope, finish, response_headers, start_request

logger = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE = "shared.tracing.asgi"
"""The instrumentation scope, and what tells on an ASGI scope that its request is traced."""
EXCLUDED = ("/health", "/ready", "/metrics", "/internal/")


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
    tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)

    def build_traced() -> AsgiApp:
        disabled = isinstance(tracer_provider or trace.get_tracer_provider(), trace.NoOpTracerProvider)
        # What the official instrumentation notes on an application. Two server spans for a request are one too many.
        official = getattr(app, "_is_instrumented_by_opentelemetry", False)
        if official:
            logger.warning("FastAPIInstrumentor traces this application already; instrument_fastapi leaves it to that.")
        return build() if disabled or official else TracingMiddleware(build(), tracer, exclude)

    app.build_middleware_stack = build_traced
    # An application that serves already has its stack: let it build a new one.
    app.middleware_stack = None
    # FastAPI traces requests by itself where a provider is installed, with four spans each: one server span is enough.
    telemetry = getattr(app, "_telemetry", None)
    if isinstance(telemetry, dict):
        telemetry["tracing"] = False


class TracingMiddleware:
    """The ASGI middleware behind `instrument_fastapi`; wraps any other ASGI application as well."""

    def __init__(self, app: AsgiApp, tracer: trace.Tracer | None = None, exclude: Sequence[str] = EXCLUDED) -> None:
        self.app = app
        self.tracer = tracer or trace.get_tracer(SCOPE)
        self.excluded = frozenset(exclude)
        self.excluded_below = tuple(path if path.endswith("/") else path + "/" for path in exclude)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        # An application that is mounted in another one shares its requests, and their span.
        if scope["type"] == "lifespan" or SCOPE in scope:
            await self.app(scope, receive, send)
            return
        scope[SCOPE] = True
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
        span, context = start_request(self.tracer, scope, method)
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
        span, context = start_request(self.tracer, scope, "WS")
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
