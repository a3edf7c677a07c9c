"""A trace backend that takes everything and keeps nothing, in a process of its own: ``python -m benchmarks.receiver``.

It prints the address that it listens on, and at its end how many bytes of spans came.
"""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httptools

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Receiver:
    """A running receiver. ``received_bytes`` is known once it has ended."""

    url: str
    received_bytes: int = 0


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver in a process of its own, for as long as the block runs."""
    process = subprocess.Popen([sys.executable, "-m", __name__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    receiver = Receiver(process.stdout.readline().strip())
    try:
        yield receiver
    finally:
        process.terminate()
        receiver.received_bytes = int(process.stdout.read() or 0)
        process.wait()


class _Connection(asyncio.Protocol):
    """Answers each request once it is here as a whole."""

    received_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        _Connection.received_bytes += len(body)

    def on_message_complete(self) -> None:
        self._transport.write(ANSWER)


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    server = await loop.create_server(_Connection, "127.0.0.1")
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()
    print(_Connection.received_bytes)


if __name__ == "__main__":
    asyncio.run(_serve())
