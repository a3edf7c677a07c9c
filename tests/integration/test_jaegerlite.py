"""jaegerlite as a process: spans in by the official exporter and by hand, and out through the query API."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

from tests.jaegerlite_process import Jaegerlite, otlp_spans, within


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite for tests that only add to it."""
    running = Jaegerlite(tmp_path_factory.mktemp("jaegerlite"), JAEGERLITE_BODY_BYTES_MAX="1000000")
    yield running
    assert running.stop() == 0


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Jaegerlite]:
    """A jaegerlite for one test to end and start as it likes."""
    running = Jaegerlite(tmp_path)
    yield running
    if running.process.poll() is None:
        running.stop()


def _tag(span: dict[str, Any], key: str) -> Any:
    return next((tag["value"] for tag in span["tags"] if tag["key"] == key), None)


def test_a_trace_of_the_official_exporter_comes_back_whole(shared: Jaegerlite) -> None:
    """What the OpenTelemetry SDK of two services exports is one trace in Jaeger's JSON, with all that was recorded."""
    providers = []
    for name in ("shop", "till"):
        provider = TracerProvider(resource=Resource({"service.name": name, "deployment.environment.name": "test"}))
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{shared.otlp_port}/v1/traces", compression=Compression.Gzip)
        provider.add_span_processor(BatchSpanProcessor(exporter))
        providers.append(provider)
    shop, till = (provider.get_tracer("tests", "3.1") for provider in providers)
    with shop.start_as_current_span("POST /order", kind=SpanKind.SERVER, attributes={"n": 5, "ok": True}) as root:
        with till.start_as_current_span("pay", links=[Link(root.get_span_context(), {"why": "because"})]) as pay:
            pay.record_exception(ValueError("no money"))
            pay.set_status(Status(StatusCode.ERROR, "declined"))
        root.add_event("paid", {"cents": 150})
    for provider in providers:
        provider.shutdown()
    trace_id, root_id = (f"{root.get_span_context().trace_id:032x}", f"{root.get_span_context().span_id:016x}")
    within(1.0, lambda: shared.get(f"/api/traces/{trace_id}").status == 200)
    answer = shared.get(f"/api/traces/{trace_id}").json
    assert {name: answer[name] for name in ("total", "limit", "offset", "errors")} == {
        "total": 0,
        "limit": 0,
        "offset": 0,
        "errors": None,
    }
    (trace,) = answer["data"]
    first, second = trace["spans"]
    assert (trace["traceID"], first["operationName"], second["operationName"]) == (trace_id, "POST /order", "pay")
    assert (first["spanID"], first["references"]) == (root_id, [])
    parent = {"traceID": trace_id, "spanID": root_id}
    assert second["references"] == [{"refType": "CHILD_OF"} | parent, {"refType": "FOLLOWS_FROM"} | parent]
    assert {key: _tag(first, key) for key in ("n", "ok", "span.kind", "otel.scope.name", "otel.scope.version")} == {
        "n": 5,
        "ok": True,
        "span.kind": "server",
        "otel.scope.name": "tests",
        "otel.scope.version": "3.1",
    }
    assert (_tag(second, "error"), _tag(second, "otel.status_code")) == (True, "ERROR")
    assert _tag(second, "otel.status_description") == "declined"
    (paid,) = first["logs"]
    assert paid["fields"] == [
        {"key": "event", "type": "string", "value": "paid"},
        {"key": "cents", "type": "int64", "value": 150},
    ]
    assert abs(first["startTime"] / 1e6 - time.time()) < 30
    assert first["duration"] >= second["duration"] > 0
    process = trace["processes"][second["processID"]]
    assert process["serviceName"] == "till"
    assert process["tags"] == [{"key": "deployment.environment.name", "type": "string", "value": "test"}]
    assert [found["traceID"] for found in shared.find(service="till", tags='{"error":"true","why":"because"}')] == [
        trace_id
    ]
    assert shared.find(service="till", tag="error:false") == []
    end_ms = int(time.time() * 1000)
    links = shared.get(f"/api/dependencies?endTs={end_ms}&lookback=600000").json["data"]
    assert {"parent": "shop", "child": "till", "callCount": 1} in links


def test_services_and_operations_are_listed(shared: Jaegerlite) -> None:
    """The lists that a Jaeger UI fills its fields from name each service and operation once."""
    shared.post(otlp_spans("a/service", 0xA1, 0xA2))
    assert "a/service" in shared.get("/api/services").json["data"]
    names = shared.get("/api/services/a%2Fservice/operations").json
    assert (names["data"], names["total"]) == (["by hand"], 1)
    kinds = shared.get("/api/operations?service=a/service").json["data"]
    assert kinds == [{"name": "by hand", "spanKind": ""}]


def test_spans_can_be_found_within_a_second(shared: Jaegerlite) -> None:
    """A search right after the answer to the sender finds the spans in less than a second."""
    assert shared.post(otlp_spans("quick", 0xB1)).status == 200
    within(1.0, lambda: len(shared.find(service="quick")) == 1)


def test_searches_in_jaegers_words(shared: Jaegerlite) -> None:
    """Durations in Go's notation, times in microseconds, limits and ids narrow a search as they do in Jaeger."""
    shared.post(otlp_spans("words", 0xC1, 0xC2, 0xC3))
    within(2.0, lambda: len(shared.find(service="words")) == 3)
    assert len(shared.find(service="words", limit="2")) == 2
    assert len(shared.find(service="words", minDuration="1.5ms", maxDuration="1500us")) == 3
    assert shared.find(service="words", minDuration="1501us") == []
    assert shared.find(service="words", end=str(int((time.time() - 60) * 1e6))) == []
    both = shared.get("/api/traces?traceID=c1&traceID=c4").json
    assert [trace["traceID"] for trace in both["data"]] == ["00000000000000c1"]
    assert both["errors"] == [{"msg": "trace not found", "traceID": "00000000000000c4"}]


@pytest.mark.parametrize(
    "query",
    [
        "start=9223372036854775807",
        "end=-9223372036854775808",
        "minDuration=9999999999999999999999999999h",
        "limit=-1",
        "tags=%7B%22a%22%3A%22%5Cud800%22%7D",
        "tag=%00:%ff",
        "operation=%F0%9F%A6%86'%3B--",
    ],
)
def test_odd_queries_find_nothing(shared: Jaegerlite, query: str) -> None:
    """Extreme numbers and odd texts in a search are answered with no traces, never with a failure."""
    shared.post(otlp_spans("odd", 0xE1))
    answer = shared.get(f"/api/traces?service=odd&{query}")
    assert (answer.status, answer.json["data"]) == (200, [])


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/api/traces/abc123", 404, "trace not found"),
        ("/api/traces/xyz", 400, 'strconv.ParseUint: parsing "xyz": invalid syntax'),
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/traces?service=a&limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("/api/traces?service=a&start=x", 400, "unable to parse param 'start'"),
        ("/api/traces?service=a&minDuration=5", 400, "unable to parse param 'minDuration': time: missing unit"),
        ("/api/traces?service=a&minDuration=2s&maxDuration=1s", 400, "'maxDuration' should be greater"),
        ("/api/traces?service=a&tag=x", 400, "malformed 'tag' parameter"),
        ("/api/traces?service=a&tags=x", 400, "malformed 'tags' parameter"),
        ("/api/operations", 400, "parameter 'service' is required"),
        ("/api/dependencies?endTs=x", 400, "unable to parse param 'endTs'"),
    ],
)
def test_refused_queries_say_why_in_jaegers_form(shared: Jaegerlite, path: str, status: int, text: str) -> None:
    """A query that cannot be answered gets Jaeger's status, envelope and words."""
    answer = shared.get(path)
    assert answer.status == status
    assert answer.json["data"] is None
    (error,) = answer.json["errors"]
    assert error["code"] == status
    assert text in error["msg"]


def test_json_is_taken_as_protobuf_is(shared: Jaegerlite) -> None:
    """OTLP's JSON, also packed with gzip, brings the same spans as protobuf."""
    now = time.time_ns()
    span = {
        "traceId": "5b8efff798038103d269b633813fc60c",
        "spanId": "eee19b7ec3c1b174",
        "name": "json",
        "kind": 2,
        "startTimeUnixNano": str(now),
        "endTimeUnixNano": str(now + 1000),
        "attributes": [{"key": "n", "value": {"intValue": "42"}}, {"key": "d", "value": {"doubleValue": 0.5}}],
        "status": {"code": 2},
        "unknown": {},
    }
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "json"}}]}
    request = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    packed = gzip.compress(json.dumps(request).encode())
    answer = shared.post(packed, Content_Type="application/json", Content_Encoding="gzip")
    assert (answer.status, answer.json) == (200, {})
    within(1.0, lambda: len(shared.find(service="json", tag="n:42")) == 1)
    (trace,) = shared.find(service="json", tag="error:true")
    assert (trace["traceID"], _tag(trace["spans"][0], "d")) == ("5b8efff798038103d269b633813fc60c", 0.5)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\x0a\xff", {}, 400),
        (b"not gzip", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(otlp_spans("x", 1))[:-9], {"Content_Encoding": "gzip"}, 400),
        (b"{", {"Content_Type": "application/json"}, 400),
        (b'{"resourceSpans": 5}', {"Content_Type": "application/json"}, 400),
        (b"x", {"Content_Type": "text/plain"}, 415),
        (b"x", {"Content_Encoding": "br"}, 415),
        (b"\x00" * 1_000_001, {}, 413),
        (gzip.compress(b"\x00" * 50_000_000), {"Content_Encoding": "gzip"}, 413),
    ],
    ids=["no OTLP", "no gzip", "cut", "no JSON", "other JSON", "type", "encoding", "large", "large when unpacked"],
)
def test_bad_requests_are_refused_with_a_reason(
    shared: Jaegerlite, body: bytes, headers: dict[str, str], status: int
) -> None:
    """Malformed, unknown or oversized bodies get their status and a reason, are counted, and leave nothing behind."""
    before = shared.metric("jaegerlite_spans_received_total")
    answer = shared.post(body, **headers)
    assert answer.status == status
    assert len(answer.body) > 10
    assert shared.metric("jaegerlite_spans_received_total") == before


def test_unusable_spans_are_a_partial_success(shared: Jaegerlite) -> None:
    """Spans without an id are refused by number and reason, while the request's other spans are taken."""
    answer = shared.post(otlp_spans("partial", 0, 0xD1, 0))
    response = ExportTraceServiceResponse.FromString(answer.body)
    assert (answer.status, response.partial_success.rejected_spans) == (200, 2)
    assert "trace id" in response.partial_success.error_message
    within(1.0, lambda: len(shared.find(service="partial")) == 1)


def test_pages_are_served_for_every_address(shared: Jaegerlite) -> None:
    """The addresses that Jaeger's UI has lead to the page, and the page asks nothing of the outside world."""
    for path in ("/", "/search?service=a", "/trace/abc", "/dependencies"):
        answer = shared.get(path)
        assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    page = answer.body.decode()
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page


def test_stored_spans_survive_a_kill(own: Jaegerlite) -> None:
    """What the metrics call stored is there after `kill -9`, and nothing is damaged."""
    for trace_id in range(1, 51):
        own.post(otlp_spans("survivor", trace_id))
    own.wait_stored(50)
    own.stop(signal.SIGKILL)
    own.start()
    assert len(own.find(service="survivor")) == 50


def test_a_clean_stop_stores_everything_quickly(own: Jaegerlite) -> None:
    """SIGTERM stores what was acknowledged a moment before and ends the process within two seconds, with code 0."""
    for trace_id in range(1, 51):
        own.post(otlp_spans("leaving", trace_id))
    began = time.monotonic()
    assert own.stop() == 0
    assert time.monotonic() - began < 2.0
    own.start()
    assert len(own.find(service="leaving")) == 50


def test_too_much_at_once_is_pushed_back(tmp_path: Path) -> None:
    """With the memory for waiting spans full, senders get 429 and a time to return, and nothing taken is lost."""
    running = Jaegerlite(tmp_path, JAEGERLITE_WAITING_BYTES_MAX="1000000", JAEGERLITE_FLUSH_INTERVAL_MS="2000")
    bodies = [otlp_spans("flood", *range(first, first + 1000)) for first in range(1, 60_001, 1000)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(running.post, bodies))
    taken = [answer for answer in answers if answer.status == 200]
    pushed = [answer for answer in answers if answer.status == 429]
    assert len(taken) + len(pushed) == len(answers)
    assert pushed
    assert {answer.headers["retry-after"] for answer in pushed} == {"1"}
    running.wait_stored(1000 * len(taken))
    assert running.post(bodies[0]).status == 200
    assert running.stop() == 0


def test_a_port_in_use_is_one_clear_line(shared: Jaegerlite, tmp_path: Path) -> None:
    """Started on a taken port, jaegerlite names the port and the variable that moves it, and ends."""
    environment = shared.environment | {"JAEGERLITE_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "jaegerlite"], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert str(shared.query_port) in ended.stderr
    assert "JAEGERLITE_QUERY_PORT" in ended.stderr


def test_a_wrong_setting_is_refused_by_name(tmp_path: Path) -> None:
    """A setting that cannot be is refused at the start, by the name of its variable."""
    environment = os.environ | {"JAEGERLITE_QUERY_PORT": "many", "JAEGERLITE_DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", "jaegerlite"], env=environment, capture_output=True, text=True, timeout=20, check=False
    )
    assert ended.returncode == 2
    assert "JAEGERLITE_QUERY_PORT" in ended.stderr
