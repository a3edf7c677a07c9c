"""Figures of the running exchange: what the business did, and histograms that lead to stored traces."""

from collections.abc import Iterator

import httpx
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.e2e.exchange import Exchange, eventually

OPEN_METRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


def samples(exchange: Exchange, port: str, name: str, **labels: str) -> Iterator[Sample]:
    """A process' samples with this name and these labels."""
    url = f"http://127.0.0.1:{exchange.ports[port]}/metrics"
    answer = httpx.get(url, headers=OPEN_METRICS, timeout=15, trust_env=False)
    for family in text_string_to_metric_families(answer.text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                yield sample


def total(exchange: Exchange, port: str, name: str, **labels: str) -> float:
    """The sum of such samples."""
    return sum(sample.value for sample in samples(exchange, port, name, **labels))


def test_a_trade_is_in_the_figures(exchange: Exchange) -> None:
    """Orders by outcome, trades, shares and dollars, open orders, and streams that have caught up."""
    figures = {
        "accepted": ("CLIENT_GATEWAY_PORT", "outcry_orders_total", {"outcome": "accepted"}),
        "refused": ("CLIENT_GATEWAY_PORT", "outcry_orders_total", {"outcome": "refused", "code": "insufficient_funds"}),
        "open": ("MATCHING_ENGINE_PORT", "outcry_open_orders", {"symbol": "AMZN"}),
        "trades": ("REPORTING_PORT", "outcry_trades_total", {"symbol": "AMZN"}),
        "shares": ("REPORTING_PORT", "outcry_traded_shares_total", {"symbol": "AMZN"}),
        "dollars": ("REPORTING_PORT", "outcry_traded_dollars_total", {"symbol": "AMZN"}),
        "filled": ("REPORTING_PORT", "outcry_orders_closed_total", {"status": "FILLED"}),
        "settled": ("WALLET_SERVICE_PORT", "outcry_settlement_seconds_count", {}),
    }
    all_of_it = list(figures.items())
    before = {key: total(exchange, where, name, **labels) for key, (where, name, labels) in all_of_it}
    seller, buyer = exchange.user(AMZN=10), exchange.user(cash=10_000)
    seller.placed(symbol="AMZN", side="SELL", quantity=5, price=180)
    buyer.placed(symbol="AMZN", quantity=2, price=180)
    assert buyer.order(symbol="AMZN", quantity=100, price=180).status_code == 422
    wanted = {
        "accepted": 2,
        "refused": 1,
        "open": 1,
        "trades": 1,
        "shares": 2,
        "dollars": 360,
        "filled": 1,
        "settled": 1,
    }

    def risen() -> dict[str, float]:
        return {
            key: total(exchange, port, name, **labels) - before[key] for key, (port, name, labels) in figures.items()
        }

    assert eventually(risen, lambda found: found == wanted) == wanted
    backlog = eventually(lambda: total(exchange, "REPORTING_PORT", "outcry_stream_backlog"), lambda found: found == 0)
    assert backlog == 0


def test_exemplars_lead_to_stored_traces(exchange: Exchange) -> None:
    """The histogram of a route, of an operation, and of settlements each name a trace that the backend has."""
    seller, buyer = exchange.user(AMZN=1), exchange.user(cash=1000)
    seller.placed(symbol="AMZN", side="SELL", quantity=1, price=181)
    buyer.placed(symbol="AMZN", quantity=1, price=181)
    histograms: tuple[tuple[str, str, dict[str, str], str], ...] = (
        (
            "CLIENT_GATEWAY_PORT",
            "outcry_http_request_seconds",
            {"route": "/v1/order", "status": "201"},
            "POST /v1/order",
        ),
        ("ORDER_MANAGER_PORT", "outcry_call_seconds", {"operation": "create_order"}, "create_order"),
        ("WALLET_SERVICE_PORT", "outcry_settlement_seconds", {}, "settle_trade"),
    )
    for port, name, labels, span_name in histograms:

        def named(port: str = port, name: str = name, labels: dict[str, str] = labels) -> list[str]:
            buckets = samples(exchange, port, f"{name}_bucket", **labels)
            return [sample.exemplar.labels["trace_id"] for sample in buckets if sample.exemplar is not None]

        trace_ids = eventually(named, bool)
        assert trace_ids, name
        spans = eventually(
            lambda found=trace_ids[-1]: {span["operationName"] for span in exchange.spans(found)},  # type: ignore[misc]
            lambda names, wanted=span_name: wanted in names,  # type: ignore[misc]
        )
        assert span_name in spans
