"""OTLP over gRPC, where `grpcio` is installed."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.otlp import encode_request
from shared.tracing.outlet import Rejected
from shared.tracing.span import Span

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# https://opentelemetry.io/docs/specs/otlp/#failures
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


class OtlpGrpcExporter:
    """Exporter for the TraceService; one channel, opened when there is something to send."""

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.destination = destination
        self.channel: grpc.Channel | None = None

    def encode(self, spans: Sequence[Span]) -> list[tuple[int, bytes]]:
        """One ExportTraceServiceRequest."""
        return [(len(spans), encode_request(spans[0].resource, spans))]

    def send(self, payload: bytes) -> None:
        """Call Export. Raises `Rejected` for codes the specification calls final, OSError for the others."""
        if self.channel is None:
            self.channel = self._open()
        call = self.channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        compression = grpc.Compression.Gzip if self.destination.gzip else None
        metadata = tuple(self.destination.headers.items())
        try:
            call(payload, timeout=self.destination.timeout_s, metadata=metadata, compression=compression)
        except grpc.RpcError as error:
            code = error.code()
            if code in RETRYABLE:
                raise OSError(f"gRPC {code.name}") from error
            raise Rejected(f"gRPC {code.name}") from error

    def close(self) -> None:
        """Close the channel."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _open(self) -> grpc.Channel:
        host, port = host_and_port(self.destination.url)
        if urlsplit(self.destination.url).scheme != "https":
            return grpc.insecure_channel(f"{host}:{port}")
        certificate = self.destination.certificate
        roots = Path(certificate).read_bytes() if certificate else None
        return grpc.secure_channel(f"{host}:{port}", grpc.ssl_channel_credentials(root_certificates=roots))
