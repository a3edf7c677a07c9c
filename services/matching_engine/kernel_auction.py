"""The price at which an auction trades most (docs/matching.md, 8)."""

from typing import NamedTuple


class Auction(NamedTuple):
    """The outcome of an auction: its price, the shares that trade, and how many more were bid (or, negative, asked)."""

    price: int
    volume: int
    imbalance: int


NO_AUCTION = Auction(0, 0, 0)


def find_auction(bids: dict[int, int], asks: dict[int, int], reference_price: int) -> Auction:
    """Return the outcome for the quantity bid and asked at each price that crosses, `NO_AUCTION` when none does."""
    if not bids or not asks or max(bids) < min(asks):
        return NO_AUCTION
    asked = 0
    bid = sum(bids.values())
    outcomes = []
    for price in sorted(bids.keys() | asks.keys()):
        asked += asks.get(price, 0)
        if min(asks) <= price <= max(bids):
            outcomes.append(Auction(price, min(bid, asked), bid - asked))
        bid -= bids.get(price, 0)
    return max(outcomes, key=lambda o: (o.volume, -abs(o.imbalance), -abs(o.price - reference_price), o.price))
