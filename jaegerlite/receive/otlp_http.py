"""OTLP over HTTP: `POST /v1/traces`, as the OpenTelemetry protocol specification has it.

A plain ASGI function, since this is the way of every span. The answers are protobuf or JSON after the request's
content type; the four small messages that takes are written here byte by byte.
"""

import json
import logging
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

import zstandard

from jaegerlite import metrics
from jaegerlite.decode import MalformedError
from jaegerlite.otlp_json import request_from_json
from jaegerlite.otlp_write import bytes_field, varint
from jaegerlite.store import Store, StoreFullError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

TRANSPORT: Final = "otlp_http"
PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"
RETRY_AFTER_S: Final = b"1"
REFUSED_TEXT: Final = (
    "a span needs a trace id of 16 bytes and a span id of 8, neither all zero, and times before the year 2262"
)
# google.rpc.Code, which OTLP's error body carries.
GRPC_CODES: Final = {400: 3, 404: 5, 405: 12, 413: 3, 415: 3, 429: 8, 503: 14}
log = logging.getLogger("jaegerlite")


@dataclass(slots=True)
class RefusedError(Exception):
    """A request that is not taken: the HTTP status, a word for the metrics, and a sentence for the sender."""

    status: int
    reason: str
    text: str


class OtlpHttp:
    """The ASGI application of the OTLP port."""

    def __init__(self, store: Store, *, body_bytes_max: int, on_spans: Callable[[], None]) -> None:
        """`on_spans` is called after each request that brought spans."""
        self._store = store
        self._body_bytes_max = body_bytes_max
        self._on_spans = on_spans

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        headers = dict(scope["headers"])
        media = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
        try:
            body = self._answer(media, await self._read_body(scope, headers, receive))
        except RefusedError as refused:
            metrics.REQUESTS.labels(TRANSPORT, refused.reason).inc()
            await _send(send, refused.status, media, _status_body(media, refused))
            return
        metrics.REQUESTS.labels(TRANSPORT, "ok").inc()
        await _send(send, 200, media, body)

    async def _read_body(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        if scope["path"] != "/v1/traces":
            raise RefusedError(404, "not_found", "spans go to /v1/traces")
        if scope["method"] != "POST":
            raise RefusedError(405, "method", "spans come by POST")
        body, more = b"", True
        parts: list[bytes] = []
        size = 0
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise RefusedError(400, "disconnected", "the connection ended within the body")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > self._body_bytes_max:
                raise self._too_large()
            more = message.get("more_body", False)
        body = b"".join(parts) if len(parts) > 1 else parts[0]
        return self._unpack(body, headers.get(b"content-encoding", b"").strip().lower())

    def _too_large(self) -> RefusedError:
        return RefusedError(
            413, "too_large", f"a request may hold {self._body_bytes_max} bytes, unpacked; send fewer spans"
        )

    def _unpack(self, body: bytes, encoding: bytes) -> bytes:
        if encoding in (b"", b"identity"):
            return body
        limit = self._body_bytes_max + 1
        try:
            if encoding in (b"gzip", b"deflate"):
                unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
                body = unpacker.decompress(body, limit)
                complete = unpacker.eof
            elif encoding == b"zstd":
                with zstandard.ZstdDecompressor(max_window_size=1 << 23).stream_reader(body) as reader:
                    body = reader.read(limit)
                complete = True
            else:
                raise RefusedError(415, "encoding", "content-encoding may be gzip, deflate, zstd or none")
        except (zlib.error, zstandard.ZstdError) as error:
            raise RefusedError(400, "malformed", f"the body cannot be unpacked: {error}") from error
        if len(body) == limit:
            raise self._too_large()
        if not complete:
            raise RefusedError(400, "malformed", "the packed body ends early")
        return body

    def _answer(self, media: str, body: bytes) -> bytes:
        if media not in (PROTOBUF, JSON):
            raise RefusedError(415, "content_type", f"content-type may be {PROTOBUF} or {JSON}")
        metrics.BYTES_RECEIVED.labels(TRANSPORT).inc(len(body))
        try:
            taken, refused = self._store.add(request_from_json(body) if media == JSON else body)
        except MalformedError as error:
            raise RefusedError(400, "malformed", f"not an ExportTraceServiceRequest: {error}") from error
        except StoreFullError as error:
            raise RefusedError(429, "full", f"{error}; send again in a second") from error
        metrics.SPANS_RECEIVED.labels(TRANSPORT).inc(taken)
        if taken:
            self._on_spans()
        if not refused:
            return b"{}" if media == JSON else b""
        metrics.SPANS_REFUSED.labels(TRANSPORT, "invalid").inc(refused)
        if media == JSON:
            return json.dumps(
                {"partialSuccess": {"rejectedSpans": str(refused), "errorMessage": REFUSED_TEXT}}
            ).encode()
        return bytes_field(1, b"\x08" + varint(refused) + bytes_field(2, REFUSED_TEXT.encode()))


def _status_body(media: str, refused: RefusedError) -> bytes:
    """A `google.rpc.Status`, OTLP's error body."""
    code = GRPC_CODES[refused.status]
    if media == PROTOBUF:
        return b"\x08" + varint(code) + bytes_field(2, refused.text.encode())
    return json.dumps({"code": code, "message": refused.text}).encode()


async def _send(send: Send, status: int, media: str, body: bytes) -> None:
    answer_media = PROTOBUF if media == PROTOBUF else JSON
    headers = [(b"content-type", answer_media.encode()), (b"content-length", b"%d" % len(body))]
    if status in (429, 503):
        headers.append((b"retry-after", RETRY_AFTER_S))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
