"""The decoder of OTLP, compiled and as plain Python, against messages that the official protobuf library built."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from jaegerlite import tagmatch
from jaegerlite.columns import SpanColumns
from jaegerlite.decode import MalformedError, decode_request
from jaegerlite.otlp import Value, value_text
from jaegerlite.otlp_read import read_rest
from jaegerlite.series import SeriesRegistry
from jaegerlite.tagfilter import fill_tag_filter, tag_places

HOT_MODULES = ("jaegerlite.wire", "jaegerlite.decode", "jaegerlite.tagfilter", "jaegerlite.tagmatch")


@dataclass(frozen=True)
class Hot:
    """The hot functions in one of their two forms."""

    decode_request: Callable[[bytes, SpanColumns, SeriesRegistry], tuple[int, int]]
    malformed_error: type[Exception]
    fill_tag_filter: Callable[[bytes, Any, Any], None]
    tagmatch: ModuleType


def _plain() -> Hot:
    """The hot modules' sources run by the interpreter, whether or not compiled ones are installed."""
    installed = {name: sys.modules[name] for name in HOT_MODULES}
    plain: dict[str, Any] = {}
    try:
        for name, module in installed.items():
            source = Path(str(module.__file__)).with_name(name.removeprefix("jaegerlite.") + ".py")
            spec = importlib.util.spec_from_file_location(name, source)
            assert spec is not None
            assert spec.loader is not None
            # In the place of the installed one meanwhile, so that the others import this one.
            plain[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[name])
    finally:
        sys.modules.update(installed)
    decode = plain["jaegerlite.decode"]
    return Hot(
        decode.decode_request,
        decode.MalformedError,
        plain["jaegerlite.tagfilter"].fill_tag_filter,
        plain["jaegerlite.tagmatch"],
    )


INSTALLED = Hot(decode_request, MalformedError, fill_tag_filter, tagmatch)
PLAIN = _plain()
BOTH = pytest.mark.parametrize("decode", [INSTALLED, PLAIN], ids=["installed", "plain"])
SOME_TIME = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Beside short ones those whose lengths, or whose attributes', just take one byte more.
long_texts = st.one_of(st.integers(110, 130), st.integers(16_360, 16_390)).map(lambda size: "x" * size)
texts = st.one_of(st.text(max_size=12), st.text(max_size=12), long_texts)
numbers = st.integers(-(2**63), 2**63 - 1)
plain_values = st.one_of(
    st.builds(lambda text: AnyValue(string_value=text), texts),
    st.builds(lambda truth: AnyValue(bool_value=truth), st.booleans()),
    st.builds(lambda number: AnyValue(int_value=number), numbers),
    st.builds(lambda number: AnyValue(double_value=number), st.floats(allow_nan=False)),
    st.builds(lambda raw: AnyValue(bytes_value=raw), st.binary(max_size=8)),
    st.just(AnyValue()),
)
values = st.recursive(
    plain_values,
    lambda inner: st.one_of(
        st.builds(lambda items: AnyValue(array_value=ArrayValue(values=items)), st.lists(inner, max_size=3)),
        st.builds(
            lambda items: AnyValue(
                kvlist_value=KeyValueList(values=[KeyValue(key=key, value=value) for key, value in items.items()])
            ),
            st.dictionaries(texts, inner, max_size=3),
        ),
    ),
    max_leaves=4,
)
attributes = st.lists(st.builds(lambda key, value: KeyValue(key=key, value=value), texts, values), max_size=4)
span_ids = st.binary(min_size=8, max_size=8).filter(any)
trace_ids = st.binary(min_size=16, max_size=16).filter(any)
events = st.builds(
    lambda time, name, given: Span.Event(time_unix_nano=time, name=name, attributes=given),
    st.integers(0, 2**63 - 1),
    texts,
    attributes,
)
links = st.builds(
    lambda trace, span, given: Span.Link(trace_id=trace, span_id=span, attributes=given),
    trace_ids,
    span_ids,
    attributes,
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """A span with any of the fields that jaegerlite keeps."""
    start = draw(st.integers(0, 2**62))
    return Span(
        trace_id=draw(trace_ids),
        span_id=draw(span_ids),
        parent_span_id=draw(st.one_of(st.just(b""), span_ids)),
        trace_state=draw(texts),
        name=draw(texts),
        kind=draw(st.integers(0, 5)),  # type: ignore[arg-type]
        start_time_unix_nano=start,
        end_time_unix_nano=start + draw(st.integers(0, 2**40)),
        attributes=draw(attributes),
        dropped_attributes_count=draw(st.integers(0, 3)),
        events=draw(st.lists(events, max_size=2)),
        links=draw(st.lists(links, max_size=2)),
        status=Status(code=draw(st.integers(0, 2)), message=draw(texts)),  # type: ignore[arg-type]
    )


@st.composite
def export_requests(draw: st.DrawFn) -> ExportTraceServiceRequest:
    """A request of a few resources, scopes and spans."""
    request = ExportTraceServiceRequest()
    for name in draw(st.lists(texts, max_size=3)):
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=name))
        for scope_name in draw(st.lists(texts, max_size=2)):
            scope = resource.scope_spans.add()
            scope.scope.name = scope_name
            scope.spans.extend(draw(st.lists(spans(), max_size=3)))
    return request


def _python_value(value: AnyValue) -> Value:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_python_value(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return {item.key: _python_value(item.value) for item in value.kvlist_value.values}
    result: Value = getattr(value, kind)
    return result


def _python_attributes(given: Any) -> tuple[tuple[str, Value], ...]:
    return tuple((item.key, _python_value(item.value)) for item in given)


def _taken(decode: Hot, body: bytes) -> tuple[SpanColumns, SeriesRegistry, int]:
    columns, registry = SpanColumns(), SeriesRegistry()
    _, refused = decode.decode_request(body, columns, registry)
    return columns, registry, refused


def _one_span(**fields: Any) -> bytes:
    request = ExportTraceServiceRequest()
    given = {"trace_id": b"t" * 16, "span_id": b"s" * 8, "name": "n"} | fields
    request.resource_spans.add().scope_spans.add().spans.append(Span(**given))
    return bytes(request.SerializeToString())


@BOTH
@SOME_TIME
@given(request=export_requests())
def test_every_field_arrives(decode: Hot, request: ExportTraceServiceRequest) -> None:
    """Whatever the protobuf library writes, the columns and the kept rest say the same of every span."""
    columns, registry, refused = _taken(decode, request.SerializeToString())
    expected = [
        (resource, scope, span)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    assert (columns.count, refused) == (len(expected), 0)
    for row, (resource, scope, span) in enumerate(expected):
        series = registry.all[columns.series[row]]
        name = resource.resource.attributes[0].value.string_value
        assert series.service == (name or "OTLPResourceNoServiceName")
        assert (series.scope_name, series.name, series.kind) == (scope.scope.name, span.name, span.kind)
        assert int(columns.trace_hi[row]).to_bytes(8) + int(columns.trace_lo[row]).to_bytes(8) == span.trace_id
        assert int(columns.span_id[row]).to_bytes(8) == span.span_id
        assert int(columns.parent_id[row]).to_bytes(8) == (span.parent_span_id or bytes(8))
        assert columns.start_ns[row] == span.start_time_unix_nano
        assert columns.duration_ns[row] == span.end_time_unix_nano - span.start_time_unix_nano
        assert columns.status[row] == span.status.code
        rest = read_rest(columns.rest(row))
        assert rest.attributes == _python_attributes(span.attributes)
        assert (rest.status_message, rest.trace_state) == (span.status.message, span.trace_state)
        assert [(event.time_ns, event.name, event.attributes) for event in rest.events] == [
            (event.time_unix_nano, event.name, _python_attributes(event.attributes)) for event in span.events
        ]
        assert [(link.trace_id, link.span_id, link.attributes) for link in rest.links] == [
            (link.trace_id.hex(), link.span_id.hex(), _python_attributes(link.attributes)) for link in span.links
        ]


@BOTH
@SOME_TIME
@given(request=export_requests(), data=st.data())
def test_damage_is_refused_or_survived(decode: Hot, request: ExportTraceServiceRequest, data: st.DataObject) -> None:
    """A request cut short or with bytes changed is taken or refused with a reason, and never crashes or half-counts."""
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(0, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    body = body[: data.draw(st.integers(0, len(body)))]
    columns = SpanColumns()
    try:
        taken, _ = decode.decode_request(bytes(body), columns, SeriesRegistry())
    except decode.malformed_error as error:
        reason, taken = str(error), 0
    else:
        reason = ""
    assert columns.count == taken
    assert bool(columns.bodies) == bool(taken)
    assert taken == 0 or not reason
    for row in range(taken):
        read_rest(columns.rest(row))


@BOTH
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\x0a\x05\x0a", "runs past"),
        (b"\x0a", "ends within"),
        (b"\x0a" + b"\xff" * 11, "longer than ten"),
        (b"\x0b\x00", "wire type 3"),
        (b"\x02\x00", "is zero"),
    ],
)
def test_malformed_requests_are_told_why(decode: Hot, body: bytes, reason: str) -> None:
    """A malformed request is refused with words for what is wrong."""
    with pytest.raises(decode.malformed_error, match=reason):
        _taken(decode, body)


@BOTH
def test_values_nested_without_end_are_refused(decode: Hot) -> None:
    """A value nested forty deep is refused, instead of exhausting the stack now or a reader later."""
    value = AnyValue(string_value="x")
    for _ in range(40):
        value = AnyValue(array_value=ArrayValue(values=[value]))
    with pytest.raises(decode.malformed_error, match="nested deeper"):
        _taken(decode, _one_span(attributes=[KeyValue(key="deep", value=value)]))


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"trace_id": bytes(16)},
        {"trace_id": b"short"},
        {"trace_id": b""},
        {"span_id": bytes(8)},
        {"span_id": b"much too long"},
        {"start_time_unix_nano": 2**63},
    ],
)
def test_unusable_spans_are_counted_out(decode: Hot, fields: dict[str, Any]) -> None:
    """A span without usable ids or time is refused by itself, and counted."""
    columns, _, refused = _taken(decode, _one_span(**fields))
    assert (columns.count, refused) == (0, 1)


@BOTH
def test_a_span_that_ends_before_it_starts_lasts_nothing(decode: Hot) -> None:
    """Clock skew within a span shows as no duration, never as a negative one."""
    columns, _, _ = _taken(decode, _one_span(start_time_unix_nano=2000, end_time_unix_nano=1000))
    assert (columns.start_ns[0], columns.duration_ns[0]) == (2000, 0)


@BOTH
def test_fields_in_any_order_are_understood(decode: Hot) -> None:
    """A sender that writes the ids after the attributes, as protobuf allows, is understood all the same."""
    attribute = KeyValue(key="k", value=AnyValue(string_value="v")).SerializeToString()
    span = (
        b"\x4a" + bytes([len(attribute)]) + attribute + b"\x12\x08ssssssss" + b"\x0a\x10tttttttttttttttt" + b"\x2a\x01n"
    )
    scope = b"\x12" + bytes([len(span)]) + span
    resource = b"\x12" + bytes([len(scope)]) + scope
    columns, registry, _ = _taken(decode, b"\x0a" + bytes([len(resource)]) + resource)
    assert (columns.count, registry.all[columns.series[0]].name) == (1, "n")
    rest = read_rest(columns.rest(0))
    assert rest.attributes == (("k", "v"),)


def _filter(decode: Hot, request: ExportTraceServiceRequest) -> tuple[Any, bytes, Any]:
    columns, _, _ = _taken(decode, request.SerializeToString())
    rests = [columns.rest(row) for row in range(columns.count)]
    borders = np.cumsum([0, *map(len, rests)], dtype=np.int64)
    bits = np.zeros(1 << 12, np.uint8)
    decode.fill_tag_filter(b"".join(rests), borders, bits)
    return bits, b"".join(rests), borders


@SOME_TIME
@given(request=export_requests())
def test_the_tag_filter_never_misses(request: ExportTraceServiceRequest) -> None:
    """Every attribute of every span, event and link is found by its text."""
    bits, _, _ = _filter(INSTALLED, request)
    all_spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    for span in all_spans:
        given = [span.attributes, *(e.attributes for e in span.events), *(li.attributes for li in span.links)]
        for key, value in (pair for each in given for pair in _python_attributes(each)):
            name, text = key.encode(), value_text(value).encode()
            places = tag_places(name, text, len(bits))
            assert any(all(bits[place >> 3] >> (place & 7) & 1 for place in some) for some in places)


@SOME_TIME
@given(request=export_requests())
def test_compiled_and_plain_hash_alike(request: ExportTraceServiceRequest) -> None:
    """A store written by the compiled code is searched the same by plain Python."""
    assert (_filter(INSTALLED, request)[0] == _filter(PLAIN, request)[0]).all()
