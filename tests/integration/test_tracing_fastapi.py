"""Server spans of real FastAPI and Starlette applications, served by uvicorn."""

import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
import uvicorn
from fastapi import APIRouter, FastAPI, HTTPException, WebSocket
from opentelemetry import baggage, trace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.trace import SpanKind
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from shared.tracing import TracingMiddleware, current_traceparent, instrument_fastapi
from shared.tracing.provider import TracerProvider
from tests.tracing_kit import attributes_of, ended_messages, make_provider

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of the application, which runs in a uvicorn of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # Connections made before the server runs wait here.
        listener.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="on"))
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        async with aiohttp.ClientSession(address) as client:
            yield client
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """A fresh provider, global for the test."""
    made = make_provider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    return made


def traced_app() -> FastAPI:
    """An application with each kind of route."""
    app = FastAPI()
    instrument_fastapi(app)
    prefixed, mounted = APIRouter(prefix="/v1/{tenant}"), FastAPI()

    @app.get("/health")
    @app.get("/internal/orders")
    async def quiet() -> dict[str, str]:
        return {"traceparent": current_traceparent()}

    @app.post("/order/{order_id}")
    async def order(order_id: str) -> dict[str, str]:
        return {"traceparent": current_traceparent(), "baggage": str(baggage.get_baggage("who"))}

    @app.get("/fails")
    async def fails() -> None:
        raise RuntimeError("it broke")

    @app.get("/unavailable")
    async def unavailable() -> None:
        raise HTTPException(503)

    @prefixed.get("/things/{thing_id}")
    @mounted.get("/inner/{thing_id}")
    async def thing(thing_id: int) -> int:
        return thing_id

    @app.websocket("/ws/{channel}")
    async def ws(socket: WebSocket, channel: str) -> None:
        if channel == "closed":
            await socket.close()
            return
        await socket.accept()
        await socket.send_text(current_traceparent())
        await socket.close()

    app.include_router(prefixed)
    app.mount("/mounted", mounted)
    return app


async def test_a_request_is_one_server_span(provider: TracerProvider) -> None:
    """A request makes exactly one span, under the caller's, named by its route, with the HTTP attributes."""
    async with served(traced_app()) as client:
        headers = {"traceparent": REMOTE, "User-Agent": "test/1"}
        async with client.post("/order/secret-7?token=hidden", headers=headers) as response:
            body = await response.json()
            port = client._base_url.port if client._base_url else 0
    (span,) = ended_messages(provider)
    assert (span.name, span.kind) == ("POST /order/{order_id}", SpanKind.SERVER.value + 1)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (REMOTE[3:35], REMOTE[36:52])
    assert body["traceparent"] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"
    assert attributes_of(span) == {
        "http.request.method": "POST",
        "url.path": "/order/secret-7",
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "client.address": "127.0.0.1",
        "server.address": "127.0.0.1",
        "server.port": port,
        "user_agent.original": "test/1",
        "http.route": "/order/{order_id}",
        "http.response.status_code": 200,
    }
    assert response.headers["traceresponse"] == body["traceparent"]
    assert response.headers["X-Trace-Id"] == REMOTE[3:35]


async def test_baggage_reaches_the_endpoint(provider: TracerProvider) -> None:
    """What other propagators carry arrives as well."""
    headers = {"traceparent": REMOTE, "baggage": "who=me"}
    async with served(traced_app()) as client, client.post("/order/1", headers=headers) as response:
        assert (await response.json())["baggage"] == "me"
    assert ended_messages(provider)[0].trace_id.hex() == REMOTE[3:35]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/acme/things/7", "GET /v1/{tenant}/things/{thing_id}"),
        ("/mounted/inner/7", "GET /mounted/inner/{thing_id}"),
        ("/no/such/page", "GET"),
        ("/order/7", "GET /order/{order_id}"),
    ],
)
async def test_names_hold_templates_never_values(provider: TracerProvider, path: str, name: str) -> None:
    """Routers with prefixes, mounted applications, unknown pages and wrong methods all get names of few values."""
    async with served(traced_app()) as client, client.get(path):
        pass
    assert [span.name for span in ended_messages(provider)] == [name]


async def test_an_unhandled_exception_is_on_the_span(provider: TracerProvider) -> None:
    """A crash gives the client its 500 with the trace id, and the span the exception and its type."""
    async with served(traced_app()) as client, client.get("/fails") as response:
        assert response.status == 500
        assert len(response.headers["X-Trace-Id"]) == 32
    (span,) = ended_messages(provider)
    assert attributes_of(span)["error.type"] == "RuntimeError"
    assert attributes_of(span)["http.response.status_code"] == 500
    assert [attributes_of(event)["exception.message"] for event in span.events] == ["it broke"]
    assert (span.status.code, span.status.message) == (2, "it broke")


async def test_5xx_is_an_error_and_4xx_is_not(provider: TracerProvider) -> None:
    """A 503 the application chose is an error of the server; a 404 is the client's affair."""
    async with served(traced_app()) as client, client.get("/unavailable"), client.get("/nowhere"):
        pass
    unavailable, nowhere = sorted(ended_messages(provider), key=lambda span: span.name, reverse=True)
    assert (unavailable.status.code, attributes_of(unavailable)["error.type"]) == (2, "503")
    assert (nowhere.status.code, "error.type" in attributes_of(nowhere)) == (0, False)


async def test_excluded_paths_leave_no_span(provider: TracerProvider) -> None:
    """Health checks and internal batch endpoints are served without a span and without headers."""
    async with served(traced_app()) as client:
        for path in ("/health", "/internal/orders"):
            async with client.get(path) as response:
                assert (await response.json())["traceparent"] == ""
                assert "X-Trace-Id" not in response.headers
    assert ended_messages(provider) == []


async def test_a_websocket_is_one_span_at_connect(provider: TracerProvider) -> None:
    """The span of a connection ends with the handshake, and what follows still belongs to its trace."""
    async with served(traced_app()) as client, client.ws_connect("/ws/news") as ws:
        (span,) = ended_messages(provider)
        message = await ws.receive_str()
    assert span.name == "WS /ws/{channel}"
    assert attributes_of(span)["http.response.status_code"] == 101
    assert message[3:35] == span.trace_id.hex()
    assert len(ended_messages(provider)) == 1


async def test_a_refused_websocket_is_a_403(provider: TracerProvider) -> None:
    """Closing before accepting is what the client sees as 403."""
    async with served(traced_app()) as client:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect("/ws/closed")
    (span,) = ended_messages(provider)
    assert attributes_of(span)["http.response.status_code"] == 403


async def test_middleware_added_later_runs_inside_the_span(provider: TracerProvider) -> None:
    """However late a middleware is added, it finds the server span current."""
    app = traced_app()
    seen: list[str] = []

    async def note(request: Request, call_next: Any) -> Any:
        seen.append(current_traceparent())
        return await call_next(request)

    app.add_middleware(BaseHTTPMiddleware, dispatch=note)
    async with served(app) as client, client.get("/v1/a/things/1"):
        pass
    (span,) = ended_messages(provider)
    assert [header[36:52] for header in seen] == [span.span_id.hex()]


async def test_instrumenting_twice_changes_nothing(provider: TracerProvider) -> None:
    """A second call leaves one span per request."""
    app = traced_app()
    instrument_fastapi(app)
    async with served(app) as client, client.get("/v1/a/things/1"):
        pass
    assert len(ended_messages(provider)) == 1


async def test_plain_starlette_applications_are_traced(provider: TracerProvider) -> None:
    """Starlette routes and mounts are named by their templates too, and the exclusions can be chosen."""

    async def page(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")

    async def number(request: Request) -> JSONResponse:
        return JSONResponse(request.path_params["number"])

    routes = [
        Route("/page", page),
        Route("/health", page),
        Mount("/sub", routes=[Route("/{number:int}", number)]),
    ]
    app = Starlette(routes=routes)
    instrument_fastapi(app, exclude=("/page",))
    async with served(app) as client:
        for path in ("/page", "/health", "/sub/007"):
            async with client.get(path) as response:
                assert response.status == 200
    assert [span.name for span in ended_messages(provider)] == ["GET /health", "GET /sub/{number}"]


async def test_a_mounted_application_shares_the_span_of_its_request(provider: TracerProvider) -> None:
    """Where an application and one that is mounted in it are both instrumented, a request is one span in one trace."""
    outer, inner = FastAPI(), FastAPI()
    for app in (outer, inner):
        instrument_fastapi(app)

    @inner.get("/items/{item}")
    async def item(item: str) -> str:
        return item

    outer.mount("/v1", inner)
    async with served(outer) as client, client.get("/v1/items/tea") as response:
        assert response.status == 200
    assert [span.name for span in ended_messages(provider)] == ["GET /v1/items/{item}"]


async def test_the_official_instrumentation_is_left_alone(
    provider: TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that FastAPIInstrumentor traces gets no second server span, and the log says why."""
    app = FastAPI()

    @app.get("/items")
    async def items() -> list[str]:
        return []

    FastAPIInstrumentor.instrument_app(app, exclude_spans=["receive", "send"])
    instrument_fastapi(app)
    async with served(app) as client, client.get("/items") as response:
        assert response.status == 200
    assert [span.name for span in ended_messages(provider)] == ["GET /items"]
    assert "FastAPIInstrumentor traces this application already" in caplog.text


async def test_any_asgi_application_can_be_wrapped(provider: TracerProvider) -> None:
    """The middleware needs nothing but the application; a route that its router tells, as Litestar does, is used."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        if scope["path"].startswith("/items/"):
            scope["path_template"] = "/items/{item}"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": current_traceparent().encode()})

    async with served(TracingMiddleware(app)) as client:
        for path in ("/items/tea", "/other"):
            async with client.get(path) as response:
                assert (await response.text()) == response.headers["traceresponse"]
    assert [span.name for span in ended_messages(provider)] == ["GET /items/{item}", "GET"]
