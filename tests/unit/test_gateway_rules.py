"""The gateway's rules without I/O: what an order request means, prices of market orders, rate limits, views."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.client_gateway.instruments import mark_price
from services.client_gateway.limits import RateLimit
from services.client_gateway.order_terms import protection_price, understand
from services.client_gateway.pages import accepted
from services.client_gateway.requests import FundingRequest, OrderRequest, funding_amount
from services.client_gateway.views import average_text, time_text
from shared.contracts.codes import OrderType, Side, TimeInForce
from shared.contracts.engine import Instrument
from shared.contracts.market import Quote
from shared.contracts.money import AmountError, money_from, money_text, shares_from
from shared.errors import Problem
from shared.ids import OrderIds, created_us

AAPL = Instrument(symbol="AAPL", name="Apple", tick_size=100, lot_size=5, reference_price=1_500_000)
LISTED = {"AAPL": AAPL}


def request(**fields: object) -> OrderRequest:
    given: dict[str, object] = {"symbol": "AAPL", "side": "BUY", "quantity": Decimal(10), "price": Decimal("150.00")}
    return OrderRequest(**(given | fields))  # type: ignore[arg-type]


def test_a_limit_order_is_understood_as_the_guide_sends_it() -> None:
    """The guide's order is a limit order, good till cancelled, in integer units."""
    wanted = understand(request(order_type="LIMIT"), LISTED)
    assert (wanted.side, wanted.order_type, wanted.time_in_force) == (Side.BUY, OrderType.LIMIT, TimeInForce.GTC)
    assert (wanted.price, wanted.quantity) == (1_500_000, 10)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"symbol": "NOPE"}, "unknown_symbol"),
        ({"side": "HOLD"}, "invalid_side"),
        ({"order_type": "ICEBERG"}, "invalid_order_type"),
        ({"time_in_force": "SOON"}, "invalid_time_in_force"),
        ({"quantity": Decimal(0)}, "invalid_quantity"),
        ({"quantity": Decimal(-5)}, "invalid_quantity"),
        ({"quantity": Decimal("0.5")}, "invalid_quantity"),
        ({"quantity": Decimal("NaN")}, "invalid_quantity"),
        ({"quantity": Decimal("1e30")}, "invalid_quantity"),
        ({"quantity": Decimal(7)}, "invalid_quantity"),
        ({"price": None}, "price_required"),
        ({"price": Decimal(0)}, "invalid_price"),
        ({"price": Decimal(-1)}, "invalid_price"),
        ({"price": Decimal("Infinity")}, "invalid_price"),
        ({"price": Decimal("1e20")}, "invalid_price"),
        ({"price": Decimal("150.00001")}, "invalid_price"),
        ({"price": Decimal("150.005")}, "price_off_tick"),
        ({"order_type": "MARKET"}, "price_not_allowed"),
        ({"order_type": "MARKET", "price": None, "time_in_force": "GTC"}, "invalid_time_in_force"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused_by_its_field(fields: dict[str, object], code: str) -> None:
    """Each mistake has a code of its own."""
    with pytest.raises(Problem) as caught:
        understand(request(**fields), LISTED)
    assert (caught.value.status, caught.value.code) == (422, code)


@given(st.integers(1, 10**12), st.sampled_from(Side), st.integers(1, 50))
def test_a_market_order_trades_at_most_its_percent_away(quote: int, side: Side, percent: int) -> None:
    """The protection price lies on a tick, never further from the quote than was said."""
    wanted = understand(request(order_type="MARKET", price=None, side=side.name), LISTED)
    price = protection_price(wanted, quote, percent)
    assert price % AAPL.tick_size == 0
    assert price >= AAPL.tick_size
    if side is Side.BUY:
        assert price <= max(AAPL.tick_size, quote * (100 + percent) / 100)
    else:
        assert price >= quote * (100 - percent) / 100


@pytest.mark.parametrize("amount", ["0", "-5", "NaN", "1e30", "0.00001"])
def test_money_comes_in_only_as_a_sensible_amount(amount: str) -> None:
    """Zero, negative, infinite or over-precise deposits are refused."""
    with pytest.raises(Problem) as caught:
        funding_amount(FundingRequest(amount=Decimal(amount)), LISTED)
    assert caught.value.code == "invalid_amount"


@given(st.integers(-(10**15), 10**15))
def test_money_survives_its_text(amount: int) -> None:
    """What is written as a decimal reads back as the same integer."""
    assert money_from(Decimal(money_text(amount))) == amount


@given(st.decimals(allow_nan=True, allow_infinity=True))
def test_a_decimal_is_exact_or_refused(value: Decimal) -> None:
    """No amount is ever rounded."""
    for convert, scale in ((money_from, 10_000), (shares_from, 1)):
        try:
            units = convert(value)
        except AmountError:
            continue
        assert Decimal(units) / scale == value


def test_a_bucket_refuses_what_is_too_much_and_says_when_to_come_back() -> None:
    """After the burst there is one request per refill, and Retry-After is enough."""
    limit = RateLimit(per_s=2, burst=3)
    assert [limit.take("a", 0.0).retry_after_s for _ in range(3)] == [0, 0, 0]
    refused = limit.take("a", 0.0)
    assert refused.retry_after_s == 1
    assert refused.headers()["Retry-After"] == "1"
    assert limit.take("b", 0.0).retry_after_s == 0, "another key has its own bucket"
    assert limit.take("a", 1.0).retry_after_s == 0


@given(st.lists(st.floats(0, 10), min_size=1, max_size=200))
def test_a_bucket_never_lets_more_through_than_it_holds(gaps: list[float]) -> None:
    """In any time window no more pass than the burst and what has refilled."""
    limit, now, passed = RateLimit(per_s=5, burst=10), 0.0, 0
    for gap in gaps:
        now += gap
        passed += limit.take("a", now).retry_after_s == 0
    assert passed <= 10 + 5 * now + 1e-6


def test_ids_sort_by_time_and_tell_it() -> None:
    """Ids grow, never repeat, and hold the millisecond at which they were made."""
    ids = OrderIds(node=7)
    made = [ids.next() for _ in range(20_000)]
    assert made == sorted(set(made))
    assert abs(created_us(made[0]) - created_us(made[-1])) < 60_000_000
    other = OrderIds(node=8)
    assert not {other.next() for _ in range(20_000)} & set(made)


def test_views_round_to_the_nearest_and_write_utc() -> None:
    """Averages are rounded half up, times are ISO 8601 with microseconds."""
    assert average_text(3, 2) == "0.0002"
    assert average_text(0, 0) is None
    assert time_text(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


@pytest.mark.parametrize(
    ("bid", "ask", "last", "mark"),
    [
        (99, 101, 100, 100),
        (99, 101, 90, 99),
        (99, 101, 110, 101),
        (99, 0, 90, 99),
        (0, 101, 110, 101),
        (0, 0, 90, 90),
        (99, 101, 0, 100),
        (99, 0, 0, 0),
        (0, 0, 0, 0),
    ],
)
def test_a_mark_is_the_last_price_inside_the_quote(bid: int, ask: int, last: int, mark: int) -> None:
    """What shares count as worth: the last price as far as bid and ask agree with it, 0 where there is no market."""
    quote = {"symbol": "AAPL", "bid": bid, "ask": ask, "last": last, "volume": 0}
    assert mark_price(msgspec.convert(quote, Quote)) == mark


@pytest.mark.parametrize(
    ("header", "coding"),
    [("gzip, deflate, br", "br"), ("gzip", "gzip"), ("br;q=0, gzip;q=0.5", "gzip"), ("gzip; q=0.0", ""), ("", "")],
)
def test_a_page_file_is_sent_as_the_browser_takes_it(header: str, coding: str) -> None:
    """Of the forms that a file is there in the smallest that is accepted, and none that is refused."""
    assert accepted(header, {"": b"", "br": b"", "gzip": b""}) == coding
    assert accepted("br", {"": b"", "gzip": b""}) == ""
