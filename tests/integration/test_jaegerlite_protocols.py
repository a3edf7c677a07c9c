"""Spans by every protocol that jaegerlite takes, from clients that were written elsewhere."""

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
import zstandard
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpanExporter
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AnyValue

from shared.tracing.thrift import I32, I64, LIST, STRING, STRUCT, BinaryWriter, CompactWriter
from tests.clients import send_by_javascript, send_by_old_jaeger_exporter
from tests.jaegerlite_process import Jaegerlite, otlp_spans, request, within

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite for tests that only add to it."""
    running = Jaegerlite(tmp_path_factory.mktemp("jaegerlite"), JAEGERLITE_BODY_BYTES_MAX="1000000")
    yield running
    assert running.stop() == 0


def _otlp_http(to: Jaegerlite) -> SpanExporter:
    return HttpSpanExporter(f"http://127.0.0.1:{to.ports['OTLP_HTTP']}/v1/traces")


def _otlp_grpc(to: Jaegerlite) -> SpanExporter:
    return GrpcSpanExporter(f"127.0.0.1:{to.ports['OTLP_GRPC']}", insecure=True)


def _otlp_grpc_gzip(to: Jaegerlite) -> SpanExporter:
    return GrpcSpanExporter(f"127.0.0.1:{to.ports['OTLP_GRPC']}", insecure=True, compression=grpc.Compression.Gzip)


def _zipkin(to: Jaegerlite) -> SpanExporter:
    return ZipkinExporter(endpoint=f"http://127.0.0.1:{to.ports['ZIPKIN']}/api/v2/spans")


def _send(exporter: SpanExporter, service: str) -> Any:
    provider = TracerProvider(resource=Resource({"service.name": service}))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("tests", "3.1")
    attributes: dict[str, AnyValue] = {"n": 5, "route": "/thing"}
    with tracer.start_as_current_span("GET /thing", kind=SpanKind.SERVER, attributes=attributes) as root:
        root.add_event("looked")
        with tracer.start_as_current_span("SELECT thing", kind=SpanKind.CLIENT) as child:
            child.set_status(Status(StatusCode.ERROR, "gone"))
    provider.shutdown()
    return {"trace_id": f"{root.get_span_context().trace_id:032x}"}


def _check_trace(shared: Jaegerlite, trace_id: str, service: str) -> None:
    """The two spans that every client sends came whole."""

    def is_whole() -> bool:
        answer = shared.get(f"/api/traces/{trace_id}")
        return answer.status == 200 and len(answer.json["data"][0]["spans"]) == 2

    within(3.0, is_whole)
    (trace,) = shared.get(f"/api/traces/{trace_id}").json["data"]
    first, second = sorted(trace["spans"], key=lambda span: len(span["references"]))
    assert [first["operationName"], second["operationName"]] == ["GET /thing", "SELECT thing"]
    assert second["references"] == [{"refType": "CHILD_OF", "traceID": trace_id, "spanID": first["spanID"]}]
    tags = [{tag["key"]: tag["value"] for tag in span["tags"]} for span in (first, second)]
    assert (tags[0]["span.kind"], str(tags[0]["n"]), tags[0]["route"]) == ("server", "5", "/thing")
    assert (tags[1]["span.kind"], tags[1]["error"], tags[1]["otel.status_code"]) == ("client", True, "ERROR")
    assert tags[1]["otel.status_description"] == "gone"
    assert "looked" in json.dumps(first["logs"])
    assert abs(first["startTime"] / 1e6 - time.time()) < 30
    assert {process["serviceName"] for process in trace["processes"].values()} == {service}
    assert [found["traceID"] for found in shared.find(service=service, tag="error:true")] == [trace_id]


@pytest.mark.parametrize(
    "exporter", [_otlp_http, _otlp_grpc, _otlp_grpc_gzip, _zipkin], ids=lambda exporter: exporter.__name__
)
def test_a_trace_of_each_official_exporter_comes_back(
    shared: Jaegerlite, exporter: Callable[[Jaegerlite], SpanExporter]
) -> None:
    """What an official exporter sends is a trace with its parents, kinds, tags, events and status, whatever the way."""
    service = f"by{exporter.__name__}"
    sent = _send(exporter(shared), service)
    _check_trace(shared, sent["trace_id"], service)


@pytest.mark.parametrize(("way", "port"), [("udp", "JAEGER_COMPACT"), ("http", "JAEGER_HTTP")])
def test_the_old_jaeger_exporter_is_understood(shared: Jaegerlite, way: str, port: str) -> None:
    """The last exporter for Jaeger's Thrift delivers its trace by UDP and by HTTP, and its link as a reference."""
    service = f"old-jaeger-{way}"
    sent = send_by_old_jaeger_exporter(way, shared.ports[port], service)
    within(3.0, lambda: shared.get(f"/api/traces/{sent['linked_trace_id']}").status == 200)
    _check_trace(shared, sent["trace_id"], service)
    (linked,) = shared.get(f"/api/traces/{sent['linked_trace_id']}").json["data"]
    (reference,) = linked["spans"][0]["references"]
    assert (reference["refType"], reference["traceID"]) == ("FOLLOWS_FROM", sent["trace_id"])


@pytest.mark.parametrize(
    ("way", "port"), [("grpc", "OTLP_GRPC"), ("proto", "OTLP_HTTP"), ("json", "OTLP_HTTP"), ("zipkin", "ZIPKIN")]
)
def test_the_exporters_of_javascript_are_understood(shared: Jaegerlite, way: str, port: str) -> None:
    """OpenTelemetry's exporters for JavaScript deliver their trace, as protobuf, JSON and Zipkin's JSON."""
    service = f"javascript-{way}"
    sent = send_by_javascript(way, shared.ports[port], service)
    _check_trace(shared, sent["trace_id"], service)


def _batch(writer: BinaryWriter | CompactWriter, service: str, trace_id: int) -> bytes:
    writer.begin()
    writer.field(1, STRUCT)
    writer.begin()
    writer.field(1, STRING)
    writer.text(service.encode())
    writer.end()
    writer.field(2, LIST)
    writer.structs(1)
    writer.begin()
    for number, value in ((1, trace_id), (2, 0), (3, 7), (4, 0)):
        writer.field(number, I64)
        writer.integer(value)
    writer.field(5, STRING)
    writer.text(b"by hand")
    for number, value in ((8, time.time_ns() // 1000), (9, 1500)):
        writer.field(number, I64)
        writer.integer(value)
    writer.field(10, LIST)
    writer.structs(1)
    writer.begin()
    writer.field(1, STRING)
    writer.text(b"cheap")
    writer.field(2, I32)
    writer.integer(2)
    writer.bool_field(5, True)
    writer.end()
    writer.end()
    writer.end()
    return bytes(writer.out)


def test_binary_thrift_by_udp(shared: Jaegerlite) -> None:
    """The datagrams that clients of Node.js send to port 6832 are taken, with a head of either version."""
    heads = (
        b"\x80\x01\x00\x04\x00\x00\x00\x09emitBatch\x00\x00\x00\x00",
        b"\x00\x00\x00\x09emitBatch\x04\x00\x00\x00\x00",
    )
    for number, head in enumerate(heads, 1):
        arguments = BinaryWriter()
        arguments.field(1, STRUCT)
        datagram = head + bytes(arguments.out) + _batch(BinaryWriter(), "udp-binary", number) + b"\x00"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, ("127.0.0.1", shared.ports["JAEGER_BINARY"]))
    within(3.0, lambda: len(shared.find(service="udp-binary", tag="cheap:true")) == 2)


def test_compact_thrift_by_http(shared: Jaegerlite) -> None:
    """Where the content type says so, a batch in Thrift's compact form is taken over HTTP as well."""
    headers = {"Content-Type": "application/vnd.apache.thrift.compact"}
    answer = request(
        f"http://127.0.0.1:{shared.ports['JAEGER_HTTP']}/api/traces", _batch(CompactWriter(), "compact", 5), headers
    )
    assert (answer.status, answer.body) == (202, b"")
    within(3.0, lambda: [trace["traceID"] for trace in shared.find(service="compact")] == ["0000000000000005"])
    assert shared.find(service="compact")[0]["spans"][0]["duration"] == 1500


def test_the_halves_of_a_shared_zipkin_span_are_two_spans(shared: Jaegerlite) -> None:
    """Client and server that share an id in Zipkin are parent and child, and the server's children stay with it."""
    now = time.time_ns() // 1000
    common = {"traceId": "000000000000002a", "timestamp": now, "duration": 5}
    spans = [
        {**common, "id": "0a", "kind": "CLIENT", "name": "get", "localEndpoint": {"serviceName": "zip-client"}},
        {**common, "id": "0a", "kind": "SERVER", "shared": True, "localEndpoint": {"serviceName": "zip-server"}},
        {**common, "id": "0b", "parentId": "0a", "name": "query", "localEndpoint": {"serviceName": "zip-server"}},
    ]
    address = f"http://127.0.0.1:{shared.ports['ZIPKIN']}/api/v2/spans"
    answer = request(address, json.dumps(spans).encode(), {"Content-Type": "application/json"})
    assert (answer.status, answer.body) == (202, b"")
    within(3.0, lambda: len(shared.find(service="zip-server")) == 1)
    (trace,) = shared.find(service="zip-server")
    by_service: dict[Any, Any] = {}
    for span in trace["spans"]:
        by_service.setdefault((trace["processes"][span["processID"]]["serviceName"], span["operationName"]), span)
    client, server = by_service["zip-client", "get"], by_service["zip-server", ""]
    query = by_service["zip-server", "query"]
    assert server["references"][0]["spanID"] == client["spanID"] == "000000000000000a"
    assert query["references"][0]["spanID"] == server["spanID"]


def test_zstd_is_unpacked(shared: Jaegerlite) -> None:
    """A body packed with zstd brings its spans; one that ends early, or unpacks to too much, is refused."""
    packed = zstandard.compress(otlp_spans("zstd", 0x5D))
    assert shared.post(packed, Content_Encoding="zstd").status == 200
    assert shared.post(packed[:-3], Content_Encoding="zstd").status == 400
    assert shared.post(zstandard.compress(bytes(500_000_000)), Content_Encoding="zstd").status == 413
    within(3.0, lambda: len(shared.find(service="zstd")) == 1)


def test_grpc_answers_in_its_own_words(shared: Jaegerlite) -> None:
    """Over gRPC malformed bytes are INVALID_ARGUMENT, too many too, and single unusable spans a partial success."""
    with grpc.insecure_channel(f"127.0.0.1:{shared.ports['OTLP_GRPC']}") as channel:
        export = channel.unary_unary(EXPORT)
        answer = ExportTraceServiceResponse.FromString(export(otlp_spans("grpc", 0, 0xF1), timeout=5))
        assert answer.partial_success.rejected_spans == 1
        before = shared.metric("jaegerlite_requests_total", 'transport="otlp_grpc"', 'result="malformed"')
        for body, compression in (
            (b"\x0a\xff", None),
            (b"\x0a" + b"\x00" * 300_000_000, grpc.Compression.Gzip),
        ):
            with pytest.raises(grpc.RpcError) as refused:
                export(body, compression=compression, timeout=20)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert len(refused.value.details()) > 10
        assert shared.metric("jaegerlite_requests_total", 'transport="otlp_grpc"', 'result="malformed"') == before + 1
        with pytest.raises(grpc.RpcError) as unknown:
            channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")(b"", timeout=5)
        assert unknown.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("size", [1_000_001, 20_000_000])
def test_grpc_messages_that_are_too_large_are_counted(shared: Jaegerlite, size: int) -> None:
    """A message beyond the limit of all bodies is refused by gRPC itself, counted, and the next one is taken."""
    labels = 'transport="otlp_grpc"', 'result="too_large"'
    before = shared.metric("jaegerlite_requests_total", *labels)
    with grpc.insecure_channel(
        f"127.0.0.1:{shared.ports['OTLP_GRPC']}", options=[("grpc.max_send_message_length", -1)]
    ) as channel:
        export = channel.unary_unary(EXPORT)
        with pytest.raises(grpc.RpcError) as refused:
            export(bytes(size), timeout=20)
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "larger than max" in refused.value.details()
        within(3.0, lambda: shared.metric("jaegerlite_requests_total", *labels) == before + 1)
        assert export(otlp_spans("after", 0xF2), timeout=5) == b""


def test_grpc_senders_are_pushed_back_with_a_time_to_return(tmp_path_factory: pytest.TempPathFactory) -> None:
    """With the memory for waiting spans full, gRPC senders get RESOURCE_EXHAUSTED with RetryInfo."""
    running = Jaegerlite(
        tmp_path_factory.mktemp("full"), JAEGERLITE_WAITING_BYTES_MAX="1000000", JAEGERLITE_FLUSH_INTERVAL_MS="5000"
    )
    body = otlp_spans("flood", *range(1, 4001))
    with grpc.insecure_channel(f"127.0.0.1:{running.ports['OTLP_GRPC']}") as channel:
        export = channel.unary_unary(EXPORT)
        calls = (export.with_call(body, timeout=5) for _ in range(50))
        with pytest.raises(grpc.RpcError) as refused:
            list(calls)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    details = dict(refused.value.trailing_metadata())["grpc-status-details-bin"]
    assert RETRY_INFO in details
    assert running.metric("jaegerlite_requests_total", 'result="full"') >= 1
    assert running.stop() == 0


@pytest.mark.parametrize("port", ["JAEGER_COMPACT", "JAEGER_BINARY"])
@pytest.mark.parametrize(
    "datagram", [b"", b"\x00", b"\x82\x81\x00\x09emitBatch", b"\x82\x81\x00\x05other\x00", bytes(60_000)]
)
def test_odd_datagrams_are_counted(shared: Jaegerlite, port: str, datagram: bytes) -> None:
    """A datagram that is no batch of spans is counted as malformed, and the next good one is taken."""
    labels = f'transport="{port.lower().replace("jaeger_", "jaeger_udp_")}"', 'result="malformed"'
    before = shared.metric("jaegerlite_requests_total", *labels)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, ("127.0.0.1", shared.ports[port]))
    within(3.0, lambda: shared.metric("jaegerlite_requests_total", *labels) == before + 1)


@pytest.mark.parametrize(
    ("port", "path", "media", "body", "status"),
    [
        ("JAEGER_HTTP", "/api/traces", "application/x-thrift", b"\x0c\x00\x01", 400),
        ("JAEGER_HTTP", "/api/traces", "application/x-thrift", b"\x0f\x00\x02\x0c\x7f\xff\xff\xff", 400),
        ("JAEGER_HTTP", "/api/traces", "text/plain", b"", 415),
        ("JAEGER_HTTP", "/api/other", "application/x-thrift", b"", 404),
        ("JAEGER_HTTP", "/api/traces", "application/x-thrift", bytes(1_000_001), 413),
        ("ZIPKIN", "/api/v2/spans", "application/json", b"{}", 400),
        ("ZIPKIN", "/api/v2/spans", "application/json", b'[{"traceId": "x y", "id": "1"}]', 400),
        ("ZIPKIN", "/api/v2/spans", "application/json", b'[{"traceId": 1, "id": "1"}]', 400),
        ("ZIPKIN", "/api/v2/spans", "application/x-protobuf", b"", 415),
    ],
)
def test_refusals_of_the_older_protocols_say_why(
    shared: Jaegerlite, port: str, path: str, media: str, body: bytes, status: int
) -> None:
    """What cannot be taken over Thrift or Zipkin's HTTP gets its status and a line that says why."""
    answer = request(f"http://127.0.0.1:{shared.ports[port]}{path}", body, {"Content-Type": media})
    assert answer.status == status
    assert len(answer.body) > 10
