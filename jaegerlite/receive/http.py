"""Spans over HTTP, whatever their form: who sends, how much, how packed; the protocols differ in the rest.

A plain ASGI function, since this is the way of every span.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from jaegerlite.access import Access, DeniedError, Role
from jaegerlite.receive.intake import Intake, RefusedError, count_request, malformed
from jaegerlite.receive.unpack import too_large, unpack
from jaegerlite.wire import MalformedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PROTOBUF: Final = "application/x-protobuf"
BODY_SECONDS_MAX: Final = 30.0
THREAD_BYTES_MIN: Final = 200_000
RETRY_AFTER_S: Final = "1"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `media` is its content type, none for an empty body."""

    status: int
    media: str = ""
    body: bytes = b""


class SpanProtocol(Protocol):
    """What one protocol over HTTP consists of."""

    transport: str
    """Its name in the metrics."""
    path: str

    def bytes_max(self, media: str, intake: Intake) -> int:
        """The bytes that a body of this content type may have, unpacked. Raises RefusedError with 415."""

    def to_otlp(self, media: str, body: bytes) -> bytes:
        """The body as OTLP protobuf. Raises MalformedError."""

    def accepted(self, media: str, refused: int) -> Answer:
        """What to answer when this many spans were refused and the others taken."""

    def denied(self, media: str, error: RefusedError) -> Answer:
        """What to answer when nothing was taken."""


class HttpReceiver:
    """The ASGI application of a port that takes spans."""

    def __init__(self, protocol: SpanProtocol, intake: Intake, access: Access) -> None:
        self._protocol = protocol
        self._intake = intake
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        protocol = self._protocol
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        media = headers.get("content-type", "").split(";")[0].strip().lower()
        extra: dict[str, str] = {}
        try:
            answer = protocol.accepted(media, await self._take(scope, headers, media, receive))
            result = "ok"
        except RefusedError as refused:
            answer, result = protocol.denied(media, refused), refused.reason
            if refused.status in (429, 503):
                extra["retry-after"] = RETRY_AFTER_S
        except DeniedError as denied:
            answer = protocol.denied(media, RefusedError(denied.status, denied.reason, denied.text))
            result = denied.reason
            extra |= denied.headers
        count_request(protocol.transport, result)
        await _send(send, answer, extra)

    async def _take(self, scope: Scope, headers: dict[str, str], media: str, receive: Receive) -> int:
        protocol = self._protocol
        if scope["path"] != protocol.path:
            raise RefusedError(404, "not_found", f"spans go to {protocol.path}")
        if scope["method"] != "POST":
            raise RefusedError(405, "method", "spans come by POST")
        tenant = await self._access.tenant(headers, scope.get("client"), Role.WRITE)
        bytes_max = protocol.bytes_max(media, self._intake)
        with self._intake.body() as counted:
            packed = await self._read(receive, counted.grow, bytes_max)
            body = unpack(packed, headers.get("content-encoding", "").strip().lower(), bytes_max)
            counted.grow(max(len(body) - len(packed), 0))
            try:
                otlp = await self._to_otlp(media, body)
            except MalformedError as error:
                raise malformed(error) from error
            return self._intake.take(tenant, protocol.transport, otlp)

    async def _to_otlp(self, media: str, body: bytes) -> bytes:
        if media == PROTOBUF or len(body) <= THREAD_BYTES_MIN:
            return self._protocol.to_otlp(media, body)
        # A large one on a thread, lest it keep all others waiting, and one at a time: as objects it is many times
        # its size.
        async with self._intake.one_large_body:
            return await asyncio.to_thread(self._protocol.to_otlp, media, body)

    async def _read(self, receive: Receive, grow: Callable[[int], None], bytes_max: int) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "disconnected", "the connection ended within the body")
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > bytes_max:
                        raise too_large(bytes_max)
                    grow(len(parts[-1]))
                    more = message.get("more_body", False)
        except TimeoutError as error:
            raise RefusedError(408, "slow", f"a body must be here within {BODY_SECONDS_MAX:g} s") from error
        return b"".join(parts) if len(parts) > 1 else parts[0]


async def _send(send: Send, answer: Answer, extra: dict[str, str]) -> None:
    headers = [(b"content-length", b"%d" % len(answer.body))]
    if answer.media:
        headers.append((b"content-type", answer.media.encode()))
    headers += [(name.encode("latin-1"), value.encode("latin-1")) for name, value in extra.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
