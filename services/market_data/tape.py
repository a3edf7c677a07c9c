"""The tape: each symbol's trades and what they add up to: the last price, candles as they grow, the day, 24 hours."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

from services.market_data.candles import CandleSum
from services.market_data.window import Figures, Window
from shared.contracts.events import EngineEvent, Trade
from shared.contracts.market import INTERVALS_S, Candle, PublicTrade
from shared.contracts.money import Money, Shares

DAY_US = 86_400_000_000
RECENT = 100
"""Trades that are kept at hand."""


def trades_of(events: Iterable[EngineEvent]) -> list[PublicTrade]:
    """The trades of events as everybody may see them, in their order."""
    return [
        PublicTrade(
            trade_id=report.trade_id,
            symbol=event.symbol,
            price=report.price,
            quantity=report.quantity,
            side=report.side,
            time_us=event.time_us,
        )
        for event in events
        for report in event.reports
        if isinstance(report, Trade)
    ]


class Tape:
    """One symbol's tape. Its day is the engine's: it turns with the first trade of the next one."""

    def __init__(
        self,
        day: int,
        day_volume: Shares = 0,
        recent: Sequence[PublicTrade] = (),
        minutes: Sequence[Candle] = (),
        current: Mapping[str, Candle] | None = None,
    ) -> None:
        """``recent``: the newest trades, ``minutes``: one-minute candles of the last day, both oldest first.

        ``current``: the newest candle of each interval.
        """
        self.last: Money = recent[-1].price if recent else 0
        self.recent: deque[PublicTrade] = deque(recent, RECENT)
        self._day = day
        self._day_volume = day_volume
        self._window = Window(list(minutes))
        self._current = {name: (one.start_s, CandleSum.of(one)) for name, one in (current or {}).items()}
        self._fresh: dict[str, dict[int, Candle]] = {}

    def add(self, trade: PublicTrade) -> None:
        day = trade.time_us // DAY_US
        if day > self._day:
            self._day, self._day_volume = day, 0
        if day == self._day:
            self._day_volume += trade.quantity
        self.last = trade.price
        self.recent.append(trade)
        self._window.add(trade)
        for interval, seconds in INTERVALS_S.items():
            self._grow(interval, seconds, trade)

    def day_volume(self, day: int) -> Shares:
        """Shares traded on this day, days since 1970 (UTC): 0 once the tape's own day is over."""
        return self._day_volume if day == self._day else 0

    def figures(self, now_s: int) -> Figures:
        """The last 24 hours."""
        return self._window.figures(now_s)

    def candle(self, interval: str) -> Candle | None:
        """The newest candle, None before the first trade."""
        current = self._current.get(interval)
        return current[1].at(current[0]) if current else None

    def take_candles(self) -> dict[str, list[Candle]]:
        """The candles that grew since this was last asked, by interval."""
        found = {interval: [*candles.values()] for interval, candles in self._fresh.items()}
        self._fresh = {}
        return found

    def _grow(self, interval: str, seconds: int, trade: PublicTrade) -> None:
        time_s = trade.time_us // 1_000_000
        start_s = time_s - time_s % seconds
        current = self._current.get(interval)
        if current is None or current[0] != start_s:
            current = self._current[interval] = (start_s, CandleSum(trade.price))
        current[1].add(trade.price, trade.quantity)
        self._fresh.setdefault(interval, {})[start_s] = current[1].at(start_s)
