"""What the tests of tracing share: a real OTLP receiver, and providers that keep their spans at hand."""

import gzip
import http.server
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage

from shared.tracing.otlp import encode_request
from shared.tracing.provider import TracerProvider
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.span import Span
from shared.tracing.span_group import each_span

RESOURCE = {"service.name": "tested"}


def make_provider(limits: Limits | None = None, sampler: Sampler | None = None, **bounds: int) -> TracerProvider:
    """A provider of our own that exports nothing; its ended spans stay in `buffer.ended`."""
    return TracerProvider(RESOURCE, sampler or Sampler(), limits or Limits(), **bounds)


def ended_spans(provider: TracerProvider) -> list[Span]:
    """The provider's ended spans one by one, in the order of their ends."""
    return list(each_span(provider.buffer.ended))


def ended_messages(provider: TracerProvider) -> list[SpanMessage]:
    """The provider's ended spans, encoded by us and read by the official classes."""
    request = ExportTraceServiceRequest.FromString(encode_request(provider.resource, list(provider.buffer.ended)))
    return [span for block in request.resource_spans for scope in block.scope_spans for span in scope.spans]


def attributes_of(message: Any) -> dict[str, Any]:
    """The attributes of a span, event, link or resource as plain values."""
    return {pair.key: plain(pair.value) for pair in message.attributes}


def plain(value: Any) -> Any:
    """The Python value of an AnyValue."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {pair.key: plain(pair.value) for pair in value.kvlist_value.values}
    return getattr(value, kind) if kind else None


class OtlpReceiver:
    """Takes OTLP over HTTP on a port of its own, over TLS with a `context`.

    `statuses` are answered in turn before it answers 200, with `headers_sent`; `answer` is the body of each 200.
    """

    def __init__(self, port: int = 0, context: ssl.SSLContext | None = None) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[Mapping[str, str]] = []
        self.statuses: list[int] = []
        self.headers_sent: dict[str, str] = {}
        self.answer = b""
        self.times_s: list[float] = []
        self.delay_s = 0.0
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.times_s.append(time.monotonic())
                time.sleep(receiver.delay_s)
                status = receiver.statuses.pop(0) if receiver.statuses else 200
                if status == 200:
                    if self.headers.get("Content-Encoding") == "gzip":
                        body = gzip.decompress(body)
                    receiver.requests.append(ExportTraceServiceRequest.FromString(body))
                    receiver.headers.append(dict(self.headers))
                self.send_response(status)
                for name, value in receiver.headers_sent.items():
                    self.send_header(name, value)
                answer = receiver.answer if status == 200 else b""
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *arguments: object) -> None:
                """Keep the test's output clean."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        if context is not None:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.endpoint = f"{'http' if context is None else 'https'}://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def spans(self) -> list[SpanMessage]:
        """All spans received so far, in the order of their ends."""
        blocks = [block for request in list(self.requests) for block in request.resource_spans]
        spans = [span for block in blocks for scope in block.scope_spans for span in scope.spans]
        return sorted(spans, key=lambda span: span.end_time_unix_nano)

    def wait_for(self, count: int, timeout_s: float = 5.0) -> list[SpanMessage]:
        """The spans, once there are `count` of them; fails after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            spans = self.spans()
            if len(spans) >= count:
                return spans
            time.sleep(0.01)
        raise AssertionError(f"{len(self.spans())} of {count} spans arrived within {timeout_s} s.")

    def stop(self) -> None:
        """Stop listening; connections are refused from now on."""
        self.server.shutdown()
        self.server.server_close()
