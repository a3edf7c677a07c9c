"""What the doctor makes of figures, traces and settings."""

from typing import Any

import pytest

from outcry.doctor_rules import (
    HANDOVERS,
    SKEW_US_MAX,
    SpanCounts,
    clock,
    continued,
    knock,
    pairs,
    protocols,
    span_counts,
    spans_sent,
    together,
)
from outcry.doctor_variables import configuration, read
from outcry.settings import Settings

FIGURES = """# TYPE outcry_spans_total counter
outcry_spans_total{state="recorded",reason=""} 7.0
outcry_spans_total{state="sampled_out",reason=""} 3.0
outcry_spans_total{state="exported",reason=""} 4.0
outcry_spans_total{state="dropped",reason="queue_full"} 2.0
outcry_spans_total{state="dropped",reason="rejected"} 0.0
# TYPE outcry_spans_waiting gauge
outcry_spans_waiting{for="export"} 1.0
outcry_spans_waiting{for="trigger"} 9.0
"""

COUNTS = SpanCounts(recorded=7, sampled_out=0, sent=7, waiting=0, dropped={})


def span(name: str, service: str, parent: str, start_us: int) -> dict[str, Any]:
    """A span as the backend gives it, with the name of its service."""
    references = [{"refType": "CHILD_OF", "spanID": parent}] if parent else []
    return {"spanID": name, "service": service, "references": references, "startTime": start_us}


def whole_trace() -> list[dict[str, Any]]:
    """A trace with every hand-over in it."""
    spans = [span("root", "client-gateway", "", 0)]
    for number, (giver, taker) in enumerate(HANDOVERS):
        parent = next(s["spanID"] for s in spans if s["service"] == giver)
        spans.append(span(f"s{number}", taker, parent, number + 1))
    return spans


def test_a_whole_trace_is_fine() -> None:
    """Nothing is found where every service handed the trace on."""
    assert [finding.fine for finding in pairs("t", whole_trace())] == [True]


@pytest.mark.parametrize(("giver", "taker"), HANDOVERS)
def test_each_broken_hand_over_is_named(giver: str, taker: str) -> None:
    """Where a service began a trace of its own instead of going on, giver and taker are named."""
    spans = whole_trace()
    owner = {s["spanID"]: s["service"] for s in spans}
    for s in spans:
        if s["service"] == taker and s["references"] and owner[s["references"][0]["spanID"]] == giver:
            s["references"] = []
    (finding,) = pairs("t", spans)
    assert not finding.fine
    assert f"{giver} → {taker}" in finding.seen


def test_a_trace_that_never_came_is_told() -> None:
    """No span at all is a finding of its own."""
    assert not pairs("t", [])[0].fine


def test_a_clock_that_is_behind_is_named() -> None:
    """A child that begins well before its parent tells of two clocks; a little earlier is no finding."""
    spans = whole_trace()
    spans[1]["startTime"] = -SKEW_US_MAX
    assert clock(spans).fine
    spans[1]["startTime"] = -SKEW_US_MAX - 1
    assert "user-service behind client-gateway" in clock(spans).seen
    assert not clock(spans).fine


def test_figures_are_read() -> None:
    """The counts of a service's metrics, without reasons that never happened."""
    assert span_counts(FIGURES) == SpanCounts(7, 3, 4, 1, {"queue_full": 2})


def test_several_processes_of_a_service_count_together() -> None:
    """Engines that share the symbols are one service."""
    lost = COUNTS._replace(dropped={"rejected": 2})
    assert together([COUNTS]) == COUNTS
    assert together([lost, COUNTS, lost]) == SpanCounts(21, 0, 21, 0, {"rejected": 4})


@pytest.mark.parametrize(
    ("after", "seen"),
    [
        ({"recorded": 9, "sent": 9}, ""),
        ({"recorded": 9, "sent": 9, "waiting": 2}, ""),
        ({"recorded": 9, "sent": 7, "dropped": {"queue_full": 2}}, "dropped: 2 queue_full"),
        ({"recorded": 9, "sent": 7, "waiting": 2}, "2 spans wait"),
        ({"recorded": 9, "sent": 0}, "none was sent"),
        ({}, "tracing is off in it"),
        ({"sampled_out": 4}, "samples out what others keep"),
    ],
)
def test_a_service_whose_spans_do_not_leave_is_found(after: dict[str, Any], seen: str) -> None:
    """Lost, stuck, sampled out and never recorded spans are told apart by two readings with an order in between."""
    before = COUNTS._replace(waiting=1 if after.get("waiting") else 0)
    finding = spans_sent("reporting", before, before._replace(waiting=0)._replace(**after), probed=True)
    assert (finding.fine, seen in finding.seen, bool(finding.remedy)) == (not seen, True, bool(seen))


def test_a_service_that_nobody_asked_anything_may_record_nothing() -> None:
    """Without an order in between nothing is made of that."""
    assert spans_sent("reporting", COUNTS, COUNTS, probed=False).fine


def test_a_gateway_that_does_not_go_on_is_found() -> None:
    """The answer names the trace that was sent; else there is a word about propagators, or about tracing itself."""
    assert continued("ab", "ab") is None
    other, none = continued("ab", "cd"), continued("ab", "")
    assert other is not None
    assert "OTEL_PROPAGATORS" in other.remedy
    assert none is not None
    assert "OTEL_SDK_DISABLED" in none.remedy


@pytest.mark.parametrize(
    ("variables", "seen"),
    [
        ({}, ""),
        ({"OTEL_SDK_DISABLED": "true"}, "switches tracing off"),
        ({"OTEL_TRACES_EXPORTER": "none"}, "sends no span"),
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "not known"),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, "keeps no trace"),
        ({"OTEL_TRACES_SAMPLER": "parentbased_traceidration"}, "unknown sampler"),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1%"}, "no argument"),
        ({"OTEL_TRACES_SAMPLER_ARG": "0.1"}, "has no effect"),
        ({"OTEL_PROPAGATORS": "b3"}, "continues nobody's traceparent"),
        ({"OTEL_BSP_SCHEDULE_DELAY": "soon"}, "must be a number"),
        ({"OTEL_TRACE_SAMPLER": "always_on"}, "OTEL_TRACE_SAMPLER is read by nobody"),
        ({"JEAGER_HOST": "127.0.0.1"}, "JEAGER_HOST is read by nobody"),
        ({"TRACING_ENDPOINT": "127.0.0.1:4318"}, "TRACING_ENDPOINT is read by nobody"),
        ({"JAEGER_PORT": "6831"}, "has no effect"),
        ({"JAEGER_HOST": "127.0.0.1", "JAEGER_PORT": "1234"}, "implies no protocol"),
        ({"JAEGER_HOST": "127.0.0.1", "JAEGER_PORT": "6831"}, ""),
        ({"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "otlp", "OTEL_SEMCONV_STABILITY_OPT_IN": "http"}, ""),
        ({"TRACING_RETROACTIVE": "true", "TRACING_SLOW_MS": "20", "OTEL_SERVICE_NAME": "a"}, ""),
    ],
)
def test_variables_that_defeat_tracing_are_found(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], seen: str
) -> None:
    """What switches tracing off, has no effect, can't be read or is misspelt is named, with what to do."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = configuration(Settings(), variables)
    assert [finding.fine for finding in found] == [not seen]
    assert seen in found[0].seen
    assert bool(found[0].remedy) == bool(seen)


def test_the_place_that_spans_are_sent_to_is_knocked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint of the environment is tried, whatever variable names it."""
    for variables in (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"JAEGER_HOST": "127.0.0.1", "JAEGER_PORT": "14268"},
    ):
        with monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            (found,) = protocols(Settings(), read(variables).settings.destinations[:1])
        place = variables.get("JAEGER_PORT", "127.0.0.1:1")
        assert place in found.seen


def test_a_closed_port_is_found() -> None:
    """A port where nobody listens is a finding with its address, over TCP and over UDP."""
    assert not knock("OTLP over HTTP", "127.0.0.1", 1).fine
    assert not knock("Jaeger compact (UDP)", "127.0.0.1", 1).fine
