"""The risk-manager's rules that need no server."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.risk_manager.effects import OpenOrder, effects_of
from services.risk_manager.limits import (
    FIRM_LIMITS,
    LIMIT_NAMES,
    OF_FIRM,
    Limits,
    Verdict,
    check_alone,
    checks_made,
    refusal,
)
from services.risk_manager.settings import RiskSettings
from shared.contracts.codes import OrderType, Side
from shared.contracts.events import Accepted, Closed, EngineEvent, Trade
from shared.contracts.risk import RiskCheck
from tests.fake_engine import accepted, closed, event, trade

ANNA, BEN = 1001, 1002
PRICE = 150_0000


def check(price: int, quantity: int, side: Side = Side.BUY, order_type: OrderType = OrderType.LIMIT) -> RiskCheck:
    return RiskCheck(
        order_id=1, user_id=ANNA, symbol="AAPL", side=side, order_type=order_type, price=price, quantity=quantity
    )


@given(price=st.integers(1, 10**15), quantity=st.integers(1, 10**9))
def test_alone_an_order_passes_exactly_up_to_its_limits(price: int, quantity: int) -> None:
    """Quantity and value may reach their limits, and not exceed them by one unit, however large the numbers."""
    at_limit = Limits(order_value=price * quantity, order_quantity=quantity)
    assert check_alone(check(price, quantity), at_limit) is None
    value = check_alone(check(price, quantity), Limits(order_value=price * quantity - 1, order_quantity=quantity))
    assert value is not None
    assert value.code == "order_value_limit"
    count = check_alone(check(price, quantity), Limits(order_value=price * quantity, order_quantity=quantity - 1))
    assert count is not None
    assert count.code == "order_quantity_limit"


def test_every_verdict_has_its_words() -> None:
    """Whatever the script answers becomes a refusal with a code of its own."""
    judged = [verdict for verdict in Verdict if verdict not in (Verdict.PASSED, Verdict.RELEASED)]
    codes = {refusal(verdict, 1, 2).code for verdict in (Verdict.RELEASED, *judged)}
    assert len(codes) == len(Verdict) - 1
    assert [refusal(OF_FIRM + verdict, 1, 2).code for verdict in judged] == [
        f"firm_{refusal(verdict, 1, 2).code}" for verdict in judged
    ]


def test_checks_made_counts_what_applies() -> None:
    """A collar is counted only for limit orders, what buys add to only for buys, a firm's limits where there is one."""
    assert checks_made(check(1, 1), Limits()) == 9
    assert checks_made(check(1, 1, Side.SELL, OrderType.MARKET), Limits()) == 5
    assert checks_made(check(1, 1), Limits(duplicate_window_ms=1), FIRM_LIMITS) == 18


def test_settings_default_to_the_limits_defaults() -> None:
    """What the settings say when nothing is set is what `Limits` documents."""
    assert RiskSettings().limits() == Limits()
    assert set(LIMIT_NAMES) == set(Limits.__annotations__)


def test_effects_tell_what_is_left_of_each_order() -> None:
    """A taker that rests, a maker that is met again and one that is gone each end with what the last report says."""
    effects = effects_of(
        [
            event(1, accepted(1, ANNA, Side.BUY, PRICE, 10)),
            event(
                2,
                trade(1, (2, BEN, 5), (9, ANNA, 0), PRICE, 3),
                closed(9, ANNA, Side.SELL),
                accepted(2, BEN, Side.BUY, PRICE, 5),
            ),
            event(3, trade(2, (3, BEN, 0), (1, ANNA, 4), PRICE, 6, Side.SELL), closed(3, BEN, Side.SELL)),
        ]
    )
    assert effects.orders == {
        1: OpenOrder(1, ANNA, "AAPL", Side.BUY, PRICE, 4),
        2: OpenOrder(2, BEN, "AAPL", Side.BUY, PRICE, 5),
        3: OpenOrder(3, BEN, "AAPL", Side.SELL, 0, 0),
        9: OpenOrder(9, ANNA, "AAPL", Side.SELL, 0, 0),
    }
    assert effects.positions == {(BEN, "AAPL"): 3 - 6, (ANNA, "AAPL"): 6 - 3}
    assert effects.values == {(ANNA, 1): (9 * PRICE, 3 * PRICE), (BEN, 1): (9 * PRICE, -3 * PRICE)}


reports = st.one_of(
    st.builds(accepted, st.integers(1, 5), st.just(ANNA), st.sampled_from(Side), st.just(PRICE), st.integers(1, 9)),
    st.builds(closed, st.integers(1, 5), st.just(ANNA), st.sampled_from(Side)),
    st.builds(
        trade,
        st.integers(1, 99),
        st.tuples(st.integers(1, 5), st.just(ANNA), st.integers(0, 9)),
        st.tuples(st.integers(6, 9), st.just(BEN), st.integers(0, 9)),
        st.just(PRICE),
        st.integers(1, 9),
    ),
)


@given(st.lists(reports, max_size=12), st.integers(0, 12))
def test_effects_add_up_however_events_are_cut(told: list[Accepted | Trade | Closed], cut: int) -> None:
    """Two runs of events one after the other change the same as both in one."""
    events: list[EngineEvent] = [event(seq, report) for seq, report in enumerate(told, 1)]
    whole, first, second = effects_of(events), effects_of(events[:cut]), effects_of(events[cut:])
    for order_id, order in whole.orders.items():
        parts = [part.orders[order_id] for part in (first, second) if order_id in part.orders]
        assert order.open_quantity == parts[-1].open_quantity
    for user in (ANNA, BEN):
        key, day = (user, "AAPL"), (user, 1)
        assert whole.positions.get(key, 0) == first.positions.get(key, 0) + second.positions.get(key, 0)
        traded = (first.values.get(day, (0, 0)), second.values.get(day, (0, 0)))
        assert whole.values.get(day, (0, 0)) == tuple(map(sum, zip(*traded, strict=True)))
    assert sum(whole.positions.values()) == 0


@pytest.mark.parametrize(("edge", "asked", "told"), [(1_481_234, 2_000_000, "148.12"), (987_489, 500_000, "98.75")])
def test_the_nearest_price_that_is_allowed_can_be_asked_for(edge: int, asked: int, told: str) -> None:
    """Wherever a collar ends, the price that a refusal names lies within it and is a whole number of cents."""
    refused = refusal(Verdict.PRICE_COLLAR, edge, asked)
    assert refused.figures["limit"] == told
    assert told in refused.detail
