"""Jaeger's Thrift protocols and OTLP over gRPC, read back by Apache Thrift and by a real gRPC server."""

import socket
from collections.abc import Callable, Iterator
from concurrent import futures
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage  # type: ignore[import-untyped]
from google.protobuf.duration_pb2 import Duration  # type: ignore[import-untyped]
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.trace import SpanContext, SpanKind, StatusCode, TraceFlags
from thrift.protocol.TBinaryProtocol import TBinaryProtocol  # type: ignore[import-untyped]
from thrift.protocol.TCompactProtocol import TCompactProtocol  # type: ignore[import-untyped]
from thrift.Thrift import TMessageType, TType  # type: ignore[import-untyped]
from thrift.transport.TTransport import TMemoryBuffer  # type: ignore[import-untyped]

from shared.tracing.destinations import OTLP_GRPC, THRIFT_HTTP, THRIFT_UDP, Destination
from shared.tracing.jaeger_thrift import JaegerHttpExporter, JaegerUdpExporter
from shared.tracing.otlp_grpc import METHOD, OtlpGrpcExporter
from shared.tracing.outlet import Later, Outlet, Rejected
from shared.tracing.span import Span
from tests.tracing_kit import make_provider

HTTP = Destination(THRIFT_HTTP, "http://127.0.0.1:14268/api/traces")


def read_struct(protocol: Any) -> dict[int, Any]:
    """Any Thrift struct as field ids and values."""
    fields = {}
    protocol.readStructBegin()
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            break
        fields[number] = read_value(protocol, kind)
        protocol.readFieldEnd()
    protocol.readStructEnd()
    return fields


def read_value(protocol: Any, kind: int) -> Any:
    """A value of any of the types that Jaeger's structs use."""
    if kind == TType.LIST:
        inner, count = protocol.readListBegin()
        values = [read_value(protocol, inner) for _ in range(count)]
        protocol.readListEnd()
        return values
    readers: dict[int, Callable[[], Any]] = {
        TType.BOOL: protocol.readBool,
        TType.DOUBLE: protocol.readDouble,
        TType.I32: protocol.readI32,
        TType.I64: protocol.readI64,
        TType.STRING: protocol.readBinary,
        TType.STRUCT: lambda: read_struct(protocol),
    }
    return readers[kind]()


def read_packet(packet: bytes) -> dict[int, Any]:
    """The Batch inside an `emitBatch` datagram."""
    protocol = TCompactProtocol(TMemoryBuffer(packet))
    assert protocol.readMessageBegin() == ("emitBatch", TMessageType.ONEWAY, 0)
    batch: dict[int, Any] = read_struct(protocol)[1]
    return batch


def tags(listed: list[dict[int, Any]]) -> dict[str, Any]:
    """Jaeger tags as a mapping; each has the value field that its type names."""
    fields = {0: 3, 1: 4, 2: 5, 3: 6, 4: 7}
    return {tag[1].decode(): tag[fields[tag[2]]] for tag in listed}


def full_span() -> Span:
    """A span that has everything."""
    tracer = make_provider().get_tracer("library", "1.0")
    with tracer.start_as_current_span("parent"):
        values = {"text": "é", "number": -5, "share": 0.5, "yes": True, "no": False, "raw": b"\xff", "list": [1, 2]}
        span = tracer.start_span("GET /order", None, SpanKind.SERVER, values, None, 1_000_000_001_000)
    span.add_event("retry", {"attempt": 2}, 1_000_000_002_000)
    span.add_link(SpanContext(2**127 + 3, 2**63 + 4, True, TraceFlags(1)))
    span.set_status(StatusCode.ERROR, "broken")
    span.end(1_000_000_501_000)
    return span  # type: ignore[no-any-return]


def check_batch(batch: dict[int, Any], span: Span) -> None:
    """The batch holds exactly the full span, under its service."""
    assert batch[1][1] == b"tested"
    (read,) = batch[2]
    context = span.get_span_context()
    assert (read[2] % 2**64 << 64 | read[1] % 2**64, read[3] % 2**64) == (context.trace_id, context.span_id)
    assert read[4] % 2**64 == span.parent_id
    assert (read[5], read[7], read[8], read[9]) == (b"GET /order", 1, 1_000_000_001, 500)
    assert [(link[1], link[3] % 2**64, link[2], link[4] % 2**64) for link in read[6]] == [(1, 2**63, 3, 2**63 + 4)]
    assert tags(read[10]) == {
        "text": "é".encode(),
        "number": -5,
        "share": 0.5,
        "yes": True,
        "no": False,
        "raw": b"\xff",
        "list": b"[1, 2]",
        "span.kind": b"server",
        "otel.status_code": b"ERROR",
        "error": True,
        "otel.status_description": b"broken",
        "otel.scope.name": b"library",
        "otel.scope.version": b"1.0",
    }
    assert [(log[1], tags(log[2])) for log in read[11]] == [(1_000_000_002, {"event": b"retry", "attempt": 2})]


def test_agents_read_our_datagrams() -> None:
    """A span sent to a UDP port is one compact `emitBatch` call that says everything the span said."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as agent:
        agent.bind(("127.0.0.1", 0))
        agent.settimeout(5)
        exporter = JaegerUdpExporter(Destination(THRIFT_UDP, f"udp://127.0.0.1:{agent.getsockname()[1]}"))
        span = full_span()
        for count, payload in exporter.encode([span]):
            assert count == 1
            exporter.send(payload)
        check_batch(read_packet(agent.recv(65_536)), span)
        exporter.close()


def test_collectors_read_our_batches() -> None:
    """The same span in the binary protocol reads the same."""
    span = full_span()
    ((count, payload),) = JaegerHttpExporter(HTTP).encode([span])
    assert count == 1
    check_batch(read_struct(TBinaryProtocol(TMemoryBuffer(payload))), span)


def test_datagrams_stay_within_what_an_agent_takes() -> None:
    """Many spans are spread over datagrams below 65,000 bytes, in order; one too large for any is counted as lost."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    for number in range(50):
        tracer.start_span(f"{number}", attributes={"filler": "x" * 5_000}).end()
    tracer.start_span("huge", attributes={"filler": "x" * 70_000}).end()
    outlet = Outlet(JaegerUdpExporter(Destination(THRIFT_UDP, "udp://127.0.0.1:6831")))
    outlet.put(list(provider.buffer.ended))
    assert len(outlet.backlog) > 3
    assert all(len(payload) <= 65_000 for _, payload in outlet.backlog)
    names = [span[5].decode() for _, payload in outlet.backlog for span in read_packet(payload)[2]]
    assert names == [str(number) for number in range(50)]
    assert outlet.dropped["too_large"] == 1


class TraceService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Takes Export calls, answering the codes it was given first."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.metadata: dict[str, str] = {}
        self.codes: list[grpc.StatusCode] = []
        self.details = b""

    def service(self, details: Any) -> Any:
        """The one method there is."""
        return grpc.unary_unary_rpc_method_handler(self.export) if details.method == METHOD else None

    def export(self, body: bytes, context: Any) -> bytes:
        """Keep a request."""
        if self.codes:
            if self.details:
                context.set_trailing_metadata((("grpc-status-details-bin", self.details),))
            context.abort(self.codes.pop(0), "as told")
        self.metadata = dict(context.invocation_metadata())
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        answer: bytes = ExportTraceServiceResponse().SerializeToString()
        return answer


@pytest.fixture
def grpc_service() -> Iterator[tuple[TraceService, str]]:
    """A running gRPC trace service and its URL."""
    service = TraceService()
    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[service])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield service, f"http://127.0.0.1:{port}"
    server.stop(0).wait()


def test_otlp_goes_over_grpc(grpc_service: tuple[TraceService, str]) -> None:
    """A gRPC server receives the spans, compressed and with the headers of the destination."""
    service, url = grpc_service
    exporter = OtlpGrpcExporter(Destination(OTLP_GRPC, url, {"x-tenant": "one"}, gzip=True))
    ((_, payload),) = exporter.encode([full_span()])
    exporter.send(payload)
    exporter.close()
    assert service.requests[0].resource_spans[0].scope_spans[0].spans[0].name == "GET /order"
    assert service.metadata["x-tenant"] == "one"


def test_grpc_codes_say_whether_to_retry(grpc_service: tuple[TraceService, str]) -> None:
    """UNAVAILABLE is worth another try, INVALID_ARGUMENT is not."""
    service, url = grpc_service
    service.codes = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INVALID_ARGUMENT]
    exporter = OtlpGrpcExporter(Destination(OTLP_GRPC, url))
    ((_, payload),) = exporter.encode([full_span()])
    with pytest.raises(OSError, match="UNAVAILABLE"):
        exporter.send(payload)
    with pytest.raises(Rejected):
        exporter.send(payload)
    exporter.close()


def test_an_exhausted_backend_is_tried_again_only_when_it_says_when(grpc_service: tuple[TraceService, str]) -> None:
    """RESOURCE_EXHAUSTED with RetryInfo means later, without it never."""
    service, url = grpc_service
    service.codes = [grpc.StatusCode.RESOURCE_EXHAUSTED] * 2
    exporter = OtlpGrpcExporter(Destination(OTLP_GRPC, url))
    ((_, payload),) = exporter.encode([full_span()])
    with pytest.raises(Rejected):
        exporter.send(payload)
    status, detail = Status(code=8), AnyMessage()
    detail.Pack(RetryInfo(retry_delay=Duration(seconds=3)))
    status.details.append(detail)
    service.details = status.SerializeToString()
    with pytest.raises(Later) as raised:
        exporter.send(payload)
    assert raised.value.after_s == 3.0
    exporter.close()
