"""The bots' rules: where the fair price goes, how a maker quotes around it, who is who."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outcry.bots import accounts, quoting
from outcry.bots.fair_price import FairPrices, Instrument, pull_band, step_size
from outcry.bots.maker import dollars, units
from outcry.bots.quoting import BUY, SELL, Ladder, Quote, Step

AAPL = Instrument("AAPL", tick=100, lot=1, reference=15_000, now=15_000)
PENNY = Instrument("PENNY", tick=100, lot=1, reference=30, now=30)
LADDER = Ladder()

quotes_of_any_age = st.lists(
    st.builds(
        Quote,
        order_id=st.uuids().map(str),
        symbol=st.sampled_from(["AAPL", "PENNY"]),
        side=st.sampled_from(quoting.SIDES),
        price=st.integers(1, 30_000),
    ),
    max_size=30,
)
fair_prices = st.fixed_dictionaries({"AAPL": st.integers(1, 30_000), "PENNY": st.integers(1, 60)})


def apply(quotes: list[Quote], step: Step, number: int) -> list[Quote]:
    """The quotes after a step that the exchange accepted."""
    left = [quote for quote in quotes if quote is not step.cancel]
    if step.place is None:
        return left
    return [*left, Quote(f"new {number}", step.place.symbol, step.place.side, step.place.price)]


def test_same_seed_same_prices() -> None:
    """The same seed and number of steps give the same fair prices, another seed gives others."""

    def after_steps(seed: int) -> dict[str, int]:
        fair = FairPrices([AAPL, PENNY], seed)
        for _ in range(500):
            fair.step()
        return dict(fair.now)

    assert after_steps(1) == after_steps(1)
    assert after_steps(1) != after_steps(2)


@pytest.mark.parametrize("seed", range(5))
def test_fair_price_wanders_but_not_away(seed: int) -> None:
    """The fair price moves, on both sides of its reference, and never gets further than 2 % and one step from it."""
    fair, seen = FairPrices([AAPL], seed), set()
    for _ in range(20_000):
        fair.step()
        seen.add(fair.now["AAPL"])
    furthest = pull_band(AAPL) + step_size(AAPL)
    assert AAPL.reference - furthest <= min(seen) < AAPL.reference < max(seen) <= AAPL.reference + furthest


def test_fair_price_comes_back() -> None:
    """A fair price that begins where a far market was is back near its reference after some time."""
    fair = FairPrices([Instrument("AAPL", tick=100, lot=1, reference=15_000, now=17_000)], seed=3)
    for _ in range(5_000):
        fair.step()
    assert abs(fair.now["AAPL"] - AAPL.reference) <= pull_band(AAPL) + step_size(AAPL)


def test_empty_book_gets_best_levels_first() -> None:
    """From nothing, every symbol has a price on both sides before any has a second level."""
    placings = quoting.placings([], {"AAPL": 15_000, "MSFT": 42_000}, LADDER)
    first = {(placing.symbol, placing.side) for placing in placings[:4]}
    assert first == {("AAPL", BUY), ("AAPL", SELL), ("MSFT", BUY), ("MSFT", SELL)}
    assert len(placings) == 2 * 2 * LADDER.levels


def test_stale_quote_goes_first() -> None:
    """A quote that the fair price has passed is cancelled before anything else, and made anew on its right side."""
    bid, ask = Quote("1", "AAPL", BUY, 15_050), Quote("2", "AAPL", SELL, 15_100)
    step = quoting.next_step([ask, bid], {"AAPL": 15_020}, LADDER)
    assert step.cancel is bid
    assert step.place is not None
    assert (step.place.side, step.place.price < 15_020) == (BUY, True)


def test_full_ladder_refreshes_its_oldest() -> None:
    """When all is in place, the oldest quote is the one that is made anew."""
    fair = {"AAPL": 15_000}
    quotes = [
        Quote(str(number), placing.symbol, placing.side, placing.price)
        for number, placing in enumerate(quoting.placings([], fair, LADDER))
    ]
    assert quoting.next_step(quotes, fair, LADDER).cancel is quotes[0]


@given(quotes_of_any_age, fair_prices)
def test_never_against_itself(quotes: list[Quote], fair: dict[str, int]) -> None:
    """Whatever is in the book, no step places an order that would trade with the maker's own, or below one tick."""
    step = quoting.next_step(quotes, fair, LADDER)
    if step.place is not None:
        place = step.place
        rest = [q for q in quotes if q is not step.cancel and q.symbol == place.symbol and q.side != place.side]
        assert all(place.price < q.price if place.side == BUY else place.price > q.price for q in rest)
        assert place.price >= 1


@given(quotes_of_any_age, st.fixed_dictionaries({"AAPL": st.integers(10_000, 20_000), "PENNY": st.integers(20, 60)}))
def test_any_leftovers_become_a_ladder(quotes: list[Quote], fair: dict[str, int]) -> None:
    """From whatever quotes it took over, a maker whose steps succeed gets to full ladders on the right sides."""
    for number in range(len(quotes) + 4 * LADDER.levels + 30):
        quotes = apply(quotes, quoting.next_step(quotes, fair, LADDER), number)
    for symbol, price in fair.items():
        for side in quoting.SIDES:
            mine = [quote for quote in quotes if (quote.symbol, quote.side) == (symbol, side)]
            assert len(mine) == LADDER.levels
            assert not any(quoting.is_stale(quote, price) for quote in mine)


@pytest.mark.parametrize(("count", "takers"), [(1, 0), (2, 1), (4, 1), (8, 2)])
def test_every_count_has_makers(count: int, takers: int) -> None:
    """However many bots there are, some make the market, and from two on one takes."""
    made, taken = accounts.names(count)
    assert (len(made), len(taken)) == (count - takers, takers)
    assert len({*made, *taken}) == count


def test_passwords_are_kept_private(tmp_path: Path) -> None:
    """Passwords are made once, differ, and lie in a file that only its owner can read."""
    first = accounts.load_or_create_passwords(tmp_path, ["bot_maker_1"])
    both = accounts.load_or_create_passwords(tmp_path, ["bot_maker_1", "bot_taker_1"])
    assert both["bot_maker_1"] == first["bot_maker_1"] != both["bot_taker_1"]
    assert stat.S_IMODE((tmp_path / "bots.json").stat().st_mode) == 0o600


@given(st.integers(0, 10**15))
def test_prices_survive_their_text(amount: int) -> None:
    """An amount written as dollars reads back as the same amount."""
    assert units(dollars(amount)) == amount
