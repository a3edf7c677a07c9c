"""Candles and tape: the rules of market-data that need no server."""

from hypothesis import given
from hypothesis import strategies as st

from services.market_data.candles import STORED_S, base_interval, candles_of, end_of
from services.market_data.tape import DAY_US, Tape
from services.market_data.window import Figures, Window
from shared.contracts.market import INTERVALS_S, Candle, PublicTrade


def print_of(time_us: int, price: int, quantity: int) -> PublicTrade:
    return PublicTrade(trade_id=1, symbol="AAPL", price=price, quantity=quantity, side=1, time_us=time_us)


prints = st.lists(st.builds(print_of, st.integers(0, 3 * DAY_US), st.integers(1, 9), st.integers(1, 9)), min_size=1)


@given(prints)
def test_each_interval_holds_every_trade_once(trades: list[PublicTrade]) -> None:
    """In each stored interval volumes and counts add up to the trades, and every price is between low and high."""
    candles = candles_of(trades)
    for interval_s in STORED_S:
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
    tape = Tape(day=10, day_volume=7)
    tape.add(print_of(10 * DAY_US, 6, 1))
    assert (tape.day_volume(10), tape.day_volume(11), tape.last) == (8, 0, 6)
    tape.add(print_of(11 * DAY_US, 7, 2))
    assert (tape.day_volume(10), tape.day_volume(11), tape.last) == (0, 2, 7)


@given(prints, st.integers(0, 4 * DAY_US))
def test_the_last_24_hours_are_the_trades_in_them(trades: list[PublicTrade], now_us: int) -> None:
    """Open, high, low, volume and count are those of the trades of the minute that runs and the 1,439 before it."""
    trades = sorted((trade for trade in trades if trade.time_us <= now_us), key=lambda trade: trade.time_us)
    window = Window([])
    for trade in trades:
        window.add(trade)
    oldest_s = now_us // 60_000_000 * 60 - 1439 * 60
    inside = [trade for trade in trades if trade.time_us // 1_000_000 >= oldest_s]
    prices = [trade.price for trade in inside] or [0]
    volume = sum(trade.quantity for trade in inside)
    expected = Figures(prices[0], max(prices), min(prices), volume, len(inside))
    assert window.figures(now_us // 1_000_000) == expected
    assert Window([]).figures(now_us // 1_000_000) == Figures()


@given(prints)
def test_growing_candles_are_those_that_are_stored(trades: list[PublicTrade]) -> None:
    """What is told of an interval while it runs ends as the candle of all its trades."""
    tape, told = Tape(day=0), dict[tuple[str, int], Candle]()
    trades = sorted(trades, key=lambda trade: trade.time_us)
    for trade in trades:
        tape.add(trade)
        for interval, candles in tape.take_candles().items():
            told |= {(interval, candle.start_s): candle for candle in candles}
    stored = {
        (name, start_s): candle.at(start_s)
        for (_, interval_s, start_s), candle in candles_of(trades).items()
        for name, seconds in INTERVALS_S.items()
        if seconds == interval_s
    }
    assert {key: candle for key, candle in told.items() if INTERVALS_S[key[0]] in STORED_S} == stored
