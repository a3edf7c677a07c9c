"""How business goes, from what the services say of themselves on ``/metrics``: counted since each of them started."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from shared.contracts.operations import ENGINE, GATEWAY, REPORTING, WALLET

SAMPLE: Final = re.compile(r'(\w+)(?:\{((?:[^"}]|"(?:[^"\\]|\\.)*")*)\})? (\S+)')
LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
WANTED: Final = (
    *("outcry_orders_", "outcry_trades_", "outcry_traded_", "outcry_filled_", "outcry_unfilled_", "outcry_settlement_"),
    *("outcry_open_orders", "outcry_engine_leads", "outcry_stream_backlog", "process_start_time_seconds"),
)
REFUSALS_MAX: Final = 20
TIME_SHARES: Final = {"p50_ms": 0.5, "p95_ms": 0.95}


@dataclass(frozen=True, slots=True)
class Page:
    """The samples that are wanted of one process: name -> the values of its labels -> value."""

    service: str
    samples: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = field(default_factory=dict)

    def by(self, name: str, label: str) -> dict[str, float]:
        """The values of a metric by one label, those of its other labels summed."""
        found: dict[str, float] = {}
        for labels, value in self.samples.get(name, {}).items():
            key = dict(labels).get(label, "")
            found[key] = found.get(key, 0.0) + value
        return found

    def total(self, name: str) -> float:
        """The sum over all labels; 0 where there is none."""
        return sum(self.samples.get(name, {}).values())


def read_page(service: str, text: str) -> Page:
    """A page of Prometheus' text format; what is not wanted is passed over."""
    samples: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in text.splitlines():
        if line.startswith(WANTED) and (match := SAMPLE.fullmatch(line)):
            name, labels, value = match.groups()
            samples.setdefault(name, {})[tuple(LABEL.findall(labels or ""))] = float(value)
    return Page(service, samples)


def figures_view(pages: Sequence[Page], silent: Sequence[str]) -> dict[str, Any]:
    """The figures as administrators see them; a share without anything to share is null.

    Args:
        pages: one of each process that answered. Of several engines those that lead count, each for its symbols.
        silent: services that did not answer; their figures are missing.
    """
    engines = [page for page in pages if page.service == ENGINE and page.total("outcry_engine_leads") > 0]
    of = {page.service: page for page in pages if page.service != ENGINE or page in engines}
    resting = {symbol: count for page in engines for symbol, count in page.by("outcry_open_orders", "symbol").items()}
    none = Page("")
    gateway, reporting = of.get(GATEWAY, none), of.get(REPORTING, none)
    outcomes = gateway.by("outcry_orders_total", "outcome")
    asked = sum(outcomes.values())
    filled, unfilled = reporting.total("outcry_filled_shares_total"), reporting.total("outcry_unfilled_shares_total")
    traded = reporting.by("outcry_traded_dollars_total", "symbol")
    return {
        "orders": _counts(outcomes),
        "refusals": list(_refusals(gateway)),
        "success_rate": _share(outcomes.get("accepted", 0) + outcomes.get("repeated", 0), asked),
        "closed": _counts(reporting.by("outcry_orders_closed_total", "status")),
        "fill_ratio": _share(filled, filled + unfilled),
        "trades": int(reporting.total("outcry_trades_total")),
        "value": f"{sum(traded.values()):.2f}",
        "value_by_symbol": {symbol: f"{value:.2f}" for symbol, value in sorted(traded.items())},
        "settlement": _times(of.get(WALLET, none)),
        "open_orders": _counts(resting),
        "backlog": [
            {"service": page.service, "stream": stream, "events": int(events)}
            for page in of.values()
            for stream, events in page.by("outcry_stream_backlog", "stream").items()
        ],
        "since": {page.service: _started(page) for page in of.values()},
        "silent": list(silent),
    }


def _counts(values: Mapping[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in sorted(values.items())}


def _share(part: float, whole: float) -> float | None:
    return round(part / whole, 6) if whole else None


def _refusals(gateway: Page) -> Iterator[dict[str, Any]]:
    """Why orders were refused, the most frequent reason first."""
    found = [
        (dict(labels), int(value))
        for labels, value in gateway.samples.get("outcry_orders_total", {}).items()
        if dict(labels).get("outcome") in ("refused", "failed") and value
    ]
    for labels, orders in sorted(found, key=lambda one: -one[1])[:REFUSALS_MAX]:
        yield {"code": labels.get("code", ""), "outcome": labels["outcome"], "orders": orders}


def _times(wallet: Page) -> dict[str, Any]:
    """From an order's making to the settlement of its trades; percentiles are the upper bounds of their buckets."""
    name = "outcry_settlement_seconds"
    trades = wallet.total(f"{name}_count")
    buckets = sorted((float(bound), count) for bound, count in wallet.by(f"{name}_bucket", "le").items())
    found: dict[str, Any] = {"trades": int(trades), "mean_ms": None, **dict.fromkeys(TIME_SHARES)}
    if not trades:
        return found
    found["mean_ms"] = round(1000 * wallet.total(f"{name}_sum") / trades, 3)
    for key, share in TIME_SHARES.items():
        bound = next((bound for bound, count in buckets if count >= share * trades), float("inf"))
        found[key] = round(1000 * bound, 3) if bound < float("inf") else None
    return found


def _started(page: Page) -> str | None:
    started_s = page.total("process_start_time_seconds")
    return datetime.fromtimestamp(started_s, UTC).isoformat().replace("+00:00", "Z") if started_s else None
