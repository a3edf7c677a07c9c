"""The tape: each symbol's last price and what was traded today (UTC)."""

from collections.abc import Iterable

from shared.contracts.events import EngineEvent, Trade
from shared.contracts.market import PublicTrade
from shared.contracts.money import Money, Shares

DAY_US = 86_400_000_000


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

    def __init__(self, last: Money, volume: Shares, day: int) -> None:
        self.last = last
        self._volume = volume
        self._day = day

    def add(self, trade: PublicTrade) -> None:
        day = trade.time_us // DAY_US
        if day > self._day:
            self._day, self._volume = day, 0
        if day == self._day:
            self._volume += trade.quantity
        self.last = trade.price

    def volume_on(self, day: int) -> Shares:
        """Shares traded on this day, days since 1970 (UTC): 0 once the tape's own day is over."""
        return self._volume if day == self._day else 0
