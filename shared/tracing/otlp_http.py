"""OTLP over HTTP with protobuf bodies: one kept-open connection, optional gzip, headers and TLS."""

import gzip
import http.client
import socket
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.otlp import encode_request
from shared.tracing.outlet import Rejected
from shared.tracing.span import Span

RETRYABLE = {408, 429, 502, 503, 504}


class HttpSender:
    """Posts bodies to one URL. Shared by the protocols that travel over HTTP."""

    def __init__(self, destination: Destination, content_type: str) -> None:
        parts = urlsplit(destination.url)
        self.destination = destination
        self.path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.secure = parts.scheme == "https"
        self.headers = {"Content-Type": content_type, "User-Agent": "outcry-tracing", **destination.headers}
        if destination.gzip:
            self.headers["Content-Encoding"] = "gzip"
        self.connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> None:
        """Send one body. Raises `Rejected` for answers that will not change, OSError or HTTPException otherwise."""
        if self.destination.gzip:
            body = gzip.compress(body, compresslevel=3)
        reused = self.connection is not None
        try:
            status = self._exchange(body)
        except (OSError, http.client.HTTPException):
            self.close()
            if not reused:
                raise
            # A kept-open connection may have been closed by the backend meanwhile: one fresh try.
            status = self._exchange(body)
        if status in RETRYABLE or (status >= 500 and status != 501):
            raise OSError(f"HTTP {status}")
        if status >= 300:
            raise Rejected(f"HTTP {status}")

    def close(self) -> None:
        """Close the connection; the next post opens a new one."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _exchange(self, body: bytes) -> int:
        if self.connection is None:
            self.connection = self._connect()
        self.connection.request("POST", self.path, body, self.headers)
        response = self.connection.getresponse()
        response.read()
        return response.status

    def _connect(self) -> http.client.HTTPConnection:
        host, port = host_and_port(self.destination.url)
        timeout_s = self.destination.timeout_s
        if self.secure:
            context = ssl.create_default_context(cafile=self.destination.certificate)
            return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


class OtlpHttpExporter:
    """Exporter for `/v1/traces`."""

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.sender = HttpSender(destination, "application/x-protobuf")

    def encode(self, spans: Sequence[Span]) -> list[tuple[int, bytes]]:
        """One ExportTraceServiceRequest."""
        return [(len(spans), encode_request(spans[0].resource, spans))]

    def send(self, payload: bytes) -> None:
        """Post it."""
        self.sender.post(payload)

    def close(self) -> None:
        """Close the connection."""
        self.sender.close()
