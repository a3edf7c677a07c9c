"""The last 24 hours of a symbol in steps of a minute: the minute that runs, and the 1,439 before it."""

from collections import deque
from typing import NamedTuple

from services.market_data.candles import CandleSum
from shared.contracts.market import Candle, PublicTrade
from shared.contracts.money import Money, Shares

MINUTE_S = 60
MINUTES = 1440


class Figures(NamedTuple):
    """What the trades of the last 24 hours add up to; zeros where there was none."""

    open: Money = 0
    high: Money = 0
    low: Money = 0
    volume: Shares = 0
    trade_count: int = 0


class Window:
    """Adds trades as they come. Minutes that are over are added up once, and again when the oldest one leaves."""

    def __init__(self, minutes: list[Candle]) -> None:
        """``minutes``: one-minute candles, oldest first."""
        self._minutes: deque[tuple[int, CandleSum]] = deque((one.start_s, CandleSum.of(one)) for one in minutes)
        self._over: Figures | None = None

    def add(self, trade: PublicTrade) -> None:
        time_s = trade.time_us // 1_000_000
        start_s = time_s - time_s % MINUTE_S
        if not self._minutes or start_s > self._minutes[-1][0]:
            self._minutes.append((start_s, CandleSum(trade.price)))
            self._over = None
        self._minutes[-1][1].add(trade.price, trade.quantity)

    def figures(self, now_s: int) -> Figures:
        """As they are at this time."""
        oldest_s = now_s - now_s % MINUTE_S - (MINUTES - 1) * MINUTE_S
        while self._minutes and self._minutes[0][0] < oldest_s:
            self._minutes.popleft()
            self._over = None
        if not self._minutes:
            return Figures()
        if self._over is None:
            self._over = _sum(list(self._minutes)[:-1])
        return _join(self._over, self._minutes[-1][1])


def _sum(minutes: list[tuple[int, CandleSum]]) -> Figures:
    figures = Figures()
    for _, minute in minutes:
        figures = _join(figures, minute)
    return figures


def _join(figures: Figures, minute: CandleSum) -> Figures:
    if not figures.trade_count:
        return Figures(minute.open, minute.high, minute.low, minute.volume, minute.trade_count)
    return Figures(
        figures.open,
        max(figures.high, minute.high),
        min(figures.low, minute.low),
        figures.volume + minute.volume,
        figures.trade_count + minute.trade_count,
    )
