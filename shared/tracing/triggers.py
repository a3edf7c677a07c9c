"""Trigger channels: how the processes of a system tell each other which traces matter (`retention`).

Any means of reaching all processes will do: a `TriggerChannel` has to carry eight bytes per trace, the low half of its
id; late or twice does no harm. `HttpTriggers` needs nothing but the standard library; in a single process no channel
is needed.
"""

import http.client
import http.server
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

ID_BYTES = 8
PATH = "/kept-traces"
BODY_BYTES_MAX = 1 << 20
RETRY_S = 0.5
WAITING_MAX = 10_000

Kept = Callable[[int], None]
"""Is told of each trace that another process announced, on any thread."""


class TriggerChannel(Protocol):
    """Carries the ids of traces that matter to all processes of the system."""

    def listen(self, kept: Kept) -> None:
        """Start, also once more in a forked child. `kept` is told what others announce."""

    def announce(self, trace_ids: Sequence[int]) -> None:
        """Tell the others. Called on the export thread: returns at once and raises nothing."""

    def close(self) -> None:
        """Stop, after a short try to deliver what was announced last."""


def pack(trace_ids: Iterable[int]) -> bytes:
    """Trace ids as a message."""
    return b"".join(trace_id.to_bytes(ID_BYTES, "big") for trace_id in trace_ids)


def unpack(message: bytes) -> list[int]:
    """The trace ids of a message; an incomplete one at its end is ignored."""
    starts = range(0, len(message) - ID_BYTES + 1, ID_BYTES)
    return [int.from_bytes(message[start : start + ID_BYTES], "big") for start in starts]


class Announcer:
    """A thread that delivers trace ids, and tries again for as long as others still hold the spans.

    `deliver` sends one message to everybody; it raises OSError when that did not work. What could not be delivered
    within `give_up_s`, or does not fit into the queue, is counted in `lost`.
    """

    def __init__(self, deliver: Callable[[bytes], None], give_up_s: float = 15.0) -> None:
        self.deliver = deliver
        self.give_up_s = give_up_s
        self.waiting: queue.SimpleQueue[tuple[int, float] | None] = queue.SimpleQueue()
        self.lost = 0
        self.stopping = threading.Event()
        self.thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self.waiting = queue.SimpleQueue()
        self.stopping.clear()
        self.thread = threading.Thread(target=self._run, name="trace-triggers", daemon=True)
        self.thread.start()

    def put(self, trace_ids: Sequence[int]) -> None:
        """Deliver these soon."""
        if self.waiting.qsize() + len(trace_ids) > WAITING_MAX:
            self.lost += len(trace_ids)
            return
        until_s = time.monotonic() + self.give_up_s
        for trace_id in trace_ids:
            self.waiting.put((trace_id, until_s))

    def stop(self) -> None:
        """Deliver what waits if that works at once, and end the thread."""
        self.stopping.set()
        self.waiting.put(None)
        if self.thread is not None:
            self.thread.join(1.0)

    def _run(self) -> None:
        failing = False
        while not self.stopping.is_set():
            entries = self._take()
            while entries:
                try:
                    self.deliver(pack(trace_id for trace_id, _ in entries))
                    failing = False
                    break
                except OSError as error:
                    if not failing:
                        logger.warning("Traces to keep cannot be announced (%s); trying again.", error)
                    failing = True
                if self.stopping.wait(RETRY_S):
                    break
                now_s = time.monotonic()
                self.lost += sum(1 for _, until_s in entries if until_s <= now_s)
                entries = [entry for entry in entries if entry[1] > now_s]

    def _take(self) -> list[tuple[int, float]]:
        """What waits, once something does."""
        entries = [self.waiting.get()]
        while not self.waiting.empty():
            entries.append(self.waiting.get())
        return [entry for entry in entries if entry is not None]


class HttpTriggers:
    """Posts trace ids to each peer, and listens for theirs.

    `listen_at` is "host:port", `peers` are the base URLs of the other processes. Peers that are away are left out: the
    spans they held are gone with them.
    """

    def __init__(self, listen_at: str, peers: Sequence[str], timeout_s: float = 1.0) -> None:
        host, _, port = listen_at.rpartition(":")
        self.address = (host or "127.0.0.1", int(port))
        self.peers = [urlsplit(peer if "//" in peer else f"http://{peer}") for peer in peers]
        self.timeout_s = timeout_s
        self.announcer = Announcer(self._deliver)
        self.server: http.server.ThreadingHTTPServer | None = None

    def listen(self, kept: Kept) -> None:
        """Serve `POST /kept-traces` on a thread. A port in use is logged: then nothing is heard from others."""
        self.announcer.start()
        try:
            self.server = http.server.ThreadingHTTPServer(self.address, _handler(kept))
        except OSError as error:
            logger.error("Traces to keep are not heard of: %s cannot be listened on (%s).", self.address, error)
            return
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, name="trace-triggers-in", daemon=True).start()

    def announce(self, trace_ids: Sequence[int]) -> None:
        """Post these soon."""
        self.announcer.put(trace_ids)

    def close(self) -> None:
        """Stop both directions."""
        self.announcer.stop()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def _deliver(self, message: bytes) -> None:
        for peer in self.peers:
            connection = http.client.HTTPConnection(peer.hostname or "127.0.0.1", peer.port, timeout=self.timeout_s)
            try:
                connection.request("POST", peer.path.rstrip("/") + PATH, message)
                connection.getresponse().read()
            except (OSError, http.client.HTTPException) as error:
                logger.debug("Peer %s does not hear of traces to keep: %s", peer.netloc, error)
            finally:
                connection.close()


def _handler(kept: Kept) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            if self.path != PATH or size > BODY_BYTES_MAX:
                self.send_error(404 if self.path != PATH else 413)
                return
            for trace_id in unpack(self.rfile.read(size)):
                kept(trace_id)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Requests are no news."""

    return Handler
