"""A lean WebSocket client: one connection, many requests in flight, answers found by the id of what was said.

Its frames carry a mask of zeros, which changes nothing on the wire and costs nothing here: the generator shares the
machine with the exchange.
"""

import asyncio
import base64
import json
import os
import struct
from types import TracebackType
from typing import Any, Self, cast

from benchmarks.connection import Address, Reply

MASKED = 0x80
TEXT, PING = 0x81, 0x89
PONG = b"\x8a\x80\x00\x00\x00\x00"
RESULT = b'{"type":"result","id":"'


class Answer(Reply):
    """An answer over the socket; ``head`` is what comes before its body."""

    @property
    def trace_id(self) -> str:
        at = self.head.find(b'"trace_id":"')
        return self.head[at + 12 : at + 44].decode() if at >= 0 else ""


class WebSocket(asyncio.Protocol):
    """One connection to ``/ws``."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, self._address.host, self._address.port)
        assert self._transport is not None
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade"}
        version = {"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"}
        self._transport.write(self._address.head("GET", "/ws", upgrade | version) + b"\r\n")
        await self._open
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.close()

    async def ask(self, kind: bytes, fields: bytes) -> Answer:
        """Says something: a type, and its fields as JSON without braces. Raises OSError when the connection breaks."""
        if self._transport is None:
            raise ConnectionError("the connection broke")
        self._last += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[self._last] = future
        payload = b'{"type":"%b","id":"%d",%b}' % (kind, self._last, fields)
        length = len(payload)
        if length < 126:
            head = struct.pack("!BB", TEXT, MASKED | length)
        elif length < 1 << 16:
            head = struct.pack("!BBH", TEXT, MASKED | 126, length)
        else:
            head = struct.pack("!BBQ", TEXT, MASKED | 127, length)
        self._transport.write(head + b"\0\0\0\0" + payload)
        return await future

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received + data if self._received else data
        if not self._open.done():
            head, end, received = received.partition(b"\r\n\r\n")
            if not end:
                self._received = head
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self._open.set_exception(ConnectionError(f"no WebSocket: {head[:80]!r}"))
                return
            self._open.set_result(None)
        at = 0
        while (frame := _frame(received, at)) is not None:
            kind, begin, at = frame
            self._take(kind, received[begin:at])
        self._received = received[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        error = ConnectionError(f"the connection broke: {exc or 'closed by the server'}")
        waiting: list[asyncio.Future[Any]] = [self._open, *self._asked.values()]
        for future in waiting:
            if not future.done():
                future.set_exception(error)
        self._asked.clear()

    def _take(self, kind: int, payload: bytes) -> None:
        if kind == PING and self._transport is not None:
            self._transport.write(PONG)
        if kind != TEXT:
            return
        if payload.startswith(RESULT):
            end = payload.index(b'"', len(RESULT))
            number = int(payload[len(RESULT) : end])
            at = payload.index(b',"body":')
            status = int(payload[payload.rindex(b":", 0, at) + 1 : at])
            answer = Answer(status, payload[:at], payload[at + 8 : -1])
        else:
            said = json.loads(payload)
            number = int(said.get("id", 0))
            answer = Answer(said.get("status", 200), payload, payload)
        future = self._asked.pop(number, None)
        if future is not None and not future.done():
            future.set_result(answer)


def _frame(data: bytes, at: int) -> tuple[int, int, int] | None:
    """The next frame of a server's: its kind, where its payload begins and where it ends; None until it is whole."""
    if len(data) < at + 2:
        return None
    kind, length, begin = data[at], data[at + 1], at + 2
    if length == 126:
        if len(data) < begin + 2:
            return None
        (length,), begin = struct.unpack_from("!H", data, begin), begin + 2
    elif length == 127:
        if len(data) < begin + 8:
            return None
        (length,), begin = struct.unpack_from("!Q", data, begin), begin + 8
    return (kind, begin, begin + length) if len(data) >= begin + length else None
