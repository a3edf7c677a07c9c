"""Samplers of the reference SDK on our recorder: what they decide there, they decide here."""

import logging
import random
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider as ReferenceProvider
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_ON,
    AlwaysRecordSampler,
    Decision,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState

from shared.tracing import sampling
from shared.tracing.reference_sampler import sampler_of
from tests.tracing_kit import attributes_of, ended_messages, make_provider

RANDOM = random.Random(7)

SAMPLERS = [
    ALWAYS_ON,
    ALWAYS_OFF,
    DEFAULT_ON,
    TraceIdRatioBased(0.5),
    ParentBasedTraceIdRatio(0.5),
    ParentBased(ALWAYS_ON, remote_parent_sampled=ALWAYS_OFF, local_parent_not_sampled=ALWAYS_ON),
    AlwaysRecordSampler(TraceIdRatioBased(0.5)),
]


class Own(Sampler):
    """Sees what it is asked, adds an attribute and an entry of `tracestate`, and keeps what is not called "noise"."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def should_sample(
        self,
        parent_context: Any,
        trace_id: int,
        name: str,
        kind: Any = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> SamplingResult:
        """Drops noise."""
        parent = trace.get_current_span(parent_context).get_span_context()
        self.asked.append((parent.span_id, trace_id, name, kind, attributes))
        kept = Decision.DROP if name == "noise" else Decision.RECORD_AND_SAMPLE
        return SamplingResult(kept, {"sampled.by": "own"}, TraceState([("own", "1")]))

    def get_description(self) -> str:
        """Its name."""
        return "Own"


class Failing(Own):
    """One with a mistake in it."""

    def should_sample(self, *arguments: Any, **named: Any) -> SamplingResult:
        """Always raises."""
        raise ZeroDivisionError


def parent_in(trace_id: int, *, sampled: bool, remote: bool) -> Any:
    """A context with a span of another process in it, or of another recorder in this one."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    return trace.set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 1, remote, flags)))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.get_description()[:40])
def test_it_decides_as_in_the_reference_sdk(sampler: Sampler) -> None:
    """Under parents of every kind, and for the children of what it decided, the sampled flag is the same."""
    ours = make_provider(sampler=sampler_of(sampler)).get_tracer("ours")
    theirs = ReferenceProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("theirs")
    for _ in range(50):
        trace_id = RANDOM.getrandbits(128) | 1
        for sampled in (True, False):
            for remote in (True, False):
                parent = parent_in(trace_id, sampled=sampled, remote=remote)
                flags = []
                for tracer in (ours, theirs):
                    span = tracer.start_span("outer", parent)
                    child = tracer.start_span("inner", trace.set_span_in_context(span))
                    flags.append([one.get_span_context().trace_flags.sampled for one in (span, child)])
                assert flags[0] == flags[1]
    roots = [ours.start_span("root").get_span_context() for _ in range(200)]
    said = [sampler.should_sample(None, root.trace_id, "root").decision for root in roots]
    assert [root.trace_flags.sampled for root in roots] == [one is Decision.RECORD_AND_SAMPLE for one in said]


def test_it_sees_the_span_and_says_something_about_it() -> None:
    """It is asked with ids, parent, name, kind and attributes; what it answers is on the span and goes on."""
    sampler = Own()
    provider = make_provider(sampler=sampler_of(sampler))
    tracer = provider.get_tracer("tested")
    with tracer.start_as_current_span("outer", kind=SpanKind.SERVER, attributes={"a": 1}) as outer:
        context = outer.get_span_context()
        with tracer.start_as_current_span("noise") as noise:
            assert not noise.is_recording()
    assert sampler.asked == [
        (0, context.trace_id, "outer", SpanKind.SERVER, {"a": 1}),
        (context.span_id, context.trace_id, "noise", SpanKind.INTERNAL, None),
    ]
    (message,) = ended_messages(provider)
    assert attributes_of(message) == {"a": 1, "sampled.by": "own"}
    assert (message.trace_state, context.trace_state.to_header()) == ("own=1", "own=1")


def test_a_parents_word_costs_no_call() -> None:
    """`ParentBased` as it is by default is asked for roots only, one that was told otherwise for all."""
    assert sampler_of(ParentBasedTraceIdRatio(0.01)).parent_based
    assert not sampler_of(ParentBased(ALWAYS_ON, local_parent_sampled=ALWAYS_OFF)).parent_based
    assert not sampler_of(TraceIdRatioBased(0.01)).parent_based


def test_one_that_fails_costs_nothing_but_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """Its mistake is told once and the spans are kept."""
    provider = make_provider(sampler=sampler_of(Failing()))
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            provider.get_tracer("tested").start_span("kept").end()
    assert [record.exc_info is not None for record in caplog.records] == [True]
    assert len(ended_messages(provider)) == 3


def test_a_sampler_of_ours_needs_no_adapter() -> None:
    """It is taken as it is; what is no sampler, or only the class of one, is refused with a word about what is."""
    sampler = sampling.Sampler(0.5)
    assert sampler_of(sampler) is sampler
    for wrong in (0.01, TraceIdRatioBased):
        with pytest.raises(TypeError, match="should_sample"):
            sampler_of(wrong)  # type: ignore[arg-type]
