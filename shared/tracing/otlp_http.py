"""OTLP over HTTP with protobuf bodies: one kept-open connection, optional gzip, headers and TLS."""

import gzip
import http.client
import logging
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.otlp import encode_request
from shared.tracing.otlp_response import partial_success, retry_after_s
from shared.tracing.outlet import Later, Rejected
from shared.tracing.span_group import Ended, span_count

logger = logging.getLogger(__name__)

# https://opentelemetry.io/docs/specs/otlp/#failures-1: no other status may be tried again.
RETRYABLE = frozenset({429, 502, 503, 504})


class HttpSender:
    """Posts bodies to one URL. Shared by the protocols that travel over HTTP.

    `retryable` are the status codes that may be another time.
    """

    def __init__(self, destination: Destination, content_type: str, retryable: frozenset[int] = RETRYABLE) -> None:
        self.retryable = retryable
        parts = urlsplit(destination.url)
        self.destination = destination
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.secure = parts.scheme == "https"
        self.headers = {"Content-Type": content_type, "User-Agent": "outcry-tracing", **destination.headers}
        if destination.gzip:
            self.headers["Content-Encoding"] = "gzip"
        self.connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> bytes:
        """Send one body; the body of the answer. Raises `Rejected` for answers that will not change, `Later`, OSError
        or HTTPException otherwise."""
        if self.destination.gzip:
            body = gzip.compress(body, compresslevel=3)
        reused = self.connection is not None
        try:
            response, answer = self._exchange(body)
        except (OSError, http.client.HTTPException):
            self.close()
            if not reused:
                raise
            # A kept-open connection may have been closed by the backend meanwhile: one fresh try.
            response, answer = self._exchange(body)
        if response.status in self.retryable:
            raise Later(f"HTTP {response.status}", retry_after_s(response.headers.get("Retry-After")))
        if response.status >= 300:
            raise Rejected(f"HTTP {response.status}")
        return answer

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _exchange(self, body: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        if self.connection is None:
            self.connection = self._connect()
        self.connection.request("POST", self.path, body, self.headers)
        response = self.connection.getresponse()
        return response, response.read()

    def _connect(self) -> http.client.HTTPConnection:
        host, port = host_and_port(self.destination.url)
        timeout_s = self.destination.timeout_s
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        if self.secure:
            connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=self._tls())
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _tls(self) -> ssl.SSLContext:
        """Checks the backend's certificate, and shows our own if there is one."""
        destination = self.destination
        context = ssl.create_default_context(cafile=destination.certificate)
        if destination.client_certificate:
            context.load_cert_chain(destination.client_certificate, destination.client_key)
        return context


class OtlpHttpExporter:
    """Exporter for `/v1/traces`."""

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.sender = HttpSender(destination, "application/x-protobuf")

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """One ExportTraceServiceRequest."""
        return [(span_count(ended), encode_request(ended[0].resource, ended))]

    def send(self, payload: bytes) -> int:
        """Post it; the number of spans that the backend rejected."""
        return note_partial_success(self.name, self.sender.post(payload))

    def close(self) -> None:
        """Close the connection."""
        self.sender.close()


def note_partial_success(name: str, response: bytes) -> int:
    """The number of spans that an OTLP answer rejects; says so in the log. A message alone is a warning to us."""
    rejected, message = partial_success(response)
    if rejected or message:
        logger.warning("Trace backend %s took a request and rejected %d of its spans: %s", name, rejected, message)
    return rejected
