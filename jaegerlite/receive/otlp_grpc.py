"""OTLP over gRPC: `TraceService/Export`, unary, as the OpenTelemetry protocol specification has it.

Messages pass through gRPC as bytes: it neither parses them nor unpacks them, so that the same code refuses and counts
what is too large or damaged as for HTTP. A gzip head cannot begin an OTLP message (it would be field 3 of a wire type
that does not exist), so packed ones are known by it.

A call is served as a stream of one message, since a handler of such reads the message itself: so a few at a time are
received, the others wait in their senders, and what gRPC refuses as too large still comes by here to be counted.
"""

import asyncio
from typing import Any, Final

import grpc  # type: ignore[import-untyped]
import grpc.aio  # type: ignore[import-untyped]

from jaegerlite.access import Access, DeniedError, Role
from jaegerlite.listeners import Address, ServerTls
from jaegerlite.otlp_write import bytes_field
from jaegerlite.receive.http import BODY_SECONDS_MAX
from jaegerlite.receive.intake import Intake, RefusedError, count_request
from jaegerlite.receive.otlp_http import GRPC_CODES, partial_success, status_message
from jaegerlite.receive.unpack import too_large, unpack

TRANSPORT: Final = "otlp_grpc"
SERVICE: Final = "opentelemetry.proto.collector.trace.v1.TraceService"
GZIP_HEAD: Final = b"\x1f\x8b"
CALLS_MAX: Final = 256
READ_AT_ONCE: Final = 16
STREAMS_PER_CONNECTION_MAX: Final = 16
CONNECTION_AGE_MS_MAX: Final = 3_600_000
STOP_SECONDS_MAX: Final = 1.0
RESOURCE_EXHAUSTED: Final = 8
RETRY_INFO: Final = "type.googleapis.com/google.rpc.RetryInfo"
CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
OPTIONS: Final = [
    ("grpc.so_reuseport", 0),
    ("grpc.per_message_decompression", 0),
    ("grpc.max_concurrent_streams", STREAMS_PER_CONNECTION_MAX),
    ("grpc.max_connection_age_ms", CONNECTION_AGE_MS_MAX),
    ("grpc.max_connection_age_grace_ms", 30_000),
]


def _retry_details(code: int, text: str) -> bytes:
    """A `google.rpc.Status` that says when to come again, which tells an exporter that it may: a `RetryInfo` of 1 s."""
    one_second = b"\x08\x01"
    info = bytes_field(1, RETRY_INFO.encode()) + bytes_field(2, bytes_field(1, one_second))
    return status_message(code, text) + bytes_field(3, info)


class GrpcListener:
    """The gRPC server, on the event loop of everything else."""

    def __init__(self, address: Address, intake: Intake, access: Access, tls: ServerTls | None) -> None:
        """Take the port. Raises PortInUseError."""
        self._intake = intake
        self._access = access
        self._calls = 0
        self._reading = asyncio.Semaphore(READ_AT_ONCE)
        size = ("grpc.max_receive_message_length", intake.body_bytes_max)
        self._server = grpc.aio.server(options=[*OPTIONS, size])
        export = grpc.stream_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": export}),))
        host = f"[{address.host}]" if ":" in address.host else address.host
        try:
            if tls is None:
                self._server.add_insecure_port(f"{host}:{address.port}")
            else:
                credentials = grpc.ssl_server_credentials([(tls.key, tls.certificate)])
                self._server.add_secure_port(f"{host}:{address.port}", credentials)
        except RuntimeError as error:
            raise address.taken("address already in use, or none of this machine") from error

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.start()
        await self._server.wait_for_termination()

    async def stop(self) -> None:
        """Let running calls end within a second, and `run` with them."""
        await self._server.stop(STOP_SECONDS_MAX)

    async def _export(self, _: Any, context: Any) -> bytes:
        self._calls += 1
        try:
            return await self._answer(context)
        finally:
            self._calls -= 1

    async def _answer(self, context: Any) -> bytes:
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        try:
            answer = await self._take(headers, context)
        except DeniedError as denied:
            count_request(TRANSPORT, denied.reason)
            await context.abort(CODES[GRPC_CODES[denied.status]], denied.text)
        except RefusedError as refused:
            count_request(TRANSPORT, refused.reason)
            code = GRPC_CODES[refused.status]
            details: tuple[tuple[str, bytes], ...] = ()
            if refused.status in (429, 503):
                code = RESOURCE_EXHAUSTED
                details = (("grpc-status-details-bin", _retry_details(code, refused.text)),)
            await context.abort(CODES[code], refused.text, details)
        count_request(TRANSPORT, "ok")
        return answer

    async def _read(self, context: Any) -> bytes:
        """The message of a call."""
        if self._calls > CALLS_MAX:
            raise RefusedError(503, "busy", f"{CALLS_MAX} calls are going on already; send again in a second")
        try:
            async with self._reading, asyncio.timeout(BODY_SECONDS_MAX):
                message = await context.read()
        except TimeoutError as error:
            raise RefusedError(408, "slow", f"a message must be here within {BODY_SECONDS_MAX:g} s") from error
        if message is grpc.aio.EOF:
            # gRPC has answered already, unless the call came without a message, as those of no exporter do.
            raise too_large(self._intake.body_bytes_max)
        return bytes(message)

    async def _take(self, headers: dict[str, str], context: Any) -> bytes:
        tenant = await self._access.tenant(headers, _client(context.peer()), Role.WRITE)
        message = await self._read(context)
        with self._intake.body() as counted:
            counted.grow(len(message))
            encoding = "gzip" if message.startswith(GZIP_HEAD) else ""
            otlp = unpack(message, encoding, self._intake.body_bytes_max)
            return partial_success(self._intake.take(tenant, TRANSPORT, otlp))


def _client(peer: str) -> tuple[str, int] | None:
    """Address and port of gRPC's `ipv4:127.0.0.1:4711` or `ipv6:%5B::1%5D:4711`."""
    family, _, address = peer.partition(":")
    host, _, port = address.rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    return host.replace("%5B", "").replace("%5D", "").strip("[]"), int(port)
