"""jaegerlite's own search against one that looks at every span, and its language."""

import functools
import operator
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from jaegerlite.find.language import And, AnyText, Condition, Expression, Not, Or, parse
from jaegerlite.find.run import Result, Search, search
from jaegerlite.jaeger_params import ParameterError
from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.search import TraceQuery, find_traces
from jaegerlite.store import Store
from jaegerlite.traces import Span as StoredSpan
from jaegerlite.traces import load_traces

BEGAN_NS = 1_790_000_000_000_000_000
MS = 1_000_000
TRACES = 30
ALL: Final = {"start_ns_min": 0, "start_ns_max": 2**62}


def _request(rng: random.Random, trace: int) -> bytes:
    """A trace of two to six spans of two services: the shop, and in every third trace the bank in place of the till."""
    export = ExportTraceServiceRequest()
    for service in ("shop", "till" if trace % 3 else "bank"):
        resource = export.resource_spans.add()
        resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=service))
        resource.resource.attributes.add(key="zone", value=AnyValue(string_value=rng.choice(("north", "south"))))
        scope = resource.scope_spans.add()
        scope.scope.name = f"lib-{service}"
        for place in range(rng.randrange(1, 4)):
            start_ns = BEGAN_NS + trace * 1000 * MS + place * MS
            span = Span(
                trace_id=(0xAA00 + trace).to_bytes(16),
                span_id=rng.randbytes(8),
                name=rng.choice(("GET /a", "POST /b")),
                kind=rng.choice(Span.SpanKind.values()),
                start_time_unix_nano=start_ns,
                end_time_unix_nano=start_ns + rng.randrange(1, 20) * MS,
                status=Status(code=rng.choice(Status.StatusCode.values()), message=rng.choice(("", "too late"))),
            )
            values = {
                "n": AnyValue(int_value=rng.randrange(5)),
                "ratio": AnyValue(double_value=rng.choice((0.5, 2.0))),
                "note": AnyValue(string_value=rng.choice(("Order rejected", "order filled", "42"))),
                "list": AnyValue(
                    array_value=ArrayValue(values=[AnyValue(string_value="first"), AnyValue(int_value=7)])
                ),
                "zone": AnyValue(string_value="west"),
            }
            span.attributes.extend(KeyValue(key=k, value=v) for k, v in values.items() if rng.random() < 0.5)
            span.events.add(name=rng.choice(("began", "ended"))).attributes.add(
                key="step", value=AnyValue(string_value=rng.choice("xy"))
            )
            scope.spans.append(span)
    return bytes(export.SerializeToString())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store of some traces, in many chunks."""
    rng = random.Random(5)
    made = Store(tmp_path_factory.mktemp("find"))
    for trace in range(TRACES):
        made.add(_request(rng, trace))
        if trace % 5 == 4:
            made.flush(made.swap())
    yield made
    made.close()


def _search(store: Store, expression: Expression, **options: Any) -> Result:
    with store.snapshot(store.cursor()) as snapshot:
        return search(store, snapshot, Search(expression, **{**ALL, "limit": 1000, **options}))


@functools.cache
def _all_spans(store: Store) -> dict[int, list[StoredSpan]]:
    with store.snapshot(store.cursor()) as snapshot:
        keys = find_traces(store, snapshot, TraceQuery(0, 2**62, limit=1000))
        return {key[1]: spans for key, spans in load_traces(store, snapshot, keys).items()}


def _values(span: StoredSpan, key: str) -> list[Any]:
    """Every value that the span has under a key, as Jaeger shows it."""
    rest, series = span.rest, span.series
    fields = {
        "service": series.service,
        "operation": series.name,
        "duration": span.duration_ns,
        "span.kind": series.kind_name,
        "span.status": ("unset", "ok", "error")[span.status],
        "scope.name": series.scope_name,
    }
    if key in fields:
        return [fields[key]]
    if key.startswith("resource."):
        return [v for k, v in series.resource_attributes if k == key.removeprefix("resource.")]
    pairs = [*rest.attributes, *series.resource_attributes]
    for event in rest.events:
        pairs += event.attributes
    return [v for k, v in pairs if k == key]


def _fits(span: StoredSpan, expression: Expression) -> bool:
    """The meaning of an expression, said as plainly as can be."""
    if isinstance(expression, And):
        return all(_fits(span, part) for part in expression.parts)
    if isinstance(expression, Or):
        return any(_fits(span, part) for part in expression.parts)
    if isinstance(expression, Not):
        return not _fits(span, expression.part)
    assert isinstance(expression, Condition)
    return any(_compares(value, expression) for value in _values(span, expression.key))


def _compares(value: Any, condition: Condition) -> bool:
    if condition.comparison == "~":
        parts = value if isinstance(value, list) else [value]
        return any(condition.text.lower() in str(part).lower() for part in parts)
    if condition.comparison in ("=", "!="):
        is_number = isinstance(value, int | float) and condition.number is not None
        same = value == condition.number if is_number else str(value).lower() == condition.text.lower()
        return same == (condition.comparison == "=")
    orders: dict[str, Callable[[Any, Any], bool]] = {
        ">": operator.gt,
        "<": operator.lt,
        ">=": operator.ge,
        "<=": operator.le,
    }
    try:
        return orders[condition.comparison](float(value), condition.number)
    except (TypeError, ValueError):
        return False


def _texts(key: str, comparisons: str, *texts: str) -> list[str]:
    return [f'{key} {comparison} "{text}"' for comparison in comparisons.split() for text in texts]


CONDITIONS: Final = [
    *_texts("service", "= != ~", "shop", "ti"),
    *_texts("operation", "= ~", "GET /a", "get"),
    *_texts("span.kind", "= !=", "server", "client"),
    *_texts("span.status", "= !=", "error", "ok"),
    *_texts("scope.name", "= ~", "lib-till"),
    *_texts("duration", "> < >= <=", "5ms", "12ms"),
    *_texts("resource.zone", "= != ~", "north", "west"),
    *_texts("zone", "= ~", "north", "west"),
    *_texts("n", "= != > <= ~", "3", "0"),
    *_texts("ratio", "= > <=", "0.5", "2"),
    *_texts("note", "= != ~", "42", "order", "Order rejected"),
    *_texts("list", "~", "FIRST"),
    *_texts("step", "= ~", "x"),
    *_texts("missing", "= != ~ >", "1"),
]


@given(
    st.recursive(
        st.sampled_from(CONDITIONS),
        lambda inside: st.one_of(
            st.tuples(inside, inside).map(lambda two: f"({two[0]} AND {two[1]})"),
            st.tuples(inside, inside).map(lambda two: f"({two[0]} OR {two[1]})"),
            inside.map(lambda one: f"NOT {one}"),
        ),
        max_leaves=5,
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_search_finds_what_looking_at_every_span_finds(store: Store, text: str) -> None:
    """Whatever is joined by AND, OR and NOT, the traces found and the spans counted are those that fit."""
    expression = parse(text)
    fitting = {key: sum(_fits(span, expression) for span in spans) for key, spans in _all_spans(store).items()}
    result = _search(store, expression)
    assert {summary.key[1]: spans for summary, spans in result.traces} == {k: n for k, n in fitting.items() if n}
    assert result.total == len(result.traces)
    assert result.spans_total == sum(fitting.values())
    assert result.is_complete


def test_text_is_found_anywhere(store: Store) -> None:
    """A bare text is found in attributes, events, resources and names, in any case, and nowhere else."""
    for text in ("ORDER", '"order rejected"', "north", "GET", "first", "till"):
        assert _search(store, parse(text)).total > 0
    assert _search(store, parse('"no such text"')).total == 0


def test_whole_traces_can_be_asked_for(store: Store) -> None:
    """`trace.duration` and `trace.spans` speak of the trace, whichever of its spans fits the rest."""
    lasted = {
        key: max(s.start_ns + s.duration_ns for s in spans) - min(s.start_ns for s in spans)
        for key, spans in _all_spans(store).items()
    }
    found = _search(store, parse("trace.duration > 15ms trace.spans >= 3"))
    wanted = {k for k, spans in _all_spans(store).items() if lasted[k] > 15 * MS and len(spans) >= 3}
    assert {summary.key[1] for summary, _ in found.traces} == wanted
    assert found.total == len(wanted) > 0


@pytest.mark.parametrize(
    ("text", "takes_part"),
    [("service = shop trace.service = bank", True), ("trace.service != bank trace.spans > 0", False)],
)
def test_services_of_the_trace_can_be_asked_for(store: Store, text: str, takes_part: bool) -> None:
    """`trace.service` asks who else takes part in the trace, or that somebody does not."""
    wanted = {
        key for key, spans in _all_spans(store).items() if any(s.series.service == "bank" for s in spans) == takes_part
    }
    found = _search(store, parse(text))
    assert {summary.key[1] for summary, _ in found.traces} == wanted
    assert 0 < found.total == len(wanted) < TRACES


def test_the_slowest_part_and_its_order(store: Store) -> None:
    """`slowest 10 %` keeps that part of the traces found, longest first when sorted so; a page says the true total."""
    lasted = sorted((s.duration_ns for s, _ in _search(store, parse("")).traces), reverse=True)
    result = _search(store, parse(""), slowest_percent=10, by_duration=True)
    assert [summary.duration_ns for summary, _ in result.traces] == [d for d in lasted if d >= lasted[TRACES // 10 - 1]]
    page = _search(store, parse(""), by_duration=True, limit=5, offset=10)
    assert (page.total, [summary.duration_ns for summary, _ in page.traces]) == (TRACES, lasted[10:15])
    newest = [summary.start_ns for summary, _ in _search(store, parse(""), limit=5).traces]
    assert newest == sorted(newest, reverse=True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a = b", Condition("a", "=", "b")),
        ("a=5", Condition("a", "=", "5", 5.0)),
        ("duration > 5ms", Condition("duration", ">", "5ms", 5e6)),
        ('a = "x y" b != c', And((Condition("a", "=", "x y"), Condition("b", "!=", "c")))),
        ('"say \\"hi\\""', AnyText('say "hi"')),
        ("a or b and not c", Or((AnyText("a"), And((AnyText("b"), Not(AnyText("c"))))))),
        ("(a OR b) c", And((Or((AnyText("a"), AnyText("b"))), AnyText("c")))),
        ("", And(())),
    ],
)
def test_the_language(text: str, meant: Expression) -> None:
    """AND binds closer than OR, NOT closer than both, AND may be left out, quotes hold anything."""
    assert parse(text) == meant


@pytest.mark.parametrize(
    "text",
    ["(", ")", "a =", "= a", "AND", "a AND", "NOT", "a OR", '"', '""', "a > b", "duration > 5", "(a", "a)", "!",
     "trace.spans = x", "(" * 50 + "a" + ")" * 50, "NOT " * 30 + "a", " ".join("a" * 60), "x" * 5000, "duration ~ 5ms",
     "trace.service > a", '"" = a'],
)  # fmt: skip
def test_what_is_no_expression_is_refused_with_a_reason(text: str) -> None:
    """A query that cannot be read is refused by name, never guessed at."""
    with pytest.raises(ParameterError, match=r"^q: "):
        parse(text)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever is typed, the parser gives an expression or a reason."""
    try:
        parse(text)
    except ParameterError as error:
        assert str(error).startswith("q: ")  # noqa: PT017


def test_traces_under_or_are_refused(store: Store) -> None:
    """A condition on the trace inside OR or NOT is refused, since a span cannot answer it."""
    for text in ("trace.duration > 1s OR a = b", "NOT trace.spans > 3", "a = b OR trace.service = c"):
        with pytest.raises(ParameterError, match="can be joined by AND only"):
            _search(store, parse(text))


def test_a_search_that_takes_too_long_ends(store: Store) -> None:
    """A query past its time ends with an error that says so."""
    limits = QueryLimits(seconds_max=0.0)
    time.sleep(0.001)
    with store.snapshot(store.cursor(), limits) as snapshot, pytest.raises(QueryLimitError, match="longer than 0 s"):
        search(store, snapshot, Search(parse("note ~ order"), 0, 2**62))
