# cython: language_level=3, annotation_typing=False
"""The server span of an HTTP or WebSocket request, from its ASGI scope and back into it.

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

import os
from collections.abc import MutableMapping
from functools import cache
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanKind, Status, StatusCode

from shared.tracing.context import traceparent_of
from shared.tracing.current import context_with
from shared.tracing.starting import start_remote_child
from shared.tracing.tracer import Tracer

Scope = MutableMapping[str, Any]

EMPTY = Context()
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"}
SERVER = SpanKind.SERVER


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
        span = start_remote_child(traceparent, tracer.buffer, tracer.scope, name, SERVER, attributes, None)
        return span, context_with(EMPTY, span)
    parent = propagate.extract(scope["headers"], EMPTY, HEADERS)
    started = tracer.start_span(name, parent, SERVER, attributes)
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
        # As Litestar tells its routes.
        if scope.get("path_template"):
            return str(scope["path_template"])
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
