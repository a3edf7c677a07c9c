"""Jaeger's JSON of spans, written at once where their tags are plain, and encoded from what was read where not."""

from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from jaegerlite import jaeger_json, span_json
from jaegerlite.jaeger_json import trace_json
from jaegerlite.otlp_spans import spans_from_otlp
from jaegerlite.span_json import SpanWriter
from tests.unit.test_jaegerlite_decode import SOME_TIME, export_requests

RECORDING = Path(__file__).parent.parent / "data" / "exchange_traces.otlp.zst"
KEYS = st.sampled_from(["b", "a", "a", "aa", "", "é", "span.kind", "otel.status_code", "error", 'q"'])
TEXTS = st.sampled_from(["", "plain", 'quoted "', "back\\slash", "é", "line\n", "\x7f", "x" * 300])
VALUES = st.one_of(
    st.builds(AnyValue, string_value=TEXTS),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.one_of(st.integers(-200, 200), st.integers(-(1 << 63), (1 << 63) - 1))),
    st.builds(AnyValue, double_value=st.sampled_from([0.5, -1.0])),
    st.just(AnyValue()),
)


class _NoWriter:
    """Writes nothing, so that all is encoded."""

    def __init__(self, *_: object) -> None:
        pass

    def write(self, *_: object) -> None:
        return None


def _both(message: bytes, *, raw: bool) -> tuple[bytes, bytes]:
    """The JSON of all traces as it is written, and as it is where nothing counts as plain."""
    traces = spans_from_otlp(message)
    written = b"".join(bytes(trace_json(key, spans, raw=raw)) for key, spans in traces.items())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaeger_json, "SpanWriter", _NoWriter)
        return written, b"".join(bytes(trace_json(key, spans, raw=raw)) for key, spans in traces.items())


@SOME_TIME
@given(request=export_requests(), raw=st.booleans())
def test_any_span_is_written_as_it_is_encoded(request: ExportTraceServiceRequest, *, raw: bool) -> None:
    """Whatever a span holds, writing its tags from their bytes gives the same JSON as reading and encoding them."""
    written, encoded = _both(request.SerializeToString(), raw=raw)
    assert written == encoded


@SOME_TIME
@given(pairs=st.lists(st.tuples(KEYS, VALUES), max_size=70), status=st.integers(0, 2), raw=st.booleans())
def test_any_attributes_are_written_as_they_are_encoded(
    pairs: list[tuple[str, AnyValue]], status: int, *, raw: bool
) -> None:
    """Keys that come twice, texts that JSON escapes, and numbers of any size come out as the encoder has them."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.append(
        Span(
            trace_id=bytes(15) + b"t",
            span_id=b"spanspan",
            parent_span_id=b"parentid" if status else b"",
            name='the "name"',
            kind=Span.SPAN_KIND_SERVER,
            attributes=[KeyValue(key=key, value=value) for key, value in pairs],
            status={"code": status},  # type: ignore[arg-type]
        )
    )
    written, encoded = _both(request.SerializeToString(), raw=raw)
    assert written == encoded


def test_the_spans_of_the_exchange_are_plain() -> None:
    """Nearly all recorded spans are written at once where the module is compiled, and their JSON is the same."""
    message = zstandard.decompress(RECORDING.read_bytes())
    written, encoded = _both(message, raw=False)
    assert written == encoded
    spans = [span for trace in spans_from_otlp(message).values() for span in trace]
    writer = SpanWriter(b"1", b'"name"', b"p1", [], True)
    plain = sum(writer.write(1, 0, 0, 0, span.rest_bytes, []) is not None for span in spans)
    is_compiled = str(span_json.__file__).endswith(".so")
    assert plain > 0.9 * len(spans) if is_compiled else plain == 0
