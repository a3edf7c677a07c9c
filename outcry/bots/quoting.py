"""How a maker quotes: several levels on both sides of the fair price, refreshed one at a time. Pure.

One step changes one quote, so a book breathes rather than blinks. What is wrong comes first: a quote that the fair
price has reached or passed is a present to others; then what is too much, then what is missing, and when all is in
place the oldest quote is made anew where the price is now.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

BUY, SELL = "BUY", "SELL"
SIDES = (BUY, SELL)


@dataclass(frozen=True)
class Quote:
    """One own order in the book. ``price`` in ticks."""

    order_id: str
    symbol: str
    side: str
    price: int


@dataclass(frozen=True)
class Ladder:
    """How quotes stand around the fair price: distances in 1/10,000 of it, at least a tick each."""

    levels: int = 5
    half_spread_bp: int = 4
    step_bp: int = 4

    def prices(self, side: str, fair: int) -> list[int]:
        """The wanted prices of one side in ticks, the best one first. None is below one tick."""
        first = max(1, fair * self.half_spread_bp // 10_000)
        step = self.step_ticks(fair)
        distances = [first + level * step for level in range(self.levels)]
        if side == SELL:
            return [fair + distance for distance in distances]
        return [fair - distance for distance in distances if fair - distance >= 1]

    def step_ticks(self, fair: int) -> int:
        """The distance between two levels in ticks."""
        return max(1, fair * self.step_bp // 10_000)


@dataclass(frozen=True)
class Placing:
    """A quote to be made. ``price`` in ticks."""

    symbol: str
    side: str
    price: int


@dataclass(frozen=True)
class Step:
    """What to do next: cancel a quote, then place one; either may be None."""

    cancel: Quote | None
    place: Placing | None


def next_step(quotes: Sequence[Quote], fair: Mapping[str, int], ladder: Ladder) -> Step:
    """The next change to all quotes of a maker, given oldest first."""
    for quote in quotes:
        if is_stale(quote, fair[quote.symbol]):
            return _instead_of(quote, quotes, fair, ladder)
    for symbol in fair:
        for side in SIDES:
            mine = [quote for quote in quotes if (quote.symbol, quote.side) == (symbol, side)]
            if len(mine) > ladder.levels:
                return Step(mine[0], None)
    missing = placings(quotes, fair, ladder)
    if missing:
        return Step(None, missing[0])
    return _instead_of(quotes[0], quotes, fair, ladder) if quotes else Step(None, None)


def is_stale(quote: Quote, fair: int) -> bool:
    """Whether the fair price has reached or passed the quote."""
    return quote.price >= fair if quote.side == BUY else quote.price <= fair


def placings(quotes: Iterable[Quote], fair: Mapping[str, int], ladder: Ladder) -> list[Placing]:
    """All that is missing, the best levels of all symbols first, so that every book has a price as soon as can be."""
    standing = list(quotes)
    found = []
    for _ in range(ladder.levels):
        for symbol, price in fair.items():
            for side in SIDES:
                placing = _missing(symbol, side, standing, price, ladder)
                if placing is not None:
                    found.append(placing)
                    standing.append(Quote("", symbol, side, placing.price))
    return found


def _instead_of(quote: Quote, quotes: Sequence[Quote], fair: Mapping[str, int], ladder: Ladder) -> Step:
    rest = [other for other in quotes if other is not quote]
    return Step(quote, _missing(quote.symbol, quote.side, rest, fair[quote.symbol], ladder))


def _missing(symbol: str, side: str, quotes: Sequence[Quote], fair: int, ladder: Ladder) -> Placing | None:
    """The best wanted price that no own quote stands near; None where the side is full or the own other side is met."""
    mine = [quote.price for quote in quotes if (quote.symbol, quote.side) == (symbol, side)]
    if len(mine) >= ladder.levels:
        return None
    wanted = ladder.prices(side, fair)
    across = [quote.price for quote in quotes if quote.symbol == symbol and quote.side != side]
    allowed = [price for price in wanted if not _meets(side, price, across)]
    step = ladder.step_ticks(fair)
    uncovered = [price for price in allowed if all(2 * abs(price - own) >= step for own in mine)]
    best = next(iter(uncovered or allowed), None)
    return Placing(symbol, side, best) if best is not None else None


def _meets(side: str, price: int, across: Iterable[int]) -> bool:
    """Whether an order at this price would trade with an own quote on the other side."""
    return any(price >= other if side == BUY else price <= other for other in across)
