"""Which shard trades which symbol, and the numbers of trades that several engines give."""

import pytest

from services.matching_engine.trade_ids import TradeIds
from shared.ids import EPOCH_MS
from shared.shards import Shards

NOW_US = EPOCH_MS * 1000 + 10**12


def test_symbols_that_are_not_named_are_of_the_shard_of_the_rest() -> None:
    """Each symbol has one shard, also one that is listed only later."""
    shards = Shards("AAPL, MSFT;*;NVDA")
    assert [shards.of(symbol) for symbol in ("MSFT", "AAPL", "NEW", "NVDA")] == [0, 0, 1, 2]
    assert (shards.count, shards.text) == (3, "AAPL,MSFT;*;NVDA")
    assert Shards().of("AAPL") == 0
    assert Shards("MSFT,AAPL;*").text == Shards("AAPL,MSFT;*").text


@pytest.mark.parametrize("text", ["", "AAPL", "AAPL;AAPL,*", "AAPL;*;*", "AAPL,;*", ";*"])
def test_a_symbol_without_a_shard_or_with_two_is_refused(text: str) -> None:
    """The refusal says what to write."""
    with pytest.raises(ValueError, match="such as"):
        Shards(text)


def test_one_engine_counts_its_trades() -> None:
    """Without shards trades are 1, 2, 3."""
    ids = TradeIds()
    assert [ids.next(NOW_US) for _ in range(3)] == [1, 2, 3]


def test_trades_of_several_engines_have_numbers_of_their_own_that_sort_by_time() -> None:
    """No two are the same, a later one is greater, and both hold when the symbols are spread otherwise."""
    alone = TradeIds()
    given = [alone.next(NOW_US) for _ in range(10)]
    shards = [TradeIds(Shards("AAPL;*"), number) for number in range(2)]
    for shard in shards:
        shard.last = alone.last
    for step in range(1, 5):
        for _ in range(5000):
            pair = [shard.next(NOW_US + step * 1000) for shard in shards]
            given += pair
    assert len(given) == len(set(given))
    later = [shard.next(NOW_US + 60_000_000) for shard in shards]
    assert min(later) > max(given)
    alone.last = max(later)
    assert alone.next(NOW_US) > max(later)
