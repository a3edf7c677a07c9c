"""Requests answered straight from the socket, and those that are not: a client cannot tell one from the other."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from fastapi import FastAPI

from shared.server import Answer, Request, Route, direct_table, http_protocol
from tests.services import recorded_spans

BODY_MAX = 100
PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"


async def echo(request: Request) -> Answer:
    """Says back what came in."""
    if request.too_large:
        return Answer(b"too large", 413)
    said = [request.path_params.get("name", ""), request.query_params.get("q", ""), request.body.decode()]
    return Answer("|".join(said).encode(), 200, [(b"x-own", b"1")], b"text/plain")


async def stream(_request: Request) -> Answer:
    """Says it in parts."""

    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one", b"", b"two"):
            yield part

    return Answer(b"", content_type=b"text/plain", stream=parts())


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port of an app with direct routes and one of FastAPI's own."""
    app = FastAPI()
    table = direct_table(app)
    table.add(Route("POST", "/echo", echo, traced=False, body_bytes_max=BODY_MAX))
    table.add(Route("GET", "/echo/{name}", echo, traced=True, body_bytes_max=BODY_MAX))
    table.add(Route("GET", "/stream", stream, traced=False, body_bytes_max=BODY_MAX))

    @app.get("/general")
    async def general() -> str:
        return "general"

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, http=http_protocol(app), log_level="critical", lifespan="off"))
        serving = asyncio.create_task(server.serve([listener]))
        async with asyncio.timeout(10):
            while not server.started:
                await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def said(port: int, *requests: bytes) -> bytes:
    """Everything that the server answers to these bytes on one connection, until it closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(0.02)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    return answer


def post(body: bytes, *more: str, close: bool = True) -> bytes:
    """A POST to /echo as bytes."""
    lines = ["POST /echo HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *more]
    lines += ["Connection: close"] if close else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


CHUNKED = (
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    "requests",
    [
        (post(b"hi"),),
        (post(b"hi")[:30], post(b"hi")[30:-1], post(b"hi")[-1:]),
        (CHUNKED,),
        (post(b"hi", "Expect: 100-continue"),),
        (b"POST /ec%68o HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",),
        (b"POST /echo HTTP/1.0\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi",),
    ],
    ids=["whole", "in pieces", "chunked", "expecting 100", "escaped", "HTTP/1.0"],
)
async def test_whichever_way_a_request_comes_its_answer_is_the_same(requests: tuple[bytes, ...]) -> None:
    """Straight from the socket or through ASGI, the same function answers with the same headers."""
    async with served() as port:
        answer = await said(port, *requests)
    answer = answer.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"content-type: text/plain" in head
    assert b"x-own: 1" in head
    assert body == b"||hi"


async def test_pipelined_requests_are_answered_in_order() -> None:
    """Requests sent before the answer to the one before them wait for their turn, whichever way each goes."""
    general = b"GET /general HTTP/1.1\r\nHost: x\r\n\r\n"
    requests = post(b"1", close=False) + general + post(b"2", close=False) + post(b"3")
    async with served() as port:
        answer = await said(port, requests)
    places = [answer.index(body) for body in (b"||1", b'"general"', b"||2", b"||3")]
    assert places == sorted(places)
    assert answer.count(b"HTTP/1.1 200 OK") == 4


async def test_a_kept_connection_takes_one_request_after_another() -> None:
    """A connection is used again, and closed when the client wants it."""
    async with served() as port:
        answer = await said(port, post(b"1", close=False), post(b"2", close=False), post(b"3"))
    assert answer.count(b"HTTP/1.1 200 OK") == 3


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_not_kept(chunked: bool) -> None:
    """What is longer than the route allows is told to its endpoint without its body, however it was sent."""
    size = BODY_MAX + 1
    request = post(b"x" * size)
    if chunked:
        request = CHUNKED.replace(b"2\r\nhi", b"%x\r\n%b" % (size, b"x" * size))
    async with served() as port:
        answer = await said(port, request)
    assert answer.startswith(b"HTTP/1.1 413")


async def test_a_stream_goes_out_in_chunks() -> None:
    """A body that is made in parts has no length, and ends as RFC 9112 has it."""
    async with served() as port:
        answer = await said(port, b"GET /stream HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"


async def test_other_methods_and_paths_are_the_frameworks() -> None:
    """What the table does not know is answered by FastAPI."""
    async with served() as port:
        found = await said(port, b"GET /general HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        missing = await said(port, b"GET /echo/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert found.endswith(b'"general"')
    assert missing.startswith(b"HTTP/1.1 404")


async def test_a_direct_route_makes_the_span_that_asgi_would() -> None:
    """The server span continues the caller's trace, is named by the template, and the answer tells the trace."""
    with recorded_spans() as spans:
        async with served() as port:
            request = f"GET /echo/me?q=1 HTTP/1.1\r\nHost: x\r\ntraceparent: {PARENT}\r\nConnection: close\r\n\r\n"
            answer = await said(port, request.encode())
        (span,) = spans.of_trace(PARENT)
    assert answer.endswith(b"me|1|")
    assert f"x-trace-id: {'ab' * 16}".encode() in answer
    assert span.name == "GET /echo/{name}"
    wanted = {"http.route": "/echo/{name}", "url.path": "/echo/me", "http.response.status_code": 200}
    assert wanted.items() <= dict(span.attributes or {}).items()


async def test_a_client_that_leaves_early_does_no_harm() -> None:
    """A connection that is gone before its answer leaves the server well."""
    async with served() as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"hi", close=False))
        writer.close()
        assert (await said(port, post(b"still"))).endswith(b"||still")
