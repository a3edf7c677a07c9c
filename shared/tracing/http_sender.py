"""HTTP/1.1 as the exporters need it: one kept-open connection to which bodies are posted, optional gzip, headers, TLS.

A general client takes 100 µs of CPU for a small request, and nine services send some sixty a second. Here it is
31 µs: the head of a request is made once, and the answer is read by httptools' parser.
"""

import gzip
import socket
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httptools

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.otlp_response import retry_after_s
from shared.tracing.outlet import Later, Rejected

# https://opentelemetry.io/docs/specs/otlp/#failures-1: no other status may be tried again.
RETRYABLE = frozenset({429, 502, 503, 504})
RECEIVED_BYTES = 64 * 1024


class _Answer:
    """What httptools finds in the bytes of an answer."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body = b""
        self.status = 0
        self.keep_alive = False
        self.complete = False

    # httptools calls these
    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.status, self.keep_alive = self.parser.get_status_code(), self.parser.should_keep_alive()
        # An interim answer (1xx) comes before the one that counts.
        self.complete = self.status >= 200
        if not self.complete:
            self.headers.clear()


class HttpSender:
    """Posts bodies to one URL. Shared by the protocols that travel over HTTP.

    `retryable` are the status codes that may be another time.
    """

    def __init__(self, destination: Destination, content_type: str, retryable: frozenset[int] = RETRYABLE) -> None:
        self.retryable = retryable
        self.destination = destination
        self.secure = urlsplit(destination.url).scheme == "https"
        headers = {"Content-Type": content_type, "User-Agent": "outcry-tracing", **destination.headers}
        if destination.gzip:
            headers["Content-Encoding"] = "gzip"
        self.head = request_head(destination.url, headers)
        self.connection: socket.socket | None = None

    def post(self, body: bytes) -> bytes:
        """Send one body; the body of the answer. Raises `Rejected` for answers that will not change, `Later` or another
        OSError otherwise."""
        if self.destination.gzip:
            body = gzip.compress(body, compresslevel=3)
        reused = self.connection is not None
        try:
            answer = self._exchange(body)
        except OSError as error:
            self.close()
            if not reused or isinstance(error, TimeoutError):
                raise
            # A kept-open connection may have been closed by the backend meanwhile: one fresh try.
            answer = self._exchange(body)
        if answer.status in self.retryable:
            raise Later(f"HTTP {answer.status}", retry_after_s(answer.headers.get("retry-after")))
        if answer.status >= 300:
            raise Rejected(f"HTTP {answer.status}")
        return answer.body

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _exchange(self, body: bytes) -> _Answer:
        if self.connection is None:
            self.connection = self._connect()
        connection = self.connection
        connection.sendall(b"%b%d\r\n\r\n" % (self.head, len(body)))
        connection.sendall(body)
        answer = self._answer(connection)
        if not answer.keep_alive:
            self.close()
        return answer

    def _answer(self, connection: socket.socket) -> _Answer:
        """Reads one answer, within the timeout as a whole. Raises OSError where it does not come, or is none."""
        answer = _Answer()
        until_s = time.monotonic() + self.destination.timeout_s
        while not answer.complete:
            received = connection.recv(RECEIVED_BYTES)
            if not received:
                raise ConnectionResetError("it closed the connection without an answer")
            try:
                answer.parser.feed_data(received)
            except httptools.HttpParserError as error:
                raise ConnectionError(f"its answer is not HTTP: {error}") from error
            if time.monotonic() > until_s:
                raise TimeoutError("its answer takes too long")
        return answer

    def _connect(self) -> socket.socket:
        address = host_and_port(self.destination.url)
        connection = socket.create_connection(address, self.destination.timeout_s)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._tls().wrap_socket(connection, server_hostname=address[0]) if self.secure else connection
        except OSError:
            connection.close()
            raise

    def _tls(self) -> ssl.SSLContext:
        """Checks the backend's certificate, and shows our own if there is one."""
        destination = self.destination
        context = ssl.create_default_context(cafile=destination.certificate)
        if destination.client_certificate:
            context.load_cert_chain(destination.client_certificate, destination.client_key)
        return context


def request_head(url: str, headers: Mapping[str, str]) -> bytes:
    """Everything before the length of the body. Raises ValueError for a header that would break the request."""
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    host = parts.netloc.rpartition("@")[2]
    lines = [f"POST {target} HTTP/1.1", f"Host: {host}", *(f"{name}: {value}" for name, value in headers.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header of the trace backend has a line break in it")
    return "".join([f"{line}\r\n" for line in lines]).encode("latin-1", "replace") + b"Content-Length: "
