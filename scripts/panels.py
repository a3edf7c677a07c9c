"""What Grafana's dashboards show, as data: `scripts/dashboards.py` makes the files of it."""

from dataclasses import dataclass

RATE = "$__rate_interval"


@dataclass(frozen=True)
class Query:
    """PromQL, and how its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Panel:
    """One picture. ``unit`` is Grafana's name of a unit. ``search`` is what to look for in the traces from here."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    description: str = ""
    search: str = ""
    jaegerlite: bool = False
    """Only there where jaegerlite keeps the traces."""


@dataclass(frozen=True)
class Board:
    """One dashboard: ``uid`` is its address and the name of its file."""

    uid: str
    title: str
    description: str
    panels: tuple[Panel, ...]


def quantiles(metric: str, selector: str = "", by: str = "") -> tuple[Query, ...]:
    """P50, P95 and P99 of a histogram, of all series together or by one label."""
    labels, prefix = (f"le, {by}", f"{{{{{by}}}}} ") if by else ("le", "")
    rate = f"sum by ({labels}) (rate({metric}_bucket{{{selector}}}[{RATE}]))"
    return tuple(Query(f"histogram_quantile({q}, {rate})", f"{prefix}P{q * 100:.0f}") for q in (0.5, 0.95, 0.99))


def p95(metric: str, by: str, selector: str = "") -> Query:
    """P95 of a histogram by one label."""
    rate = f"sum by (le, {by}) (rate({metric}_bucket{{{selector}}}[{RATE}]))"
    return Query(f"histogram_quantile(0.95, {rate})", f"{{{{{by}}}}}")


def rate(metric: str, by: str, selector: str = "") -> Query:
    """Per second, by labels."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return Query(f"sum by ({by}) (rate({metric}{{{selector}}}[{RATE}]))", legend)


BATCHES = quantiles("outcry_call_seconds", by="service")
STEPS = "verify_token|check_balance|validate_order|create_order|match_order"

SYSTEM = Board(
    "outcry-system",
    "Outcry: system overview",
    "Rate, errors, durations and saturation of every service",
    (
        Panel("Requests by route", "reqps", (rate("outcry_http_request_seconds_count", "method, route"),)),
        Panel(
            "Requests answered with an error of ours",
            "percentunit",
            (Query("gateway:outcry_http_errors:ratio_rate5m", "5xx of all"),),
            "An alert fires above 1 %.",
            "service=client-gateway&q=status = error",
        ),
        Panel(
            "Time to answer a request",
            "s",
            quantiles("outcry_http_request_seconds"),
            "An alert fires where a route's P95 is above 500 ms. Each point leads to a trace.",
        ),
        Panel("Calls by service", "ops", (rate("outcry_calls_total", "service"),)),
        Panel(
            "Calls that failed, by service",
            "percentunit",
            (Query("service:outcry_calls_failed:ratio_rate5m", "{{service}}"),),
            "A refusal by the rules is no failure.",
            "q=status = error",
        ),
        Panel("P50 of a batch, by service", "s", BATCHES[:1]),
        Panel("P95 of a batch, by service", "s", BATCHES[1:2]),
        Panel("P99 of a batch, by service", "s", BATCHES[2:]),
        Panel(
            "CPU by service",
            "percentunit",
            (Query(f"sum by (service) (rate(process_cpu_seconds_total[{RATE}]))", "{{service}}"),),
            "Of one core: a process cannot use more than one.",
        ),
        Panel(
            "Memory by service", "bytes", (Query("sum by (service) (process_resident_memory_bytes)", "{{service}}"),)
        ),
        Panel(
            "Events behind",
            "short",
            (Query("sum by (service, stream) (outcry_stream_backlog)", "{{service}} {{stream}}"),),
            "An alert fires above 1,000 and growing.",
        ),
        Panel("Who answers", "short", (Query('sum by (service) (up{job="outcry"})', "{{service}}"),)),
    ),
)

ORDER = Board(
    "outcry-order",
    "Outcry: one order's way",
    "Where the time of an order goes, step by step, as its trace shows it",
    (
        Panel("POST /v1/order", "s", quantiles("outcry_http_request_seconds", 'route="/v1/order"')),
        Panel("Orders by outcome", "ops", (rate("outcry_orders_total", "outcome"),), search="operation=POST /v1/order"),
        Panel("P95 of each step", "s", (p95("outcry_call_seconds", "operation", f'operation=~"{STEPS}"'),)),
        Panel("Items in a batch, P95", "short", (p95("outcry_batch_items", "operation", f'operation=~"{STEPS}"'),)),
        Panel(
            "P95 of a batch of events, by who follows",
            "s",
            (p95("outcry_event_batch_seconds", "service", 'stream="executions"'),),
            "Settlement, executions, positions, books and reports: what comes after the answer.",
        ),
        Panel("From an order's making to its settlement", "s", quantiles("outcry_settlement_seconds")),
        Panel("Events that took effect", "ops", (rate("outcry_events_total", "service, stream"),)),
    ),
)

BUSINESS = Board(
    "outcry-business",
    "Outcry: business",
    "What users wanted, and what they got",
    (
        Panel(
            "Orders accepted, of all",
            "percentunit",
            (
                Query(
                    f'sum(rate(outcry_orders_total{{outcome=~"accepted|repeated"}}[{RATE}]))'
                    f" / sum(rate(outcry_orders_total[{RATE}]))",
                    "accepted",
                ),
            ),
            search="operation=POST /v1/order",
        ),
        Panel("Orders refused, by reason", "ops", (rate("outcry_orders_total", "code", 'outcome="refused"'),)),
        Panel(
            "Fill ratio",
            "percentunit",
            (
                Query(
                    f"sum(rate(outcry_filled_shares_total[{RATE}])) / "
                    f"sum(rate(outcry_filled_shares_total[{RATE}]) + rate(outcry_unfilled_shares_total[{RATE}]))",
                    "filled",
                ),
            ),
            "Shares that orders got, of all that they wanted.",
        ),
        Panel("Value traded", "currencyUSD", (Query(f"sum(rate(outcry_traded_dollars_total[{RATE}]))", "per second"),)),
        Panel("Trades by symbol", "ops", (rate("outcry_trades_total", "symbol"),)),
        Panel("Shares by symbol", "ops", (rate("outcry_traded_shares_total", "symbol"),)),
        Panel("Orders that left the market, by how", "ops", (rate("outcry_orders_closed_total", "status"),)),
        Panel("Time to settlement", "s", quantiles("outcry_settlement_seconds")),
        Panel(
            "The ledger's sum",
            "short",
            (Query("sum by (asset) (outcry_ledger_imbalance)", "{{asset}}"),),
            "Over all accounts, in the smallest unit: nought, or an alert fires.",
        ),
        Panel("Findings of the audit", "short", (Query("sum(outcry_audit_findings)", "findings"),)),
    ),
)

TRACING = Board(
    "outcry-tracing",
    "Outcry: tracing",
    "What becomes of spans: recorded, sampled, sent, dropped, stored",
    (
        Panel("Spans by what became of them", "ops", (rate("outcry_spans_total", "state"),)),
        Panel("Spans recorded, by service", "ops", (rate("outcry_spans_total", "service", 'state="recorded"'),)),
        Panel(
            "Spans dropped, by reason",
            "ops",
            (rate("outcry_spans_total", "service, reason", 'state="dropped"'),),
            "An alert fires above 1 % of those recorded.",
        ),
        Panel(
            "Kept by sampling, of all",
            "percentunit",
            (
                Query(
                    f'sum by (service) (rate(outcry_spans_total{{state="recorded"}}[{RATE}]))'
                    f' / sum by (service) (rate(outcry_spans_total{{state=~"recorded|sampled_out"}}[{RATE}]))',
                    "{{service}}",
                ),
            ),
        ),
        Panel(
            "Spans that wait", "short", (Query("sum by (service, for) (outcry_spans_waiting)", "{{service}} {{for}}"),)
        ),
        Panel(
            "Spans received, by transport",
            "ops",
            (rate("jaegerlite_spans_received_total", "transport"),),
            jaegerlite=True,
        ),
        Panel(
            "Spans stored", "ops", (Query(f"rate(jaegerlite_spans_stored_total[{RATE}])", "stored"),), jaegerlite=True
        ),
        Panel("Spans refused", "ops", (rate("jaegerlite_spans_refused_total", "transport, reason"),), jaegerlite=True),
        Panel("Time to store a batch", "s", quantiles("jaegerlite_flush_seconds"), jaegerlite=True),
    ),
)

EXCHANGE = Board(
    "outcry-exchange",
    "Outcry: exchange",
    "Books, sessions, engines and feeds",
    (
        Panel("Orders in the book", "short", (Query("sum by (symbol) (outcry_open_orders)", "{{symbol}}"),)),
        Panel("Best prices", "currencyUSD", (Query("outcry_best_price_dollars", "{{symbol}} {{side}}"),)),
        Panel(
            "Spread",
            "currencyUSD",
            (
                Query(
                    'sum by (symbol) (outcry_best_price_dollars{side="ask"})'
                    ' - sum by (symbol) (outcry_best_price_dollars{side="bid"})',
                    "{{symbol}}",
                ),
            ),
        ),
        Panel("Symbols by session", "short", (Query("sum by (session) (outcry_session)", "{{session}}"),)),
        Panel("Engines that lead", "short", (Query("sum by (shard) (outcry_engine_leads)", "shard {{shard}}"),)),
        Panel("Time to match a batch", "s", quantiles("outcry_call_seconds", 'operation="match_order"')),
        Panel(
            "Orders matched together, P95",
            "short",
            (p95("outcry_batch_items", "operation", 'operation="match_order"'),),
        ),
        Panel(
            "Last event, by who follows",
            "short",
            (Query("max by (service, stream) (outcry_stream_position)", "{{service}} {{stream}}"),),
        ),
        Panel("WebSocket connections", "short", (Query("sum(outcry_sockets)", "connections"),)),
        Panel(
            "Readers dropped for being slow",
            "ops",
            (Query(f"sum(rate(outcry_slow_readers_total[{RATE}]))", "dropped"),),
        ),
        Panel("Books ready in, P95", "s", (p95("outcry_event_batch_seconds", "stream", 'service="market-data"'),)),
        Panel(
            "FIX sessions",
            "short",
            (Query("sum by (kind) (outcry_fix_sessions)", "{{kind}}"),),
            "Those that are logged on, where the FIX gateway runs.",
            "service=fix-gateway&operation=FIX Logon",
        ),
        Panel(
            "FIX messages", "ops", (rate("outcry_fix_messages_total", "direction, type"),), search="service=fix-gateway"
        ),
        Panel("Time to answer a FIX message", "s", quantiles("outcry_fix_request_seconds")),
    ),
)

BOARDS = (SYSTEM, ORDER, BUSINESS, TRACING, EXCHANGE)
