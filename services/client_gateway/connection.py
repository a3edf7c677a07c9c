"""One client of ``/ws``: what goes out to it, and how it ends."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from prometheus_client import Counter

from services.client_gateway.frames import FrameProtocol, text_frame

LARGE_BYTES_MAX = 16 * 1024 * 1024
"""What may wait for a reader that asked for snapshots, which can be large."""

CLOSE_SLOW = 4008
CLOSE_RESTART = 1012

SLOW = b'{"type":"error","code":"slow_reader","detail":"You read too slowly. Connect again and start from snapshots."}'

SLOW_READERS = Counter("outcry_slow_readers_total", "WebSocket connections that were dropped for reading too slowly")

_encode = msgspec.json.Encoder().encode


class Connection:
    """Messages leave in the order in which they are sent. Nothing here waits."""

    def __init__(self, protocol: FrameProtocol, waiting_bytes_max: int) -> None:
        """``waiting_bytes_max``: what may wait for the client. One further behind is told and dropped."""
        self._protocol = protocol
        self._waiting_bytes_max = self._allowed_bytes = waiting_bytes_max
        self._at_end: list[Callable[[], None]] = []
        self.address = protocol.client[0] if protocol.client else ""
        self.heard_at_s = time.monotonic()
        """When something was last heard from it."""
        self.ended = False

    def send(self, message: Mapping[str, Any]) -> None:
        """Sends a message to this client alone."""
        self.write(text_frame(_encode(message)))

    def write(self, frame: bytes) -> None:
        """Writes a frame that is ready. A client for which too much waits is dropped."""
        protocol = self._protocol
        if not protocol.open:
            return
        if protocol.waiting_bytes > self._allowed_bytes:
            self._drop()
        else:
            protocol.transport.write(frame)

    def write_large(self, frame: bytes) -> None:
        """Like ``write``, for what the client asked for and may take its time to read."""
        if self._protocol.open and not self._protocol.waiting_bytes:
            self._allowed_bytes = self._waiting_bytes_max
        if self._allowed_bytes < LARGE_BYTES_MAX:
            self._allowed_bytes += len(frame)
        self.write(frame)

    def end(self, code: int, reason: str) -> None:
        """Closes the connection from this side."""
        self._protocol.end(code, reason)
        self.finish()

    def at_end(self, callback: Callable[[], None]) -> None:
        """Runs once the connection is over, whoever ended it; at once where it is."""
        self._at_end.append(callback)
        if self.ended:
            self.finish()

    def finish(self) -> None:
        """The connection is over: whoever knew it forgets it."""
        self.ended = True
        while self._at_end:
            self._at_end.pop()()

    def _drop(self) -> None:
        SLOW_READERS.inc()
        self._protocol.write_frame(text_frame(SLOW))
        self.end(CLOSE_SLOW, "You read too slowly.")
