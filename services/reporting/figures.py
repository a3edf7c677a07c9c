"""Business figures for ``/metrics``: what traded, how orders ended. Counted per batch, once it is stored."""

from collections import defaultdict
from collections.abc import Sequence

from prometheus_client import Counter

from shared.contracts.events import Closed, EngineEvent, Trade
from shared.contracts.money import MONEY_SCALE

TRADES = Counter("outcry_trades_total", "Trades", ["symbol"])
TRADED_SHARES = Counter("outcry_traded_shares_total", "Shares that changed hands", ["symbol"])
TRADED_DOLLARS = Counter("outcry_traded_dollars_total", "Price times quantity of all trades", ["symbol"])
CLOSED = Counter("outcry_orders_closed_total", "Orders that left the market, by how", ["status"])
FILLED_SHARES = Counter("outcry_filled_shares_total", "Shares that orders got, buyers' and sellers' alike")
UNFILLED_SHARES = Counter("outcry_unfilled_shares_total", "Shares that orders still wanted when they left the market")


def count_executions(events: Sequence[EngineEvent]) -> None:
    """Adds a batch of the engine's events to the figures."""
    traded: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    closed: dict[str, int] = defaultdict(int)
    unfilled = 0
    for event in events:
        for report in event.reports:
            if type(report) is Trade:
                sums = traded[event.symbol]
                sums[0] += 1
                sums[1] += report.quantity
                sums[2] += report.quantity * report.price
            elif type(report) is Closed:
                closed[report.status] += 1
                unfilled += report.quantity
    for symbol, (trades, shares, value) in traded.items():
        TRADES.labels(symbol).inc(trades)
        TRADED_SHARES.labels(symbol).inc(shares)
        TRADED_DOLLARS.labels(symbol).inc(value / MONEY_SCALE)
        FILLED_SHARES.inc(2 * shares)
    for status, number in closed.items():
        CLOSED.labels(status).inc(number)
    if unfilled:
        UNFILLED_SHARES.inc(unfilled)
