"""The average cost method: nothing is lost, whatever comes in whatever order."""

from hypothesis import given
from hypothesis import strategies as st

from services.reporting.positions import Holding

QUANTITY = st.integers(1, 10**9)
PRICE = st.integers(0, 10**15)
STEP = st.tuples(st.sampled_from(["buy", "sell", "withdraw"]), QUANTITY, PRICE)
INTERLEAVED = st.integers(0, 10).flatmap(
    lambda count: st.tuples(
        st.lists(st.tuples(QUANTITY, PRICE), min_size=count, max_size=count),
        st.permutations([(number, coming) for number in range(count) for coming in (True, False)]),
        st.lists(PRICE, min_size=count, max_size=count),
    )
)


def test_profit_is_proceeds_less_average_cost() -> None:
    """Shares bought at 100 and 200 cost 150 on average: half of them sold at 180 make 30 each."""
    holding = Holding()
    assert holding.take_in(10, 100) == 0
    assert holding.take_in(10, 200) == 0
    assert holding.sell(10, 180) == 300
    assert holding == Holding(quantity=10, cost=1500, realised=300)


def test_remainder_of_the_division_stays() -> None:
    """A third of a cost of 10 is 3, and the last share takes what is left: 4."""
    holding = Holding()
    holding.take_in(2, 5)
    holding.take_in(1, 0)
    assert [holding.sell(1, 0) for _ in range(3)] == [-3, -3, -4]
    assert holding == Holding(realised=-10)


def test_sale_seen_before_the_deposit_it_sold() -> None:
    """Shares that are sold before they are seen to come in make their profit as soon as they do."""
    holding = Holding()
    assert holding.sell(4, 150) == 0
    assert holding == Holding(quantity=-4, cost=-600)
    assert holding.take_in(10, 100) == 200
    assert holding == Holding(quantity=6, cost=600, realised=200)


def test_withdrawal_seen_before_the_shares_came() -> None:
    """Shares that are withdrawn before they are seen to come in pass through without profit."""
    holding = Holding()
    assert holding.withdraw(4) == 0
    assert holding.take_in(10, 100) == 0
    assert holding == Holding(quantity=6, cost=600)


@given(st.lists(STEP, max_size=30))
def test_no_unit_is_lost(steps: list[tuple[str, int, int]]) -> None:
    """After any steps: shares left = in - out, and cost left = cost in - cost out, to the last unit."""
    holding = Holding()
    shares = cost_in = proceeds = withdrawn = realised = 0
    for kind, quantity, price in steps:
        owed, held = holding.owed, holding.quantity
        if kind == "buy":
            realised += holding.take_in(quantity, price)
            cost_in += quantity * price
            withdrawn += min(quantity, owed) * price
        elif kind == "sell":
            realised += holding.sell(quantity, price)
            proceeds += quantity * price
        else:
            withdrawn += holding.withdraw(quantity)
        shares += quantity if kind == "buy" else -quantity
        assert holding.quantity - holding.owed == shares
        assert holding.owed == 0 or holding.quantity <= 0, (owed, held)
    assert holding.realised == realised
    assert holding.cost == cost_in - withdrawn - (proceeds - realised)
    if holding.quantity == 0:
        assert holding.cost == 0


@given(st.lists(st.tuples(QUANTITY, PRICE), max_size=10), st.lists(PRICE, max_size=10))
def test_cost_in_is_cost_out_and_cost_left(bought: list[tuple[int, int]], sold_at: list[int]) -> None:
    """Where shares come before they go, no sale takes more cost than there is, and the cost is never negative."""
    holding = Holding()
    for quantity, price in bought:
        holding.take_in(quantity, price)
    cost_in, cost_out = holding.cost, 0
    for price in sold_at:
        quantity = max(holding.quantity // 3, min(holding.quantity, 1))
        if quantity:
            cost_out += quantity * price - holding.sell(quantity, price)
        assert holding.cost >= 0
    assert cost_in == cost_out + holding.cost


@given(INTERLEAVED)
def test_order_does_not_matter_once_all_is_sold(
    case: tuple[list[tuple[int, int]], list[tuple[int, bool]], list[int]],
) -> None:
    """However deposits and sales of the same shares interleave, at the end the profit is proceeds less cost."""
    lots, order, sold_at = case
    holding = Holding()
    for number, coming in order:
        quantity, cost = lots[number]
        if coming:
            holding.take_in(quantity, cost)
        else:
            holding.sell(quantity, sold_at[number])
    profit = sum(quantity * (price - cost) for (quantity, cost), price in zip(lots, sold_at, strict=True))
    assert holding == Holding(realised=profit)


def test_a_gift_takes_its_cost_along() -> None:
    """Shares go over with what they had cost: no profit for either, and no cost made or lost."""
    giver, receiver = Holding(quantity=3, cost=100), Holding(quantity=2, cost=50)
    giver.give(receiver, 2, 999)
    assert (giver.quantity, giver.cost, giver.realised) == (1, 34, 0)
    assert (receiver.quantity, receiver.cost, receiver.realised) == (4, 116, 0)


def test_a_gift_that_is_seen_too_early_costs_what_the_event_says() -> None:
    """Shares that the giver is not seen to have yet reach the receiver at the event's unit cost, once."""
    giver, receiver = Holding(quantity=1, cost=10), Holding()
    giver.give(receiver, 3, 20)
    assert (giver.quantity, giver.cost, giver.owed) == (0, 0, 2)
    assert (receiver.quantity, receiver.cost) == (3, 50)
    giver.take_in(5, 12)
    assert (giver.quantity, giver.cost, giver.owed) == (3, 36, 0)
