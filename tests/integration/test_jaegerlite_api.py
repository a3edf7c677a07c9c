"""jaegerlite's query APIs, old and new, on one store of a few traces."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.jaegerlite_process import Jaegerlite, otlp_spans, request, within

NOW_NS = time.time_ns()


def _attributes(**values: str | int | bool) -> list[KeyValue]:
    found = []
    for key, value in values.items():
        if isinstance(value, bool):
            any_value = AnyValue(bool_value=value)
        elif isinstance(value, int):
            any_value = AnyValue(int_value=value)
        else:
            any_value = AnyValue(string_value=value)
        found.append(KeyValue(key=key.replace("__", "."), value=any_value))
    return found


def _order() -> bytes:
    """A trace of three spans and two services: the root is fine, the call failed, the callee says OK."""
    export = ExportTraceServiceRequest()
    common: dict[str, Any] = {"trace_id": (0xABC << 64 | 1).to_bytes(16), "start_time_unix_nano": NOW_NS}
    shop = export.resource_spans.add()
    shop.resource.attributes.extend(_attributes(service__name="shop", region="north"))
    scope = shop.scope_spans.add()
    scope.scope.name, scope.scope.version = "web", "2.0"
    scope.scope.attributes.extend(_attributes(layer="edge"))
    root = scope.spans.add(
        **common,
        span_id=bytes(7) + b"\1",
        name="GET /",
        kind=Span.SPAN_KIND_SERVER,
        end_time_unix_nano=NOW_NS + 9_000_000,
        trace_state="a=b",
    )
    root.attributes.extend(_attributes(n=42, ok=True, error="no"))
    root.events.add(name="began", time_unix_nano=NOW_NS, attributes=_attributes(step="first"))
    scope.spans.add(
        **common,
        span_id=bytes(7) + b"\2",
        parent_span_id=bytes(7) + b"\1",
        name="call",
        kind=Span.SPAN_KIND_CLIENT,
        end_time_unix_nano=NOW_NS + 5_000_000,
        status=Status(code=Status.STATUS_CODE_ERROR, message="late"),
    )
    till = export.resource_spans.add()
    till.resource.attributes.extend(_attributes(service__name="till"))
    callee = till.scope_spans.add().spans.add(
        **common,
        span_id=bytes(7) + b"\3",
        parent_span_id=bytes(7) + b"\2",
        name="pay",
        end_time_unix_nano=NOW_NS + 4_000_000,
        status=Status(code=Status.STATUS_CODE_OK),
    )
    callee.links.add(trace_id=bytes(15) + b"\7", span_id=bytes(7) + b"\7", attributes=_attributes(why="retry"))
    return bytes(export.SerializeToString())


ORDER_ID = f"{0xABC:016x}{1:016x}"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jaegerlite]:
    """A jaegerlite with the order above."""
    running = Jaegerlite(tmp_path_factory.mktemp("jaegerlite"))
    running.post(_order())
    running.wait_stored(3)
    yield running
    assert running.stop() == 0


def _v3(at: Jaegerlite, path: str, **params: str) -> Any:
    return at.get(f"/api/v3/{path}?{urllib.parse.urlencode(params)}")


def _window() -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "query.startTimeMin": (now - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "query.startTimeMax": (now + timedelta(hours=1)).isoformat(),
    }


@pytest.mark.parametrize(
    ("tag", "service"),
    [
        ("n:42", "shop"),
        ("ok:true", "shop"),
        ("region:north", "shop"),
        ("resource.region:north", "shop"),
        ("layer:edge", "shop"),
        ("step:first", "shop"),
        ("why:retry", "till"),
        ("error:true", "shop"),
        ("error:T", "shop"),
        ("error:false", "till"),
        ("error:no", "shop"),
        ("span.kind:SERVER", "shop"),
        ("span.kind:client", "shop"),
        ("span.kind:unspecified", "till"),
        ("span.status:error", "shop"),
        ("span.status:OK", "till"),
        ("span.status:unset", "shop"),
        ("scope.name:web", "shop"),
        ("scope.version:2.0", "shop"),
        ("service.name:till", "till"),
    ],
)
def test_tags_match_as_in_jaeger(shared: Jaegerlite, tag: str, service: str) -> None:
    """A tag matches by the text of its value over span, resource, scope, event and link, and by the fields' names."""
    assert [trace["traceID"] for trace in shared.find(service=service, tag=tag)] == [ORDER_ID]


@pytest.mark.parametrize(
    ("tag", "service"),
    [
        ("error:false", "shop"),
        ("error:true", "till"),
        ("span.kind:server", "till"),
        ("span.status:OK", "shop"),
        ("resource.n:42", "shop"),
        ("resource.layer:edge", "shop"),
        ("scope.name:other", "shop"),
        ("region:north", "till"),
    ],
)
def test_tags_that_do_not_match_in_jaeger_do_not_match(shared: Jaegerlite, tag: str, service: str) -> None:
    """`error=false` asks for status OK, `resource.` for the resource alone, and each span for its own."""
    assert shared.find(service=service, tag=tag) == []


@pytest.mark.parametrize("unit_ns", [1_000, 1_000_000])
def test_the_times_of_a_single_trace_may_be_micros_or_millis(shared: Jaegerlite, unit_ns: int) -> None:
    """Jaeger's UI sends microseconds and Grafana milliseconds; both get the trace."""
    start, end = (NOW_NS - 60 * 10**9) // unit_ns, (NOW_NS + 60 * 10**9) // unit_ns
    assert shared.get(f"/api/traces/{ORDER_ID}?start={start}&end={end}").status == 200


@pytest.mark.parametrize("query", ["start=x", "end=1e9", "raw=maybe"])
def test_odd_parameters_of_a_single_trace_are_refused(shared: Jaegerlite, query: str) -> None:
    """What cannot be a time or a boolean is refused with the parameter's name."""
    answer = shared.get(f"/api/traces/{ORDER_ID}?{query}")
    assert answer.status == 400
    assert f"unable to parse param '{query.split('=')[0]}'" in answer.json["errors"][0]["msg"]


def test_raw_leaves_the_tags_in_their_order(shared: Jaegerlite) -> None:
    """Tags are sorted unless the trace is wanted raw."""
    keys = []
    for raw in ("false", "true"):
        (trace,) = shared.get(f"/api/traces/{ORDER_ID}?raw={raw}").json["data"]
        keys.append([tag["key"] for span in trace["spans"] if span["operationName"] == "GET /" for tag in span["tags"]])
    assert keys[0] == sorted(keys[0])
    assert keys[1] != keys[0]
    assert sorted(keys[1]) == keys[0]


def test_an_archived_trace_is_read_by_its_own_address(shared: Jaegerlite) -> None:
    """Archiving answers as Jaeger does, and the trace is then in the archive as it is in the store."""
    assert shared.get(f"/api/archive/{ORDER_ID}").status == 404
    assert shared.get(f"/api/traces/{ORDER_ID}/analysis").json["archived"] is False
    kept = request(shared.url(f"/api/archive/{ORDER_ID}"), b"")
    assert (kept.status, kept.json["data"], kept.json["errors"]) == (200, [], [])
    assert request(shared.url("/api/archive/f00"), b"").status == 404
    assert shared.get(f"/api/archive/{ORDER_ID}").json == shared.get(f"/api/traces/{ORDER_ID}").json
    assert shared.get(f"/api/traces/{ORDER_ID}/analysis").json["archived"] is True


def test_an_analysis_can_be_asked_for_without_its_paths(shared: Jaegerlite) -> None:
    """`paths=false` leaves out both paths and nothing else; what is no boolean is refused."""
    whole = shared.get(f"/api/traces/{ORDER_ID}/analysis").json
    assert whole["critical_path"]
    lean = shared.get(f"/api/traces/{ORDER_ID}/analysis?paths=false").json
    assert lean == {key: value for key, value in whole.items() if key not in ("critical_path", "after_answer")}
    assert shared.get(f"/api/traces/{ORDER_ID}/analysis?paths=some").status == 400


def test_otlp_json_is_transformed_to_jaegers(shared: Jaegerlite) -> None:
    """OTLP JSON that is posted comes back as the JSON that Jaeger's UI shows, and is not kept."""
    span = {"traceId": "00" * 15 + "77", "spanId": "00" * 7 + "07", "name": "file", "startTimeUnixNano": "1000000"}
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "from-file"}}]}
    body = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = request(shared.url("/api/transform"), body, {"Content-Type": "application/json"})
    (trace,) = answer.json["data"]
    assert (trace["traceID"], trace["processes"]["p1"]["serviceName"]) == ("0000000000000077", "from-file")
    assert trace["spans"][0]["startTime"] == 1000
    assert "from-file" not in shared.get("/api/services").json["data"]
    assert request(shared.url("/api/transform"), b"[]").status == 400


def test_version_3_lists_services_and_operations(shared: Jaegerlite) -> None:
    """The new API's lists have its names, by today's parameters and those of before."""
    assert {"shop", "till"} <= set(_v3(shared, "services").json["services"])
    found = _v3(shared, "operations", service="shop").json["operations"]
    assert found == [{"name": "GET /", "spanKind": "server"}, {"name": "call", "spanKind": "client"}]
    for name in ("spanKind", "span_kind"):
        assert len(_v3(shared, "operations", service="shop", **{name: "client"}).json["operations"]) == 1


def test_version_3_answers_otlp(shared: Jaegerlite) -> None:
    """A trace of the new API is OTLP JSON in an envelope, with all that was sent."""
    result = _v3(shared, f"traces/{ORDER_ID}").json["result"]
    spans = {
        span["name"]: (span, part["scope"], whole["resource"])
        for whole in result["resourceSpans"]
        for part in whole["scopeSpans"]
        for span in part["spans"]
    }
    root, scope, resource = spans["GET /"]
    assert (root["traceId"], root["spanId"], root["kind"], root["traceState"]) == (ORDER_ID, "00" * 7 + "01", 2, "a=b")
    assert (root["startTimeUnixNano"], root["endTimeUnixNano"]) == (str(NOW_NS), str(NOW_NS + 9_000_000))
    assert "parentSpanId" not in root
    assert {"key": "n", "value": {"intValue": "42"}} in root["attributes"]
    assert root["events"][0]["name"] == "began"
    assert (scope["name"], scope["version"]) == ("web", "2.0")
    assert {"key": "region", "value": {"stringValue": "north"}} in resource["attributes"]
    assert spans["call"][0]["status"] == {"message": "late", "code": 2}
    assert spans["pay"][0]["links"][0]["traceId"] == "00" * 15 + "07"
    found = _v3(shared, "traces", **_window(), **{"query.serviceName": "shop", "query.attributes": '{"n":"42"}'})
    assert sum(len(part["spans"]) for each in found.json["result"]["resourceSpans"] for part in each["scopeSpans"]) == 3


def test_version_3_summarises(shared: Jaegerlite) -> None:
    """A summary has the root, times, and spans and errors by service."""
    (found,) = _v3(shared, "trace-summaries", **_window(), **{"query.service_name": "shop"}).json["summaries"]
    assert found == {
        "traceId": ORDER_ID,
        "rootServiceName": "shop",
        "rootOperationName": "GET /",
        "minStartTimeUnixNano": str(NOW_NS),
        "maxEndTimeUnixNano": str(NOW_NS + 9_000_000),
        "spanCount": 3,
        "errorSpanCount": 1,
        "orphanSpanCount": 0,
        "services": [
            {"name": "shop", "spanCount": 2, "errorSpanCount": 1},
            {"name": "till", "spanCount": 1, "errorSpanCount": 0},
        ],
    }


def test_version_3_turns_pages(shared: Jaegerlite) -> None:
    """Pages are the whole search in order, each trace once; the last one has no token, and a token fits its query."""
    shared.post(otlp_spans("paged", *range(0xE01, 0xE08)))
    within(3.0, lambda: len(shared.find(service="paged")) == 7)
    query = _window() | {"query.serviceName": "paged"}
    whole = _v3(shared, "trace-summaries", **query).json["summaries"]
    paged, token = [], ""
    for wanted in (3, 3, 1):
        page = {"query.pagination.pageSize": "3", "query.pagination.pageToken": token}
        answer = _v3(shared, "trace-summaries", **query, **page).json
        assert len(answer["summaries"]) == wanted
        paged += answer["summaries"]
        token = answer.get("nextPageToken", "")
        assert bool(token) == (wanted == 3)
    assert paged == whole
    first = _v3(shared, "trace-summaries", **query, **{"query.pagination.pageSize": "3"}).json
    other = query | {"query.serviceName": "shop", "query.pagination.pageToken": first["nextPageToken"]}
    assert _v3(shared, "trace-summaries", **other).status == 400
    assert _v3(shared, "traces", **query, **{"query.pagination.pageSize": "3"}).status == 400


@pytest.mark.parametrize(
    ("path", "params", "status", "text"),
    [
        ("traces/xyz", {}, 400, "malformed parameter trace_id"),
        ("traces/f00", {}, 404, "No traces found"),
        ("traces", {}, 400, "query.startTimeMin is required"),
        ("traces", {"query.start_time_min": "x"}, 400, "malformed parameter query.start_time_min"),
        ("traces", {"query.durationMin": "5", "window": ""}, 400, "malformed parameter query.durationMin"),
        ("traces", {"query.searchDepth": "x", "window": ""}, 400, "malformed parameter query.searchDepth"),
        ("traces", {"query.attributes": "[", "window": ""}, 400, "malformed parameter query.attributes"),
        ("traces", {"query.serviceName": "nobody", "window": ""}, 404, "No traces found"),
        ("operations", {}, 400, "service is required"),
    ],
)
def test_version_3_says_why_not(shared: Jaegerlite, path: str, params: dict[str, str], status: int, text: str) -> None:
    """Errors of the new API come in the form of Jaeger's gateway, with the parameter's name."""
    window = _window() if params.pop("window", None) is not None else {}
    answer = _v3(shared, path, **window, **params)
    assert answer.status == status
    assert answer.json["error"]["httpCode"] == status
    assert text in answer.json["error"]["message"]


def _search(at: Jaegerlite, **params: str) -> Any:
    return at.get(f"/api/search?{urllib.parse.urlencode(params)}")


def test_a_search_needs_no_service_and_tells_the_true_total(shared: Jaegerlite) -> None:
    """jaegerlite's own search takes its language and Jaeger's parameters together, and counts what it does not show."""
    found = _search(shared, q="n = 42 AND NOT span.kind = client", limit="0").json
    assert (found["total"], found["total_is_exact"], found["matched_spans_total"], found["traces"]) == (1, True, 1, [])
    found = _search(shared, q='"late" trace.spans = 3', minDuration="4ms", service="shop").json
    (trace,) = found["traces"]
    assert (trace["trace_id"], trace["root_service"], trace["root_operation"]) == (ORDER_ID, "shop", "GET /")
    assert (trace["duration_us"], trace["spans"], trace["errors"], trace["matched_spans"]) == (9000, 3, 1, 1)
    assert _search(shared, q="trace.duration > 1s").json["total"] == 0
    assert _search(shared, slowest="50%", order="duration").json["total"] >= 1


@pytest.mark.parametrize(
    "params", [{"q": "a ="}, {"slowest": "0"}, {"slowest": "x"}, {"order": "up"}, {"limit": "-1"}, {"offset": "x"}]
)
def test_searches_that_cannot_be_are_refused(shared: Jaegerlite, params: dict[str, str]) -> None:
    """A search that cannot be read is answered with 400 and the reason."""
    answer = _search(shared, **params)
    assert answer.status == 400
    assert len(answer.json["errors"][0]["msg"]) > 10


def _follow(at: Jaegerlite, query: str, send: bytes) -> Any:
    """The first event of a live tail that was opened before the spans were sent."""
    with urllib.request.urlopen(at.url(f"/api/live?{query}"), timeout=5) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.readline().startswith(b":")
        at.post(send)
        lines = iter(stream.readline, b"")
        assert next(line for line in lines if line.startswith(b"event")) == b"event: spans\n"
        return json.loads(next(lines).removeprefix(b"data: "))


def test_spans_can_be_followed_live(shared: Jaegerlite) -> None:
    """A live tail shows the roots of traces as they are stored, or what fits a query, within a second or two."""
    event = _follow(shared, "", otlp_spans("tail", 0x7A, 0x7B))
    assert (event["matched"], event["stored"]) == (2, 2)
    assert event["spans"][0] | {"start_us": 0} == {
        "trace_id": "000000000000007a",
        "span_id": "0000000000000001",
        "parent_id": None,
        "service": "tail",
        "operation": "by hand",
        "kind": "",
        "status": "",
        "start_us": 0,
        "duration_us": 1500,
    }
    event = _follow(shared, urllib.parse.urlencode({"q": "status = error"}), _order())
    assert [span["operation"] for span in event["spans"]] == ["call"]
    assert shared.get("/api/live?q=(").status == 400


def test_a_live_tail_of_whole_traces_is_refused(shared: Jaegerlite) -> None:
    """What speaks of a trace as a whole cannot be told while it goes on, and is refused by its name."""
    refused = shared.get("/api/live?" + urllib.parse.urlencode({"q": "service = tail trace.duration > 1s"}))
    assert refused.status == 400
    assert "trace.duration" in refused.json["errors"][0]["msg"]
