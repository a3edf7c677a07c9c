"""Jaeger's structured filters: what each asks of a span, and what is refused with which words."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from jaegerlite.find.structured import LEVELS, OPERATORS
from tests.unit.jaegerlite_kit import Kit

BEGAN_NS = 1_800_000_000_000_000_000
WINDOW: dict[str, Any] = {
    "query.startTimeMin": "2027-01-15T07:00:00Z",
    "query.startTimeMax": "2027-01-15T09:00:00Z",
}
Json = dict[str, Any]


def _value(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    return AnyValue(double_value=value) if isinstance(value, float) else AnyValue(string_value=value)


def _request(service: str, span: Span, **resource: str) -> bytes:
    request = ExportTraceServiceRequest()
    inside = request.resource_spans.add()
    for key, value in {"service.name": service, **resource}.items():
        inside.resource.attributes.add(key=key, value=_value(value))
    scope = inside.scope_spans.add()
    scope.scope.name, scope.scope.version = f"{service}.lib", "1.2"
    scope.spans.append(span)
    return bytes(request.SerializeToString())


def _span(number: int, name: str, duration_ms: int, kind: Span.SpanKind.ValueType, **attributes: Any) -> Span:
    span = Span(
        trace_id=number.to_bytes(16, "big"),
        span_id=number.to_bytes(8, "big"),
        name=name,
        kind=kind,
        start_time_unix_nano=BEGAN_NS + number * 10**9,
        end_time_unix_nano=BEGAN_NS + number * 10**9 + duration_ms * 10**6,
    )
    for key, value in attributes.items():
        span.attributes.add(key=key, value=_value(value))
    return span


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    """Three spans: `a` has a code, a zone and an exception, `b` failed and has the code as text, `c` has nothing."""
    made = Kit(tmp_path)
    a = _span(1, "a", 10, Span.SPAN_KIND_SERVER, code=500, zone="south", ratio=0.5, ok=True)
    event = a.events.add(name="exception", time_unix_nano=BEGAN_NS)
    event.attributes.add(key="type", value=_value("Timeout"))
    a.events.add(name="retry").attributes.add(key="type", value=_value("Backoff"))
    a.links.add(trace_id=bytes(15) + b"\x07", span_id=bytes(7) + b"\x08").attributes.add(key="why", value=_value("x"))
    b = _span(2, "b", 3000, Span.SPAN_KIND_CLIENT, code="500", error="text")
    b.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message="disk full"))
    for request in (
        _request("shop", a, zone="north"),
        _request("bank", b),
        _request("shop", _span(3, "c", 20, Span.SPAN_KIND_UNSPECIFIED)),
    ):
        made.store.add(request)
    made.store.flush(made.store.swap())
    yield made
    await made.http.aclose()
    made.backend.close()


def attr(key: str, level: str = "") -> Json:
    return {"attr": {"key": key} | ({"level": level} if level else {})}


def field(level: str, name: str) -> Json:
    return {"field": {"level": level, "name": name}}


def scalar(value: str, kind: str = "") -> Json:
    return {"scalar": {"value": value} | ({"type": kind} if kind else {})}


def call(op: str, *args: Json) -> Json:
    return {"op": op, "args": list(args)}


def of(*calls: Json) -> list[Json]:
    return [{"call": one} for one in calls]


def at(second: int) -> str:
    return datetime.fromtimestamp(BEGAN_NS // 10**9 + second, UTC).isoformat()


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (call("eq", attr("code"), scalar("500")), "ab"),
        (call("eq", scalar("500"), attr("code")), "ab"),
        (call("eq", attr("code"), scalar("500", "int")), "a"),
        (call("eq", attr("code"), scalar("500", "string")), "b"),
        (call("ne", attr("code"), scalar("500", "string")), "a"),
        (call("ne", attr("code"), scalar("404")), "ab"),
        (call("not", *of(call("eq", attr("code"), scalar("500")))), "c"),
        (call("gt", attr("code"), scalar("499")), "a"),
        (call("lte", scalar("501"), attr("code")), ""),
        (call("eq", attr("ratio"), scalar("0.5", "double")), "a"),
        (call("eq", attr("ok"), scalar("true", "bool")), "a"),
        (call("eq", attr("zone"), scalar("north")), "a"),
        (call("eq", attr("zone", "span"), scalar("north")), ""),
        (call("eq", attr("zone", "resource"), scalar("north")), "a"),
        (call("ne", attr("zone"), scalar("north")), ""),
        (call("ne", attr("zone", "span"), scalar("north")), "a"),
        (call("gt", attr("zone", "span"), scalar("m")), "a"),
        (call("exists", attr("zone")), "a"),
        (call("exists", attr("type")), ""),
        (call("exists", attr("type", "event")), "a"),
        (call("exists", attr("error")), "b"),
        (call("exists", field("span", "statusMessage")), "b"),
        (call("exists", field("span", "duration")), "abc"),
        (call("in", attr("code"), {"list": {"values": ["404", "500"], "type": "int"}}), "a"),
        (call("not_in", attr("code"), {"list": {"values": ["404", "500"], "type": "int"}}), "b"),
        (call("in", field("span", "name"), {"list": {"values": ["a", "c"]}}), "ac"),
        (call("gt", field("span", "duration"), scalar("2s")), "b"),
        (call("lt", scalar("15ms"), field("span", "duration")), "bc"),
        (call("gte", field("span", "startTime"), scalar(at(2))), "bc"),
        (call("lt", field("span", "endTime"), scalar(at(4))), "ac"),
        (call("eq", field("span", "kind"), scalar("unspecified")), "c"),
        (call("eq", field("span", "status"), scalar("error")), "b"),
        (call("ne", field("span", "status"), scalar("error")), "ac"),
        (call("eq", field("span", "statusMessage"), scalar("disk full")), "b"),
        (call("eq", field("resource", "service"), scalar("shop")), "ac"),
        (call("gt", field("span", "name"), scalar("b")), "c"),
        (call("eq", field("scope", "name"), scalar("bank.lib")), "b"),
        (call("eq", field("event", "name"), scalar("exception")), "a"),
        (call("lte", field("event", "time"), scalar(at(0))), "a"),
        (call("eq", field("link", "traceID"), scalar("00000000000000000000000000000007")), "a"),
        (call("eq", attr("why", "link"), scalar("x")), "a"),
        (
            call("and", *of(*(call("eq", field("span", "name"), scalar(name)) for name in "ab"))),
            "",
        ),
        (
            call("or", *of(*(call("eq", field("span", "name"), scalar(name)) for name in "ab"))),
            "ab",
        ),
        (
            call(
                *("some", {"nested": {"level": "event"}}),
                *of(
                    call(
                        "and",
                        *of(
                            call("eq", field("event", "name"), scalar("exception")),
                            call("eq", attr("type", "event"), scalar("Timeout")),
                        ),
                    )
                ),
            ),
            "a",
        ),
        (
            call(
                *("some", {"nested": {"level": "event"}}),
                *of(
                    call(
                        "and",
                        *of(
                            call("eq", field("event", "name"), scalar("exception")),
                            call("eq", attr("type", "event"), scalar("Backoff")),
                        ),
                    )
                ),
            ),
            "",
        ),
    ],
)
async def test_a_filter_finds_what_it_asks_for(kit: Kit, wanted: Json, names: str) -> None:
    """Levels, types, negations and words mean what Jaeger means by them; summaries and traces answer alike."""
    params = WINDOW | {"query.filter": json.dumps(wanted)}
    found = await kit.get("/api/v3/trace-summaries", **params)
    assert {summary["rootOperationName"] for summary in found["summaries"]} == set(names)
    traces = await kit.get("/api/v3/traces", 200 if names else 404, **params)
    spans = [
        span["name"]
        for resource in traces.get("result", {}).get("resourceSpans", [])
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    assert sorted(spans) == list(names)


@pytest.mark.parametrize(
    ("wanted", "status", "text"),
    [
        ("{", 400, "no JSON"),
        ("[]", 400, "expecting an object"),
        ("[" * 5_000, 400, "no JSON"),
        (call("matches", attr("a"), scalar("b")), 400, 'unknown filter operator "matches"'),
        ({}, 400, 'unknown filter operator ""'),
        (call("and", *of(call("exists", attr("a")))), 400, "at least two arguments, got 1"),
        (call("eq", attr("a")), 400, 'operator "eq" takes 2 argument(s), got 1'),
        (call("eq", attr("a"), {}), 400, "exactly one of"),
        (call("eq", attr("a", "pod"), scalar("b")), 400, 'unknown filter level "pod"'),
        (call("eq", field("span", "colour"), scalar("b")), 400, 'unknown built-in field "colour"'),
        (call("eq", field("span", "duration"), scalar("banana")), 400, 'cannot compare span.duration against "banana"'),
        (call("eq", field("span", "kind"), scalar("SERVER")), 400, "not one of unspecified, internal"),
        (call("gt", field("span", "status"), scalar("ok")), 400, "has no ordering"),
        (call("in", attr("a"), {"list": {"values": []}}), 400, "at least one element"),
        (call("eq", attr("a"), scalar("x", "int")), 400, "is no int"),
        (call("eq", attr("a"), scalar("x", "bytes")), 400, 'unknown filter value type "bytes"'),
        (call("eq", attr("a"), {"scalar": {"value": 5}}), 400, "a constant's value is a text"),
        (call("exists", {"nested": {"level": "event"}}), 400, "a collection reference is only the first argument"),
        (call("or", *of(*[call("exists", attr("a"))] * 100)), 400, "at most 50 calls"),
        (call("regex", attr("a"), scalar(".*")), 501, 'operator "regex" is not evaluated here'),
        (call("eq", field("span", "spanID"), scalar("1")), 501, "span.spanID is not evaluated here"),
        (call("lt", attr("a"), attr("b")), 501, "two references"),
    ],
)
async def test_a_filter_that_cannot_be_is_refused(kit: Kit, wanted: Any, status: int, text: str) -> None:
    """What is no filter is malformed, by its parameter's name; what is one that others answer is told apart."""
    given = wanted if isinstance(wanted, str) else json.dumps(wanted)
    answer = await kit.get("/api/v3/traces", status, **(WINDOW | {"query.filter": given}))
    assert answer["error"]["httpCode"] == status
    assert text in answer["error"]["message"]
    assert ("malformed parameter query.filter" in answer["error"]["message"]) is (status == 400)


async def test_a_filter_stands_alone_and_comes_in_pages(kit: Kit) -> None:
    """It excludes the parameters whose place it takes; pages and depth hold for it as for them."""
    wanted = json.dumps(call("exists", field("span", "kind")))
    for name in ("query.serviceName", "query.operationName", "query.durationMin"):
        value = "1s" if "duration" in name else "shop"
        await kit.get("/api/v3/traces", 400, **(WINDOW | {"query.filter": wanted, name: value}))
    params = WINDOW | {"query.filter": wanted}
    assert len((await kit.get("/api/v3/trace-summaries", **(params | {"query.searchDepth": "2"})))["summaries"]) == 2
    first = await kit.get("/api/v3/trace-summaries", **(params | {"query.pagination.pageSize": "2"}))
    token: dict[str, Any] = {"query.pagination.pageSize": "2", "query.pagination.pageToken": first["nextPageToken"]}
    last = await kit.get("/api/v3/trace-summaries", **(params | token))
    names = [summary["rootOperationName"] for page in (first, last) for summary in page["summaries"]]
    assert (names, last.get("nextPageToken")) == (["c", "b", "a"], None)
    other = WINDOW | token | {"query.filter": json.dumps(call("exists", field("span", "status")))}
    await kit.get("/api/v3/trace-summaries", 400, **other)


async def test_capabilities_say_what_a_filter_may_ask(kit: Kit) -> None:
    """A client learns which levels and operators there are before it asks."""
    search = (await kit.get("/api/v3/capabilities"))["search"]
    assert search["filter"] == {"levels": list(LEVELS), "operators": list(OPERATORS)}
    assert search["paginated"]
    assert search["withoutServiceName"]
    assert "regex" not in search["filter"]["operators"]
