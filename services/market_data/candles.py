"""Candles: what the trades of an interval looked like, added up batch by batch.

Three intervals are stored; a candle of any other is put together on reading from the longest stored one that divides
it. So a batch of trades writes three rows per symbol, however many intervals are shown.
"""

from collections.abc import Iterable

from shared.contracts.market import Candle, PublicTrade

STORED_S = (1, 60, 3600)
"""What is stored, in seconds. Every candle starts at a multiple of its interval in Unix time, so days are UTC days."""

END_OF_TIME_S = 1 << 62


def base_interval(interval_s: int) -> int:
    """The longest stored interval that divides this one."""
    return max(base for base in STORED_S if interval_s % base == 0)


def end_of(before_s: int, interval_s: int) -> int:
    """Where the trades end of the last candle that starts below ``before_s`` (0: there is no such bound)."""
    return -(-before_s // interval_s) * interval_s if before_s else END_OF_TIME_S


class CandleSum:
    """A candle while trades are added to it, in their order."""

    __slots__ = ("close", "high", "low", "open", "trade_count", "volume")

    def __init__(self, price: int) -> None:
        self.open = self.high = self.low = self.close = price
        self.volume = 0
        self.trade_count = 0

    @classmethod
    def of(cls, candle: Candle) -> "CandleSum":
        """A candle to which more is added."""
        found = cls(candle.open)
        found.high, found.low, found.close = candle.high, candle.low, candle.close
        found.volume, found.trade_count = candle.volume, candle.trade_count
        return found

    def add(self, price: int, quantity: int) -> None:
        if price > self.high:
            self.high = price
        if price < self.low:
            self.low = price
        self.close = price
        self.volume += quantity
        self.trade_count += 1

    def at(self, start_s: int) -> Candle:
        return Candle(
            start_s=start_s,
            open=self.open,
            high=self.high,
            low=self.low,
            close=self.close,
            volume=self.volume,
            trade_count=self.trade_count,
        )


def candles_of(trades: Iterable[PublicTrade]) -> dict[tuple[str, int, int], CandleSum]:
    """The stored candles that these trades make up: (symbol, interval, start), both in seconds -> sum."""
    candles: dict[tuple[str, int, int], CandleSum] = {}
    for trade in trades:
        time_s = trade.time_us // 1_000_000
        for interval_s in STORED_S:
            key = (trade.symbol, interval_s, time_s - time_s % interval_s)
            candle = candles.get(key)
            if candle is None:
                candle = candles[key] = CandleSum(trade.price)
            candle.add(trade.price, trade.quantity)
    return candles
