"""What the doctor makes of figures, traces and settings."""

from typing import Any

import pytest

from outcry.doctor_rules import HANDOVERS, SKEW_US_MAX, clock, configuration, knock, pairs, spans_sent
from outcry.settings import Settings

FIGURES = """# TYPE outcry_spans_total counter
outcry_spans_total{{state="recorded",reason=""}} 7.0
outcry_spans_total{{state="exported",reason=""}} {exported}
outcry_spans_total{{state="dropped",reason="queue_full"}} {dropped}
"""


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


@pytest.mark.parametrize(("exported", "dropped", "fine"), [(7, 0, True), (5, 2, False), (0, 0, False)])
def test_lost_and_stuck_spans_are_found(exported: int, dropped: int, fine: bool) -> None:
    """Dropped spans, and recorded ones of which none was sent, are findings."""
    assert spans_sent("reporting", FIGURES.format(exported=exported, dropped=dropped)).fine is fine


@pytest.mark.parametrize(
    ("variables", "fine"),
    [
        ({}, True),
        ({"OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, False),
        ({"JAEGER_PORT": "6831"}, False),
        ({"JAEGER_HOST": "127.0.0.1", "JAEGER_PORT": "1234"}, False),
        ({"JAEGER_HOST": "127.0.0.1", "JAEGER_PORT": "6831"}, True),
    ],
)
def test_variables_that_defeat_tracing_are_found(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], fine: bool
) -> None:
    """Each variable that switches tracing off, or has no effect, is named."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert all(finding.fine for finding in configuration(Settings(), variables)) is fine


def test_a_closed_port_is_found() -> None:
    """A port where nobody listens is a finding with its address, over TCP and over UDP."""
    assert not knock("OTLP over HTTP", "127.0.0.1", 1).fine
    assert not knock("Jaeger compact (UDP)", "127.0.0.1", 1).fine
