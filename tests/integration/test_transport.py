"""The transport between services, against a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.transport import NotSent, Transport
from tests.http_peer import http_peer


@asynccontextmanager
async def server(*answers: bytes, hang: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answers the n-th request of all connections with the n-th answer, as it is, byte for byte."""
    requests: list[bytes] = []
    left = list(answers)

    async def reply(head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(head + body)
        if hang:
            await asyncio.sleep(60)
        answer = left.pop(0)
        for piece in (answer[:20], answer[20:]):
            writer.write(piece)
            await writer.drain()
        if not answer:
            writer.close()

    async with http_peer(reply) as url:
        yield url, requests


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"
CHUNKED = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
LAST = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n[]"


async def test_one_connection_carries_many_requests() -> None:
    """Requests after one another use one connection, and each gets its own answer."""
    async with server(OK, CHUNKED, OK) as (url, requests):
        transport = Transport(url, {"Authorization": "Service secret"})
        answers = [await transport.request("POST", "/internal/x", body) for body in (b"[1]", b"[2]", b"[3]")]
        transport.close()
    assert answers == [(200, b"[]"), (201, b"abcde"), (200, b"[]")]
    assert [request[-3:] for request in requests] == [b"[1]", b"[2]", b"[3]"]
    assert b"Authorization: Service secret\r\n" in requests[0]


async def test_a_connection_that_the_server_ends_is_not_used_again() -> None:
    """After Connection: close the next request opens a new one."""
    async with server(LAST, OK) as (url, _):
        transport = Transport(url, {})
        assert await transport.request("POST", "/", b"[]") == (200, b"[]")
        assert await transport.request("POST", "/", b"[]") == (200, b"[]")
        transport.close()


async def test_a_connection_lost_in_the_middle_is_an_error() -> None:
    """A server that dies before it has answered gives a ConnectionError, not a hang."""
    async with server(b"") as (url, _):
        with pytest.raises(ConnectionError):
            await Transport(url, {}).request("POST", "/", b"[]")


async def test_silence_is_a_timeout() -> None:
    """A server that does not answer gives a TimeoutError after the time that was set."""
    async with server(OK, hang=True) as (url, _):
        with pytest.raises(TimeoutError):
            await Transport(url, {}).request("POST", "/", b"[]", timeout_s=0.1)


async def test_nobody_there_means_not_sent() -> None:
    """Where nobody listens, the caller can be certain that nothing was sent."""
    async with server() as (url, _):
        pass
    with pytest.raises(NotSent):
        await Transport(url, {}).request("POST", "/", b"[]")


async def test_what_is_not_http_is_an_error() -> None:
    """Another protocol's answer is a ConnectionError."""
    async with server(b"SSH-2.0-OpenSSH_9.9 something else entirely\r\n") as (url, _):
        with pytest.raises(ConnectionError, match="not HTTP"):
            await Transport(url, {}).request("POST", "/", b"[]")


NOT_LEADER = b'{"status":503,"code":"not_leader"}'
WAITS = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\n\r\n%b" % (len(NOT_LEADER), NOT_LEADER)


async def test_of_several_addresses_the_one_that_leads_is_found_and_kept() -> None:
    """Who does not lead passes a request on unseen, and the next request goes straight to who took it."""
    async with server(WAITS) as (first, asked), server(OK, OK) as (second, served):
        transport = Transport(f"{first},{second}", {})
        assert [await transport.request("POST", "/", b"[]") for _ in range(2)] == [(200, b"[]")] * 2
        transport.close()
    assert (len(asked), len(served)) == (1, 2)


async def test_an_address_where_nobody_listens_is_passed_over() -> None:
    """A process that is gone costs one refused connection."""
    async with server() as (gone, _):
        pass
    async with server(OK) as (there, _):
        transport = Transport(f"{gone},{there}", {})
        assert await transport.request("POST", "/", b"[]") == (200, b"[]")
        transport.close()


async def test_where_nobody_leads_nothing_was_sent() -> None:
    """Between two leaders a caller learns for certain that its request had no effect."""
    async with server(WAITS) as (first, _), server(WAITS) as (second, _):
        transport = Transport(f"{first},{second}", {})
        with pytest.raises(NotSent, match="nobody leads"):
            await transport.request("POST", "/", b"[]")
        transport.close()


async def test_after_silence_the_next_request_goes_elsewhere() -> None:
    """A request whose fate is unknown is not sent twice; the next one asks the other address first."""
    async with server(OK, hang=True) as (first, asked), server(OK) as (second, served):
        transport = Transport(f"{first},{second}", {})
        with pytest.raises(TimeoutError):
            await transport.request("POST", "/", b"[1]", timeout_s=0.1)
        assert await transport.request("POST", "/", b"[2]") == (200, b"[]")
        transport.close()
    assert [request[-3:] for request in asked + served] == [b"[1]", b"[2]"]
