"""A lean HTTP/1.1 client: one keep-alive connection, one request at a time, requests that are ready-made bytes.

The generator shares the machine with the exchange, so every microsecond it takes is one the exchange does not get.
It reads of an answer only what it needs: the status, the length, and on demand the trace id.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Self, cast
from urllib.parse import urlsplit


class Reply:
    """An answer: its status, its head as it came, its body."""

    __slots__ = ("body", "head", "status")

    def __init__(self, status: int, head: bytes, body: bytes) -> None:
        self.status = status
        self.head = head
        self.body = body

    @property
    def trace_id(self) -> str:
        """The trace that tells where the time went; empty when the exchange is not traced."""
        at = self.head.lower().find(b"\r\nx-trace-id:")
        return self.head[at + 13 :].split(b"\r\n", 1)[0].strip().decode() if at >= 0 else ""


class Connection(asyncio.Protocol):
    """One connection. It opens by itself and opens again after the server closed it."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Reply] | None = None
        self._received = b""

    async def open(self) -> None:
        """Connects. Raises OSError."""
        await asyncio.get_running_loop().create_connection(lambda: self, self._host, self._port)

    async def request(self, message: bytes) -> Reply:
        """Sends ready-made bytes and gives back the answer. Raises OSError when the connection breaks."""
        if self._transport is None:
            await self.open()
        assert self._transport is not None
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(message)
        return await self._waiter

    def close(self) -> None:
        """Closes the connection; a request that is under way fails."""
        if self._transport is not None:
            self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data if self._received else data
        head_end = received.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = received[:head_end]
        at = head.find(b"content-length: ")
        if at < 0:
            self._fail(ConnectionError("an answer without a Content-Length in lower case"))
            return
        end = head_end + 4 + int(head[at + 16 : at + 26].split(b"\r", 1)[0])
        if len(received) < end:
            return
        self._received = b""
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(Reply(int(head[9:12]), head, received[head_end + 4 : end]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._received = b""
        self._fail(ConnectionError(f"the connection broke: {exc or 'closed by the server'}"))

    def _fail(self, error: ConnectionError) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)


class Address:
    """Where the gateway is, and how requests to it are written down."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"{url} is not an http:// address")
        self.url = url.rstrip("/")
        self.host = parts.hostname
        self.port = parts.port or 80

    def connection(self) -> Connection:
        """A new connection, opened by its first request."""
        return Connection(self.host, self.port)

    def head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        """A request's head up to, and without, the length of its body: made once, used for thousands."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n"


def with_body(head: bytes, body: bytes) -> bytes:
    """A whole request out of a head and a JSON body."""
    return b"%bContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body)
