"""``python -m benchmarks.readers``: many readers of one topic in a process of their own, for ``fanout``.

Each is a connection that reads every frame, checks that its sequence has no gap, and notes how old the news was: the
time from the engine's clock of the last change in an update to when the reader has it. A frame that all readers get is
decoded once here, so that reading costs the machine little more than the system calls.

Says ``ready`` once everybody has a snapshot, measures between the lines ``begin`` and ``end`` that it is sent, and then
tells its figures as one line of JSON.
"""

import asyncio
import json
import sys
import time
from array import array
from typing import Any, cast

import uvloop

from benchmarks.tally import percentile

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
OPEN_AT_ONCE = 50
READY_S = 30.0
KEPT = 512
"""Frames whose meaning is remembered: readers are never that far apart."""


class News:
    """What is in the frames, and what the readers noted."""

    def __init__(self) -> None:
        self._meanings: dict[bytes, tuple[str, int, int]] = {}
        self._last_us = 0
        self.measuring = False
        self.delays_s = array("d")
        self.oldest_s = array("d")
        """Delays of the oldest change that an update can hold: it came after the last one of the update before."""
        self.updates = 0
        self.gaps = 0
        self.dropped = 0
        self._first_after: dict[int, int] = {}

    def meaning(self, payload: bytes) -> tuple[str, int, int]:
        """Type, sequence and time of a message; decoded by the first reader that gets it."""
        found = self._meanings.get(payload)
        if found is None:
            message = json.loads(payload)
            found = message["type"], message.get("sequence", 0), message.get("time_us", 0)
            if len(self._meanings) > KEPT:
                self._meanings.clear()
            self._meanings[payload] = found
            if found[0] == "update":
                self._first_after[found[1]] = self._last_us or found[2]
                self._last_us = found[2]
                self.updates += self.measuring
        return found

    def note(self, sequence: int, time_us: int) -> None:
        """A reader has an update."""
        if self.measuring:
            now_s = time.time()
            self.delays_s.append(now_s - time_us / 1e6)
            self.oldest_s.append(now_s - self._first_after[sequence] / 1e6)

    def figures(self) -> dict[str, Any]:
        """Delays in ms."""
        return {
            "received": len(self.delays_s),
            "updates": self.updates,
            "gaps": self.gaps,
            "dropped": self.dropped,
            "delay_ms": _spread(self.delays_s),
            "delay_of_oldest_ms": _spread(self.oldest_s),
        }


class Reader(asyncio.Protocol):
    """One connection."""

    def __init__(self, news: News, handshake: bytes, subscribe: bytes) -> None:
        self._news = news
        self._handshake = handshake
        self._subscribe = subscribe
        self._received = b""
        self._upgraded = False
        self._sequence = 0
        self._transport: asyncio.Transport | None = None
        self.has_snapshot = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._handshake)

    def data_received(self, data: bytes) -> None:
        data = self._received + data if self._received else data
        at = 0
        if not self._upgraded:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._received = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            self._upgraded = True
            assert self._transport is not None
            self._transport.write(self._subscribe)
            at = end + 4
        while (end := self._frame_end(data, at)) > 0:
            at = end
        self._received = data[at:]

    def connection_lost(self, exc: Exception | None) -> None:
        self._news.dropped += 1

    def _frame_end(self, data: bytes, at: int) -> int:
        """Takes in the frame that begins here and says where it ends; 0 while it is not whole."""
        if len(data) < at + 10:
            return 0
        length, start = data[at + 1], at + 2
        if length == 126:
            length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
        elif length == 127:
            length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
        end = start + length
        if len(data) < end:
            return 0
        if data[at] == 0x81:
            self._hear(data[start:end])
        elif data[at] == 0x89 and self._transport is not None:
            self._transport.write(masked(0x8A, data[start:end]))
        return end

    def _hear(self, payload: bytes) -> None:
        kind, sequence, time_us = self._news.meaning(payload)
        if kind == "update":
            self._news.gaps += sequence != self._sequence + 1
            self._sequence = sequence
            self._news.note(sequence, time_us)
        elif kind == "snapshot":
            self._sequence = sequence
            if not self.has_snapshot.done():
                self.has_snapshot.set_result(None)


def masked(opcode: int, payload: bytes) -> bytes:
    """A client's short frame, with a mask of zeros."""
    assert len(payload) < 126
    return bytes((opcode, 0x80 | len(payload), 0, 0, 0, 0)) + payload


async def read(host: str, port: int, count: int, channel: str, symbol: str) -> None:
    """The life of this process."""
    news = News()
    handshake = HANDSHAKE.format(host=host, port=port).encode()
    subscribe = masked(0x81, json.dumps({"type": "subscribe", "channel": channel, "symbol": symbol}).encode())
    loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(OPEN_AT_ONCE)

    async def open_one() -> None:
        async with gate:
            _, reader = await loop.create_connection(lambda: Reader(news, handshake, subscribe), host, port)
            await reader.has_snapshot

    async with asyncio.timeout(READY_S):
        await asyncio.gather(*(open_one() for _ in range(count)))
    print("ready", flush=True)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    await commands.readline()
    news.measuring = True
    await commands.readline()
    news.measuring = False
    print(json.dumps(news.figures()), flush=True)


def _spread(values: "array[float]") -> dict[str, float]:
    ordered = sorted(values)
    return {
        name: round(percentile(ordered, percent) * 1000, 3)
        for name, percent in (("p50", 50.0), ("p95", 95.0), ("p99", 99.0), ("max", 100.0))
    }


if __name__ == "__main__":
    uvloop.run(read(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4], sys.argv[5]))
