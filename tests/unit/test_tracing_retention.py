"""Retroactive sampling: which traces are kept, whole, and what the ring may cost."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode

from shared.tracing import statement_spans
from shared.tracing.provider import TracerProvider
from shared.tracing.retention import Retention
from shared.tracing.sampling import Sampler
from shared.tracing.slowness import BUCKETS, WARM_UP, Slowness, bucket_of, lower_edge_ns
from shared.tracing.span import Span
from shared.tracing.span_group import each_span
from tests.tracing_kit import make_provider


class Part:
    """One process: a provider that samples nothing at its head, and its ring."""

    def __init__(self, sampler: Sampler | None = None, **bounds: float) -> None:
        self.provider: TracerProvider = make_provider(sampler=sampler or Sampler(0.0))
        self.provider.buffer.records_unsampled = True
        self.tracer = self.provider.get_tracer("part")
        self.announced: list[int] = []
        slowness = Slowness(quantile=bounds.pop("quantile", 0.0), slow_ms=bounds.pop("slow_ms", 0.0))
        self.retention = Retention(slowness, self.announced.extend, **bounds)  # type: ignore[arg-type]

    def sent(self) -> list[Span]:
        """What the export thread would send now of the spans that ended, and of what others announced."""
        ended = list(self.provider.buffer.ended)
        self.provider.buffer.ended.clear()
        return list(each_span(self.retention.sort(ended) + self.retention.due()))


def names(spans: Sequence[Span]) -> list[str]:
    """The names of spans, sorted."""
    return sorted(span.name for span in spans)


def request(part: Part, error: bool = False, duration_ms: int = 1) -> Span:
    """A root span with one child."""
    root: Span = part.tracer.start_span("request", start_time=10**18)
    part.tracer.start_span("child", trace.set_span_in_context(root)).end()  # type: ignore[arg-type]
    if error:
        root.set_status(Status(StatusCode.ERROR))
    root.end(10**18 + duration_ms * 1_000_000)
    return root


def test_an_error_keeps_its_whole_trace_and_no_other() -> None:
    """What ended before the error is sent with it, what ends later follows; the rest is held."""
    part = Part()
    request(part)
    failed = request(part, error=True)
    assert names(part.sent()) == ["child", "request"]
    assert part.announced == [failed.trace_low]
    part.tracer.start_span("late", trace.set_span_in_context(failed)).end()  # type: ignore[arg-type]
    assert names(part.sent()) == ["late"]
    assert part.retention.held_spans == 2


def test_an_announcement_fetches_what_another_process_holds() -> None:
    """Processes that saw nothing wrong themselves give their spans once the trace's id arrives."""
    gateway, wallet = Part(), Part()
    root: Span = gateway.tracer.start_span("request")
    wallet.tracer.start_span("hold", trace.set_span_in_context(root)).end()  # type: ignore[arg-type]
    assert wallet.sent() == []
    root.set_status(Status(StatusCode.ERROR))
    root.end()
    gateway.sent()
    wallet.retention.announced.put(gateway.announced[0])
    assert names(wallet.sent()) == ["hold"]


def test_statements_that_served_many_traces_are_kept_with_those_that_matter() -> None:
    """A statement for a batch is held once; of it the child of the trace that failed is sent, and no other."""
    part = Part()
    roots: list[Any] = [part.tracer.start_span(f"request {number}") for number in range(3)]
    with statement_spans(roots, "INSERT order", {"db.system.name": "postgresql"}):
        pass
    roots[1].set_status(Status(StatusCode.ERROR))
    for root in roots:
        root.end()
    sent = part.sent()
    assert names(sent) == ["INSERT order", "request 1"]
    statement = next(span for span in sent if span.name == "INSERT order")
    assert (statement.parent_id, statement.attributes["db.operation.batch.size"]) == (roots[1].span_id, 3)
    assert part.retention.held_spans == 4


def test_a_fixed_time_makes_a_request_slow() -> None:
    """Roots that take at least `slow_ms` are kept."""
    part = Part(slow_ms=100)
    request(part, duration_ms=99)
    slow = request(part, duration_ms=100)
    assert {span.trace_id() for span in part.sent()} == {slow.trace_id()}


def test_sampled_traces_go_at_once_and_teach_what_is_slow() -> None:
    """The head sampler's traces are not held; their durations count."""
    part = Part(sampler=Sampler(1.0), quantile=0.9)
    for _ in range(WARM_UP + 200):
        request(part)
    assert len(part.sent()) == 2 * (WARM_UP + 200)
    assert part.announced == []
    assert part.retention.slowness.operations["request"].threshold_ns > 900_000


@pytest.mark.parametrize("seed", range(8))
def test_the_slowest_hundredth_is_kept(seed: int) -> None:
    """Of 20,000 requests all of the slowest 1 % are found, and not five times as many are kept, whatever drifts."""
    dice = random.Random(seed)
    slowness = Slowness(quantile=0.98)
    drift = dice.choice((0.8, 1.0, 1.3))
    kept, all_ms = set(), []
    for number in range(20_000):
        cold = 20.0 if number < 60 else 1.0
        ms = 3.0 * dice.lognormvariate(0, 0.5) * cold * drift ** (number / 20_000)
        all_ms.append(ms)
        if slowness.note("request", int(ms * 1e6)):
            kept.add(number)
    slowest = sorted(range(20_000), key=all_ms.__getitem__)[-200:]
    assert set(slowest) <= kept
    assert len(kept) < 20_000 * 0.05


def test_buckets_are_three_percent_wide() -> None:
    """Every duration lies between the edges of its bucket, and the edges are close."""
    for exponent in range(1, 440):
        duration_ns = int(1.1**exponent)
        index = bucket_of(duration_ns)
        low, high = lower_edge_ns(index), lower_edge_ns(index + 1)
        assert low <= duration_ns < high or index == BUCKETS - 1
        assert high - low <= max(1, low / 31)


def test_the_ring_is_bounded_in_bytes_and_counts_what_it_evicts() -> None:
    """The oldest traces go when the ring is full, and are counted."""
    part = Part(bytes_max=100_000)
    for _ in range(1000):
        request(part)
        part.sent()
    assert part.retention.size <= 100_000
    assert part.retention.counts["evicted"] == 2000 - part.retention.held_spans
    assert part.retention.held_spans > 50


def test_what_nobody_asks_for_expires() -> None:
    """Spans leave the ring after the time they are held, and are counted apart from evicted ones."""
    part = Part(hold_s=0.0)
    request(part)
    assert part.sent() == []
    assert (part.retention.held_spans, part.retention.size, part.retention.ring) == (0, 0, {})
    assert part.retention.counts["expired"] == 2


def test_an_outage_does_not_flood_the_backend() -> None:
    """Beyond its allowance a process finds no more traces to matter, and counts them."""
    part = Part(kept_per_s_max=10)
    for _ in range(50):
        request(part, error=True)
    part.sent()
    assert len(part.announced) == 10
    assert part.retention.counts["triggers_limited"] == 40


def test_unsampled_spans_say_so_downstream() -> None:
    """A held span records, but tells other services the head sampler's decision."""
    part = Part()
    span: Span = part.tracer.start_span("request")
    assert span.is_recording()
    assert not span.get_span_context().trace_flags.sampled
    assert span.traceparent().endswith("-02")
