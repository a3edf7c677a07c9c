"""Figures on /metrics: histograms that name a trace, in both formats that scrapers ask for."""

from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as plain_families

from services.reporting import figures
from shared.contracts.events import Closed, EngineEvent, Report, Trade
from shared.metrics import Histogram, exposition

SAMPLED = f"00-{'ab' * 16}-{'cd' * 8}-01"
UNSAMPLED = f"00-{'ef' * 16}-{'cd' * 8}-00"


def test_a_bucket_names_the_last_sampled_trace_that_fell_into_it() -> None:
    """Exemplars are in the OpenMetrics form, on the bucket of their value; traces that nobody stores are not named."""
    registry = CollectorRegistry()
    series = Histogram("t_seconds", "A test", ["operation"], (0.1, 1.0), registry).labels("x")
    for value, traceparent in ((0.05, ""), (0.5, SAMPLED), (0.6, UNSAMPLED), (1.0, ""), (7.0, UNSAMPLED)):
        series.observe(value, traceparent)
    (family,) = text_string_to_metric_families(generate_latest(registry).decode())  # type: ignore[no-untyped-call]
    found = {s.labels.get("le", s.name): (s.value, s.exemplar) for s in family.samples}
    assert [found[le][0] for le in ("0.1", "1.0", "+Inf")] == [1, 4, 5]
    exemplar = found["1.0"][1]
    assert exemplar is not None
    assert (exemplar.labels, exemplar.value) == ({"trace_id": "ab" * 16, "span_id": "cd" * 8}, 0.5)
    assert found["0.1"][1] is None
    assert found["+Inf"][1] is None
    assert found["t_seconds_sum"][0] == pytest.approx(9.15)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/openmetrics-text; version=1.0.0,text/plain;q=0.5", "application/openmetrics-text"),
        ("text/plain", "text/plain"),
        ("", "text/plain"),
    ],
)
def test_the_scraper_chooses_the_format(accept: str, content_type: str) -> None:
    """OpenMetrics for who accepts it, Prometheus' text for everybody else; both can be read."""
    body, told = exposition(accept)
    assert told.startswith(content_type)
    read = text_string_to_metric_families if "openmetrics" in content_type else plain_families
    assert {"target", "target_info"} & {family.name for family in read(body.decode())}


def event(*reports: Report) -> EngineEvent:
    """An engine event with these reports."""
    return EngineEvent(seq=1, time_us=1, traceparent="", symbol="AAPL", order_id=1, reports=reports)


def value(name: str, text: str) -> float:
    """The value of a sample."""
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name} ")), 0.0)


def test_business_figures_add_up() -> None:
    """Two trades and two closed orders are counted with their shares and dollars, and what was left unfilled."""
    names: Sequence[str] = (
        'outcry_trades_total{symbol="AAPL"}',
        'outcry_traded_shares_total{symbol="AAPL"}',
        'outcry_traded_dollars_total{symbol="AAPL"}',
        'outcry_orders_closed_total{status="FILLED"}',
        "outcry_filled_shares_total",
        "outcry_unfilled_shares_total",
    )
    before = [value(name, exposition("")[0].decode()) for name in names]
    trades = [
        Trade(
            trade_id=number,
            price=1_500_000,
            quantity=10,
            side=1,
            taker_order_id=1,
            taker_user_id=1,
            taker_open=0,
            maker_order_id=2,
            maker_user_id=2,
            maker_open=0,
            maker_traceparent="",
        )
        for number in (1, 2)
    ]
    closed = Closed(order_id=1, user_id=1, side=1, status="FILLED", reason="", quantity=0)
    cancelled = Closed(order_id=3, user_id=1, side=1, status="CANCELLED", reason="", quantity=7)
    figures.count_executions([event(*trades, closed), event(cancelled)])
    after = [value(name, exposition("")[0].decode()) for name in names]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 20, 3000.0, 1, 40, 7]
