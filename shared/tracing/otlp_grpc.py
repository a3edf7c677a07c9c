"""OTLP over gRPC, where `grpcio` is installed."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]

from shared.tracing.destinations import Destination, host_and_port
from shared.tracing.otlp import encode_request
from shared.tracing.otlp_http import note_partial_success
from shared.tracing.otlp_response import retry_info_s
from shared.tracing.outlet import Later, Rejected
from shared.tracing.span_group import Ended, span_count

METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
# https://opentelemetry.io/docs/specs/otlp/#failures
RETRYABLE = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
}


class OtlpGrpcExporter:
    """Exporter for the TraceService; one channel, opened when there is something to send."""

    takes_otlp = True

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.destination = destination
        self.channel: grpc.Channel | None = None

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """One ExportTraceServiceRequest."""
        return [(span_count(ended), encode_request(ended[0].resource, ended))]

    def send(self, payload: bytes) -> int:
        """Call Export; the number of spans that the backend rejected.

        Raises `Rejected` for codes the specification calls final, `Later` for the others. RESOURCE_EXHAUSTED is worth
        another try only if the backend says when.
        """
        if self.channel is None:
            self.channel = self._open()
        call = self.channel.unary_unary(METHOD, request_serializer=None, response_deserializer=None)
        compression = grpc.Compression.Gzip if self.destination.gzip else None
        metadata = tuple(self.destination.headers.items())
        try:
            response: bytes = call(
                payload, timeout=self.destination.timeout_s, metadata=metadata, compression=compression
            )
        except grpc.RpcError as error:
            code = error.code()
            after_s = retry_info_s(_status_details(error))
            if code in RETRYABLE or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and after_s is not None):
                raise Later(f"gRPC {code.name}", after_s) from error
            raise Rejected(f"gRPC {code.name}") from error
        return note_partial_success(self.name, response)

    def close(self) -> None:
        """Close the channel."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def _open(self) -> grpc.Channel:
        host, port = host_and_port(self.destination.url)
        if urlsplit(self.destination.url).scheme != "https":
            return grpc.insecure_channel(f"{host}:{port}")
        to = self.destination
        credentials = grpc.ssl_channel_credentials(
            _bytes_of(to.certificate), _bytes_of(to.client_key), _bytes_of(to.client_certificate)
        )
        return grpc.secure_channel(f"{host}:{port}", credentials)


def _bytes_of(file: str | None) -> bytes | None:
    return Path(file).read_bytes() if file else None


def _status_details(error: grpc.RpcError) -> bytes | None:
    """The google.rpc.Status of a failed call."""
    return next((value for key, value in error.trailing_metadata() or () if key == "grpc-status-details-bin"), None)
