"""What a share is worth in the eyes of the bots: a price that wanders, and is drawn back to where it belongs. Pure."""

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Instrument:
    """What can be traded. Prices here and in all the rules of the bots are in ticks, ``tick`` in 1/10,000 dollar."""

    symbol: str
    tick: int
    lot: int
    reference: int
    """The price to which the fair price is drawn back."""

    now: int
    """Where the fair price begins: where the market is, or the reference where there is none yet."""


class FairPrices:
    """One fair price per symbol, in ticks. The same seed and the same number of steps give the same prices.

    A step is a draw between -n and n ticks, n being a bit more than 1/10,000 of the reference price. On top of that the
    price is drawn back by n with a probability that grows with its distance and is 1 at 2 %: it never gets further than
    that, n more at most, unless it began there. So no quote near it can hit the price collar.
    """

    def __init__(self, instruments: Iterable[Instrument], seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a price, not a secret
        self._instruments = list(instruments)
        self._now = {instrument.symbol: instrument.now for instrument in self._instruments}

    @property
    def now(self) -> Mapping[str, int]:
        """The fair price of every symbol."""
        return self._now

    def step(self) -> None:
        """Moves every price once."""
        for instrument in self._instruments:
            price = self._now[instrument.symbol]
            size, band = step_size(instrument), pull_band(instrument)
            distance = instrument.reference - price
            pulled = self._random.randrange(band) < abs(distance)
            pull = (size if distance > 0 else -size) if pulled else 0
            self._now[instrument.symbol] = max(1, price + self._random.randint(-size, size) + pull)


def step_size(instrument: Instrument) -> int:
    """The most that one step moves the price by chance, in ticks."""
    return instrument.reference // 10_000 + 1


def pull_band(instrument: Instrument) -> int:
    """The distance from the reference at which the price is drawn back at every step, in ticks."""
    return max(1, instrument.reference // 50)
