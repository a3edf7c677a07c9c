"""Candles and tape: the rules of market-data that need no server."""

from hypothesis import given
from hypothesis import strategies as st

from services.market_data.candles import INTERVALS_S, base_interval, candles_of, end_of
from services.market_data.tape import DAY_US, Tape
from shared.contracts.market import PublicTrade


def print_of(time_us: int, price: int, quantity: int) -> PublicTrade:
    return PublicTrade(trade_id=1, symbol="AAPL", price=price, quantity=quantity, side=1, time_us=time_us)


prints = st.lists(st.builds(print_of, st.integers(0, 3 * DAY_US), st.integers(1, 9), st.integers(1, 9)), min_size=1)


@given(prints)
def test_each_interval_holds_every_trade_once(trades: list[PublicTrade]) -> None:
    """In each stored interval volumes and counts add up to the trades, and every price is between low and high."""
    candles = candles_of(trades)
    for interval_s in INTERVALS_S:
        mine = {start: candle for (_, interval, start), candle in candles.items() if interval == interval_s}
        assert sum(candle.volume for candle in mine.values()) == sum(trade.quantity for trade in trades)
        assert sum(candle.trade_count for candle in mine.values()) == len(trades)
        for trade in trades:
            second = trade.time_us // 1_000_000
            candle = mine[second - second % interval_s]
            assert candle.low <= trade.price <= candle.high
            assert {candle.open, candle.close} <= {t.price for t in trades}


@given(st.integers(1, 31 * 86_400))
def test_every_interval_has_a_stored_one_that_divides_it(interval_s: int) -> None:
    """A candle of any interval is made of whole stored candles."""
    assert interval_s % base_interval(interval_s) == 0


@given(st.integers(1, 10**10), st.integers(1, 86_400))
def test_a_page_ends_where_the_next_candle_starts(before_s: int, interval_s: int) -> None:
    """Exactly the candles that start below the bound lie before its end."""
    end_s = end_of(before_s, interval_s)
    assert end_s % interval_s == 0
    assert end_s - interval_s < before_s <= end_s


def test_volume_is_of_one_day() -> None:
    """A new day starts from nothing, a late trade of an old day counts for none, and the last price stays."""
    tape = Tape(last=5, volume=7, day=10)
    tape.add(print_of(10 * DAY_US, 6, 1))
    assert (tape.volume_on(10), tape.volume_on(11), tape.last) == (8, 0, 6)
    tape.add(print_of(11 * DAY_US, 7, 2))
    assert (tape.volume_on(10), tape.volume_on(11), tape.last) == (0, 2, 7)
