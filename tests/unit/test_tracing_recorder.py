"""The recorder behind the OpenTelemetry API: context, ids, errors, limits, sampling, clocks."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import context as context_api
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, TraceState

from shared.tracing import context_from, current_traceparent, record_error, traceparent_of
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from tests.tracing_kit import attributes_of, ended_messages, ended_spans, make_provider

REMOTE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_spans_are_spans_of_the_api() -> None:
    """Code that checks for the API's types takes our provider, tracer and span for what they are."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    assert isinstance(provider, trace.TracerProvider)
    assert isinstance(tracer, trace.Tracer)
    assert isinstance(tracer.start_span("a"), trace.Span)


def test_nested_spans_form_one_trace() -> None:
    """A span started inside another is its child, and the outer one is current again afterwards."""
    tracer = make_provider().get_tracer("library")
    with tracer.start_as_current_span("outer") as outer:
        with tracer.start_as_current_span("inner") as inner:
            assert current_traceparent() == traceparent_of(inner)
        assert current_traceparent() == traceparent_of(outer)
    assert inner.parent == outer.get_span_context()
    assert not trace.get_current_span().get_span_context().is_valid


def test_a_remote_parent_is_continued() -> None:
    """A span under an extracted context carries on its trace, flags and tracestate, and says the parent is remote."""
    context = propagate.extract({"traceparent": REMOTE, "tracestate": "vendor=1"})
    span = make_provider().get_tracer("library").start_span("served", context)
    assert f"{span.get_span_context().trace_id:032x}" == REMOTE[3:35]
    assert span.parent.is_remote
    assert span.get_span_context().trace_state == TraceState([("vendor", "1")])
    carrier: dict[str, str] = {}
    propagate.inject(carrier, trace.set_span_in_context(span))
    assert carrier == {"traceparent": traceparent_of(span), "tracestate": "vendor=1"}


def test_concurrent_tasks_do_not_mix_their_spans() -> None:
    """Each asyncio task sees its own current span however the tasks interleave."""
    tracer = make_provider().get_tracer("library")

    async def work(name: str) -> bool:
        with tracer.start_as_current_span(name) as span:
            for _ in range(20):
                await asyncio.sleep(0)
                if trace.get_current_span() is not span:
                    return False
        return True

    async def all_work() -> list[bool]:
        with tracer.start_as_current_span("parent"):
            return await asyncio.gather(*(work(f"task {number}") for number in range(20)))

    assert all(asyncio.run(all_work()))


def test_threads_start_with_no_current_span() -> None:
    """A thread has a context of its own, and a context handed over by hand carries the trace into it."""
    tracer = make_provider().get_tracer("library")
    with tracer.start_as_current_span("outer") as outer, ThreadPoolExecutor(1) as pool:
        assert pool.submit(current_traceparent).result() == ""
        context = context_api.get_current()
        inner = pool.submit(tracer.start_span, "inner", context).result()
    assert inner.parent.span_id == outer.get_span_context().span_id


def test_many_threads_lose_no_span_and_share_no_id() -> None:
    """Spans ended at once by many threads all arrive, each with an id of its own."""
    provider = make_provider(max_queue_size=100_000)
    tracer = provider.get_tracer("library")

    def work() -> None:
        for _ in range(2_000):
            tracer.start_span("work").end()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({span.get_span_context().span_id for span in ended_spans(provider)}) == 16_000


def test_decorated_functions_get_a_span_per_call() -> None:
    """The decorator form works for plain and async functions, and spans of async ones last until they return."""
    provider = make_provider()
    tracer = provider.get_tracer("library")

    @tracer.start_as_current_span("plain")
    def plain() -> str:
        return current_traceparent()

    @tracer.start_as_current_span("slow")
    async def slow() -> str:
        await asyncio.sleep(0.01)
        return current_traceparent()

    assert plain() != plain()
    assert len(asyncio.run(slow())) == 55
    ended = ended_messages(provider)
    assert [span.name for span in ended] == ["plain", "plain", "slow"]
    assert ended[2].end_time_unix_nano - ended[2].start_time_unix_nano >= 9_000_000


def test_an_exception_marks_the_span_and_goes_on() -> None:
    """Leaving a block by an exception records the event with its stack trace, sets ERROR, and the caller gets it."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    with pytest.raises(LookupError), tracer.start_as_current_span("fails"):
        raise LookupError("not there")
    (span,) = ended_messages(provider)
    assert (span.status.code, span.status.message) == (2, "LookupError: not there")
    event = attributes_of(span.events[0])
    assert (event["exception.type"], event["exception.message"]) == ("LookupError", "not there")
    assert "test_tracing_recorder.py" in event["exception.stacktrace"]


def test_exceptions_can_be_left_out() -> None:
    """`record_exception=False` and `set_status_on_exception=False` leave the span as it is."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    with (
        pytest.raises(LookupError),
        tracer.start_as_current_span("quiet", record_exception=False, set_status_on_exception=False),
    ):
        raise LookupError
    (span,) = ended_messages(provider)
    assert not span.events
    assert span.status.code == 0


def test_cancellation_is_no_error() -> None:
    """What is no Exception, such as a cancelled task, ends the span without marking it."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    with pytest.raises(asyncio.CancelledError), tracer.start_as_current_span("cancelled"):
        raise asyncio.CancelledError
    assert ended_messages(provider)[0].status.code == 0


def test_status_ok_is_final() -> None:
    """After OK no other status counts; UNSET never takes one back; a description belongs to ERROR alone."""
    span = make_provider().get_tracer("library").start_span("a")
    span.set_status(StatusCode.ERROR, "first")
    span.set_status(Status(StatusCode.UNSET))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "first")
    span.set_status(StatusCode.OK, "ignored")
    span.set_status(StatusCode.ERROR, "too late")
    assert (span.status.status_code, span.status.description) == (StatusCode.OK, None)


def test_an_ended_span_does_not_change(caplog: pytest.LogCaptureFixture) -> None:
    """After the end nothing is recorded any more, and a second end is warned about and ignored."""
    provider = make_provider()
    span = provider.get_tracer("library").start_span("a")
    span.end(5)
    span.set_attribute("late", 1)
    span.add_event("late")
    span.update_name("late")
    span.end(6)
    assert not span.is_recording()
    assert (span.name, dict(span.attributes), span.events, span.end_time) == ("a", {}, (), 5)
    assert len(provider.buffer.ended) == 1
    assert "ended twice" in caplog.text


def test_limits_drop_and_count() -> None:
    """Beyond its limits a span keeps the first attributes and the latest events and links, and says what it lost."""
    limits = Limits(span_attributes=2, events=2, links=1, event_attributes=1, span_value_length=3, value_length=4)
    provider = make_provider(limits)
    span = provider.get_tracer("library").start_span("a", attributes={"a": "12345", "b": 1, "c": 2})
    span.set_attribute("a", "abcdef")
    span.set_attribute("d", 1)
    for name in ("first", "second", "third"):
        span.add_event(name, {"x": "123456", "y": 2})
    for number in (1, 2):
        span.add_link(SpanContext(number, number, False, TraceFlags(1)))
    span.end()
    (message,) = ended_messages(provider)
    assert attributes_of(message) == {"a": "abc", "b": 1}
    assert message.dropped_attributes_count == 2
    assert [event.name for event in message.events] == ["second", "third"]
    assert (message.dropped_events_count, message.dropped_links_count) == (1, 1)
    assert attributes_of(message.events[0]) == {"x": "1234"}
    assert message.events[0].dropped_attributes_count == 1
    assert int.from_bytes(message.links[0].span_id, "big") == 2


def test_attributes_are_copied() -> None:
    """Changing a mapping or list after it was given to a span does not change the span."""
    provider = make_provider()
    numbers, given = [1, 2], {"a": "before"}
    span = provider.get_tracer("library").start_span("a", attributes=given)
    span.set_attribute("numbers", numbers)
    given["a"] = "after"
    numbers.append(3)
    span.end()
    assert attributes_of(ended_messages(provider)[0]) == {"a": "before", "numbers": [1, 2]}


def test_links_to_nowhere_are_ignored() -> None:
    """An invalid link without attributes is not kept; one with attributes is."""
    span = make_provider().get_tracer("library").start_span("a", links=[Link(trace.INVALID_SPAN_CONTEXT)])
    assert span.links == ()
    span.add_link(trace.INVALID_SPAN_CONTEXT, {"why": "kept"})
    assert len(span.links) == 1


def test_times_can_be_given() -> None:
    """Explicit start, event and end times are sent as given."""
    provider = make_provider()
    span = provider.get_tracer("library").start_span("a", start_time=1_000)
    span.add_event("b", timestamp=1_500)
    span.end(2_000)
    (message,) = ended_messages(provider)
    times = (message.start_time_unix_nano, message.events[0].time_unix_nano, message.end_time_unix_nano)
    assert times == (1_000, 1_500, 2_000)


def test_children_lie_within_their_parents() -> None:
    """Times inside one process never contradict the nesting of its spans."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    for _ in range(200):
        with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
            pass
    ended = ended_messages(provider)
    for inner, outer in zip(ended[::2], ended[1::2], strict=True):
        assert outer.start_time_unix_nano <= inner.start_time_unix_nano
        assert inner.start_time_unix_nano <= inner.end_time_unix_nano <= outer.end_time_unix_nano


def test_a_full_buffer_drops_the_oldest_and_counts() -> None:
    """The buffer of ended spans never grows beyond its bound."""
    provider = make_provider(max_queue_size=10)
    tracer = provider.get_tracer("library")
    for number in range(25):
        tracer.start_span(str(number)).end()
    assert [span.name for span in ended_spans(provider)] == [str(number) for number in range(15, 25)]
    assert (provider.buffer.recorded, provider.buffer.dropped) == (25, 15)


def test_a_sampled_out_span_passes_its_decision_on() -> None:
    """A trace that is not kept records nothing, yet has ids that its children and other services carry on."""
    provider = make_provider(sampler=Sampler(0.0))
    tracer = provider.get_tracer("library")
    with tracer.start_as_current_span("root", attributes={"a": 1}) as root:
        child = tracer.start_span("child")
        assert current_traceparent().endswith("-02")
    assert not root.is_recording()
    assert child.get_span_context().trace_id == root.get_span_context().trace_id
    assert not child.get_span_context().trace_flags.sampled
    assert (len(provider.buffer.ended), provider.buffer.sampled_out) == (0, 2)


def test_a_parents_decision_is_followed() -> None:
    """Parent-based sampling keeps what the caller keeps, whatever the ratio; without it the ratio alone decides."""
    follows = make_provider(sampler=Sampler(0.0)).get_tracer("library")
    decides = make_provider(sampler=Sampler(0.0, parent_based=False)).get_tracer("library")
    assert follows.start_span("a", context_from(REMOTE)).is_recording()
    assert not decides.start_span("a", context_from(REMOTE)).is_recording()


def test_a_ratio_keeps_its_share_and_all_processes_agree() -> None:
    """A tenth of the traces is kept at ratio 0.1, and which ones depends on the trace id alone."""
    sampler = Sampler(0.1)
    tracer = make_provider(sampler=sampler, max_queue_size=1).get_tracer("library")
    spans = [tracer.start_span("a") for _ in range(20_000)]
    assert 1_700 < sum(span.is_recording() for span in spans) < 2_300
    other = Sampler(0.1)
    for span in spans:
        low = span.get_span_context().trace_id & (2**64 - 1)
        assert other.keep(low, "a", span.kind, None) == span.is_recording()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        REMOTE.upper(),
        REMOTE[:-1],
        REMOTE + "-00",
        REMOTE.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + REMOTE[35:],
        REMOTE[:36] + "0" * 16 + "-01",
        REMOTE.replace("-", "_"),
        REMOTE[:10] + "é" + REMOTE[11:],
        REMOTE[:10] + " " + REMOTE[11:],
        REMOTE[:10] + "_" + REMOTE[11:],
    ],
)
def test_malformed_traceparents_start_a_new_trace(header: str) -> None:
    """A header that breaks the W3C rules is as good as none."""
    assert context_from(header) == {}


def test_traceparents_of_later_versions_are_read() -> None:
    """A header of a later version may carry more fields, which are skipped."""
    span = trace.get_current_span(context_from(REMOTE.replace("00-", "cc-", 1) + "-what-comes"))
    assert traceparent_of(span) == REMOTE


def test_record_error_takes_exceptions_and_messages() -> None:
    """`record_error` leaves an event, `error.type` and ERROR, and lets the caller name a type of low cardinality."""
    provider = make_provider()
    tracer = provider.get_tracer("library")
    for error, kind in ((KeyError("x"), None), ("refused", None), ("refused", "limit_exceeded")):
        span = tracer.start_span("a")
        record_error(span, error, kind)
        span.end()
    ended = ended_messages(provider)
    assert [attributes_of(span)["error.type"] for span in ended] == ["KeyError", "_OTHER", "limit_exceeded"]
    assert all(span.status.code == 2 and len(span.events) == 1 for span in ended)
