"""The book's promises one by one, with the worked examples of docs/matching.md, in both builds."""

from types import ModuleType
from typing import Any

import pytest

from shared.contracts.codes import (
    AmendEffect,
    DoneReason,
    OrderType,
    RejectReason,
    ReportKind,
    SelfTrade,
    Session,
    Side,
    TimeInForce,
)
from tests.unit.kernel_builds import BUILDS

BUY, SELL = int(Side.BUY), int(Side.SELL)
A, B, C, D, E = 1, 2, 3, 4, 5
Happening = tuple[object, ...]


class Desk:
    """A book with a tick of one cent whose orders each come from an account of their own, prices given in cents."""

    def __init__(self, build: ModuleType) -> None:
        self.book: Any = build.Book("TEST", 100, 1)

    def place(self, order_id: int, side: int, quantity: int, cents: int, **options: int) -> list[Happening]:
        kind = options.pop("kind", OrderType.LIMIT)
        force = options.pop("force", TimeInForce.GTC)
        account = options.pop("account", 1000 + order_id)
        options["trigger"] = options.pop("trigger_cents", 0) * 100
        return told(self.book.place(order_id, account, side, kind, force, cents * 100, quantity, **options))

    def amend(self, order_id: int, quantity: int = 0, cents: int = 0) -> list[Happening]:
        return told(self.book.amend(order_id, cents * 100, quantity))

    def priority(self) -> list[int]:
        return [row[0] for row in self.book.orders()]


def told(reports: list[Any]) -> list[Happening]:
    """Return what matters of each report, in a form that reads well in an assertion."""
    happenings: list[Happening] = []
    for report in reports:
        kind = ReportKind(report.kind)
        if kind in (ReportKind.TRADE, ReportKind.DECREMENTED):
            pair = (report.order_id, report.maker_order_id)
            happenings.append((kind.name, *pair, report.quantity, report.price // 100))
        elif kind == ReportKind.DONE:
            happenings.append((kind.name, report.order_id, DoneReason(report.reason).name, report.remaining))
        elif kind == ReportKind.REJECTED:
            happenings.append((kind.name, RejectReason(report.reason).name))
        elif kind == ReportKind.SESSION_CHANGED:
            happenings.append((Session(report.reason).name, report.quantity, report.price // 100, report.remaining))
        else:
            happenings.append((kind.name, report.order_id, report.remaining))
    return happenings


@pytest.fixture(params=BUILDS, ids=lambda build: build.__file__.rpartition(".")[2])
def desk(request: pytest.FixtureRequest) -> Desk:
    return Desk(request.param)


def test_price_then_time(desk: Desk) -> None:
    """The better price trades first, and at one price the older order."""
    desk.place(A, SELL, 10, 500)
    desk.place(B, SELL, 10, 500)
    desk.place(C, SELL, 10, 499)
    assert desk.place(D, BUY, 25, 500) == [
        ("TRADE", D, C, 10, 499),
        ("DONE", C, "FILLED", 0),
        ("TRADE", D, A, 10, 500),
        ("DONE", A, "FILLED", 0),
        ("TRADE", D, B, 5, 500),
        ("DONE", D, "FILLED", 0),
    ]
    assert desk.book.depth(5) == ([], [(50_000, 5, 1)])


def test_report_fields(desk: Desk) -> None:
    """A trade's report names both sides with their accounts and what is left of each."""
    desk.place(A, SELL, 10, 500, account=7)
    trade = desk.book.place(B, 8, BUY, OrderType.LIMIT, TimeInForce.GTC, 50_100, 4)[0]
    assert (trade.order_id, trade.account_id, trade.remaining) == (B, 8, 0)
    assert (trade.maker_order_id, trade.maker_account_id, trade.maker_remaining) == (A, 7, 6)
    assert (trade.price, trade.quantity, trade.displayed, trade.side, trade.sequence) == (50_000, 4, 6, BUY, 2)


def test_market_order_never_rests(desk: Desk) -> None:
    """A market order trades up to its protection price and what is left of it ends."""
    desk.place(A, SELL, 5, 500)
    desk.place(B, SELL, 5, 502)
    assert desk.place(C, BUY, 20, 501, kind=OrderType.MARKET) == [
        ("TRADE", C, A, 5, 500),
        ("DONE", A, "FILLED", 0),
        ("DONE", C, "NO_LIQUIDITY", 15),
    ]


def test_immediate_or_cancel(desk: Desk) -> None:
    """What an IOC order cannot trade at once is released."""
    desk.place(A, SELL, 5, 500)
    assert desk.place(B, BUY, 8, 500, force=TimeInForce.IOC)[-1] == ("DONE", B, "IOC", 3)


def test_fill_or_kill(desk: Desk) -> None:
    """A FOK order trades whole or not at all, hidden quantity counted in."""
    desk.place(A, SELL, 20, 500, display=5)
    desk.place(B, SELL, 10, 501)
    assert desk.place(C, BUY, 31, 501, force=TimeInForce.FOK) == [("DONE", C, "FOK", 31)]
    assert desk.place(D, BUY, 30, 501, force=TimeInForce.FOK)[-1] == ("DONE", D, "FILLED", 0)


def test_fill_or_kill_meets_own_order(desk: Desk) -> None:
    """A FOK order that would meet an order of its own account trades nothing."""
    desk.place(A, SELL, 5, 500)
    desk.place(B, SELL, 5, 500, account=9)
    assert desk.place(C, BUY, 10, 500, account=9, force=TimeInForce.FOK) == [("DONE", C, "FOK", 10)]
    assert desk.priority() == [A, B]


def test_cancel_once(desk: Desk) -> None:
    """A cancel releases what is open, and a second one finds nothing."""
    desk.place(A, BUY, 10, 500)
    assert told(desk.book.cancel(A)) == [("DONE", A, "CANCELLED", 10)]
    assert told(desk.book.cancel(A)) == [("REJECTED", "UNKNOWN_ORDER")]
    assert desk.book.order_count() == 0


def test_cancel_all_newest_first(desk: Desk) -> None:
    """Cancel all ends every order of the account, waiting ones too, and nobody else's."""
    desk.place(A, BUY, 10, 500, account=9)
    desk.place(B, BUY, 10, 500)
    desk.place(C, BUY, 10, 600, account=9, kind=OrderType.STOP, trigger_cents=550)
    assert told(desk.book.cancel_all(9)) == [("DONE", C, "CANCELLED", 10), ("DONE", A, "CANCELLED", 10)]
    assert desk.priority() == [B]


def test_amend_down_keeps_its_place(desk: Desk) -> None:
    """Less quantity keeps the order's place; more quantity, or another price, loses it."""
    desk.place(A, BUY, 10, 500)
    desk.place(B, BUY, 10, 500)
    assert desk.book.amend(A, 0, 8)[0].reason == AmendEffect.KEPT_PLACE
    assert desk.priority() == [A, B]
    assert desk.book.amend(A, 0, 9)[0].reason == AmendEffect.LOST_PLACE
    assert desk.priority() == [B, A]
    assert desk.amend(B, cents=499) == [("AMENDED", B, 10)]
    assert desk.priority() == [A, B]


def test_amend_counts_what_has_traded(desk: Desk) -> None:
    """An amend's quantity is the total, so a fill under way can never make an order larger than asked."""
    desk.place(A, SELL, 10, 500)
    desk.place(B, BUY, 6, 500)
    assert desk.amend(A, quantity=8) == [("AMENDED", A, 2)]
    assert desk.amend(A, quantity=6) == [("DONE", A, "CANCELLED", 2)]


def test_amend_through_the_other_side_trades(desk: Desk) -> None:
    """An order amended to a price that crosses comes in as a taker."""
    desk.place(A, SELL, 10, 505)
    desk.place(B, BUY, 15, 500)
    assert desk.amend(B, cents=505) == [("TRADE", B, A, 10, 505), ("DONE", A, "FILLED", 0), ("AMENDED", B, 5)]


def test_post_only(desk: Desk) -> None:
    """A post-only order that would trade is refused and leaves no trace."""
    desk.place(A, SELL, 10, 500)
    assert desk.place(B, BUY, 10, 500, post_only=1) == [("REJECTED", "WOULD_TRADE")]
    assert desk.place(B, BUY, 10, 499, post_only=1) == [("ACCEPTED", B, 10)]


def test_iceberg(desk: Desk) -> None:
    """An iceberg shows a slice at a time, and each new slice queues at the end."""
    desk.place(A, SELL, 30, 500, display=10)
    desk.place(B, SELL, 10, 500)
    assert desk.book.depth(1)[1] == [(50_000, 20, 2)]
    assert desk.place(C, BUY, 25, 500) == [
        ("TRADE", C, A, 10, 500),
        ("RELOADED", A, 20),
        ("TRADE", C, B, 10, 500),
        ("DONE", B, "FILLED", 0),
        ("TRADE", C, A, 5, 500),
        ("DONE", C, "FILLED", 0),
    ]
    assert list(desk.book.orders()) == [(A, 1001, SELL, 50_000, 15, 5)]


@pytest.mark.parametrize(
    ("choice", "expected", "resting"),
    [
        (SelfTrade.CANCEL_NEWEST, [("DONE", C, "SELF_TRADE", 15)], [A, B]),
        (
            SelfTrade.CANCEL_OLDEST,
            [
                ("DONE", A, "SELF_TRADE", 10),
                ("TRADE", C, B, 10, 500),
                ("DONE", B, "FILLED", 0),
                ("ACCEPTED", C, 5),
            ],
            [C],
        ),
        (SelfTrade.CANCEL_BOTH, [("DONE", A, "SELF_TRADE", 10), ("DONE", C, "SELF_TRADE", 15)], [B]),
        (
            SelfTrade.DECREMENT,
            [
                ("DECREMENTED", C, A, 10, 500),
                ("DONE", A, "SELF_TRADE", 0),
                ("TRADE", C, B, 5, 500),
                ("DONE", C, "FILLED", 0),
            ],
            [B],
        ),
    ],
)
def test_self_trade(desk: Desk, choice: SelfTrade, expected: list[Happening], resting: list[int]) -> None:
    """An account never trades with itself, and the taker chooses who gives way."""
    desk.place(A, SELL, 10, 500, account=9)
    desk.place(B, SELL, 10, 500)
    assert desk.place(C, BUY, 15, 500, account=9, self_trade=choice) == expected
    assert desk.priority() == resting


def test_stop(desk: Desk) -> None:
    """A stop comes in when the last price reaches its trigger, as a market order with its protection price."""
    desk.place(A, BUY, 5, 490)
    desk.place(B, BUY, 5, 480)
    desk.place(C, BUY, 5, 470)
    assert desk.place(D, SELL, 10, 480, kind=OrderType.STOP, trigger_cents=490) == [("WAITING", D, 10)]
    assert desk.place(E, SELL, 5, 490) == [
        ("TRADE", E, A, 5, 490),
        ("DONE", A, "FILLED", 0),
        ("DONE", E, "FILLED", 0),
        ("TRIGGERED", D, 10),
        ("TRADE", D, B, 5, 480),
        ("DONE", B, "FILLED", 0),
        ("DONE", D, "NO_LIQUIDITY", 5),
    ]


def test_trailing_stop_follows(desk: Desk) -> None:
    """A trailing stop's trigger moves with the last price in its favour and stays when it turns."""
    desk.place(A, BUY, 1, 500)
    desk.place(B, SELL, 1, 500)
    desk.place(C, SELL, 10, 1, kind=OrderType.TRAILING_STOP, trigger_cents=10)
    for order_id, cents in ((10, 510), (12, 505), (14, 501)):
        desk.place(order_id, SELL, 1, cents)
        assert len(desk.place(order_id + 1, BUY, 1, cents)) == 3
    desk.place(20, BUY, 1, 500)
    assert ("TRIGGERED", C, 10) in desk.place(21, SELL, 1, 500)


def test_trailing_stops_are_bounded(desk: Desk) -> None:
    """A book holds a hundred trailing stops and refuses the next, so a trade's cost stays bounded."""
    desk.place(A, BUY, 1, 500)
    desk.place(B, SELL, 1, 500)
    for order_id in range(100, 200):
        desk.place(order_id, SELL, 1, 1, kind=OrderType.TRAILING_STOP, trigger_cents=10)
    one_more = {"kind": OrderType.TRAILING_STOP, "trigger_cents": 10}
    assert desk.place(200, SELL, 1, 1, **one_more) == [("REJECTED", "TOO_MANY_TRAILING_STOPS")]
    desk.book.cancel(150)
    assert desk.place(200, SELL, 1, 1, **one_more) == [("WAITING", 200, 1)]


def test_one_cancels_the_other(desk: Desk) -> None:
    """When one of a pair trades, the other ends before anything else happens."""
    desk.place(A, SELL, 10, 510, account=9)
    desk.place(B, SELL, 10, 1, account=9, kind=OrderType.STOP, trigger_cents=490, linked_order_id=A)
    assert desk.place(C, BUY, 4, 510) == [
        ("TRADE", C, A, 4, 510),
        ("DONE", B, "LINKED", 10),
        ("DONE", C, "FILLED", 0),
    ]


def test_dated_orders_expire(desk: Desk) -> None:
    """The clock ends dated orders, the earliest first, and never goes back."""
    desk.place(A, BUY, 1, 500, force=TimeInForce.GTD, expires_at=200)
    desk.place(B, BUY, 1, 500, force=TimeInForce.GTD, expires_at=100)
    desk.place(C, BUY, 1, 500, force=TimeInForce.GTD, expires_at=201)
    expired = told(desk.book.advance_clock(200))[1:]
    assert expired == [("DONE", B, "EXPIRED", 1), ("DONE", A, "EXPIRED", 1)]
    assert told(desk.book.advance_clock(199)) == [("REJECTED", "INVALID_TIME")]


def test_opening_auction(desk: Desk) -> None:
    """The auction trades the most it can, then leaves the least, then stays nearest to the reference price."""
    desk.book.set_session(Session.OPENING_AUCTION, 50_000)
    for order_id, side, quantity, cents in (
        (A, BUY, 10, 502),
        (B, BUY, 10, 500),
        (C, SELL, 5, 499),
        (D, SELL, 10, 501),
    ):
        assert desk.place(order_id, side, quantity, cents) == [("ACCEPTED", order_id, quantity)]
    assert desk.book.indication() == (50_100, 10, -5)
    assert told(desk.book.set_session(Session.CONTINUOUS)) == [
        ("CONTINUOUS", 10, 501, 5),
        ("TRADE", A, C, 5, 501),
        ("DONE", C, "FILLED", 0),
        ("TRADE", A, D, 5, 501),
        ("DONE", A, "FILLED", 0),
    ]
    assert desk.book.state()["reference_price"] == 50_100


def test_an_auction_that_leaves_the_book_crossed_is_followed_by_another(desk: Desk) -> None:
    """Where a trade ends an order that was still to trade, what crosses then trades in a second auction."""
    desk.book.set_session(Session.PRE_OPEN, 50_000)
    desk.place(A, SELL, 30, 500, account=9)
    desk.place(B, BUY, 20, 502, account=9, linked_order_id=A)
    desk.place(C, BUY, 10, 503)
    desk.place(D, BUY, 10, 501)
    assert told(desk.book.set_session(Session.CONTINUOUS)) == [
        ("CONTINUOUS", 30, 502, 0),
        ("TRADE", C, A, 10, 502),
        ("DONE", B, "LINKED", 20),
        ("DONE", C, "FILLED", 0),
        ("CONTINUOUS", 10, 501, 10),
        ("TRADE", D, A, 10, 501),
        ("DONE", D, "FILLED", 0),
    ]
    assert desk.book.state()["reference_price"] == 50_100


def test_close_ends_day_orders(desk: Desk) -> None:
    """When the session closes, day orders end and the others stay; nothing new comes in, cancels do."""
    desk.place(A, BUY, 1, 500, force=TimeInForce.DAY)
    desk.place(B, BUY, 1, 500)
    assert told(desk.book.set_session(Session.CLOSED)) == [("CLOSED", 0, 0, 0), ("DONE", A, "EXPIRED", 1)]
    assert desk.place(C, BUY, 1, 500) == [("REJECTED", "NOT_IN_THIS_SESSION")]
    assert told(desk.book.cancel(B)) == [("DONE", B, "CANCELLED", 1)]


def test_band_turns_into_a_volatility_auction(desk: Desk) -> None:
    """A trade that would leave the price band does not happen; the book collects orders for an auction instead."""
    desk.book.set_session(Session.CONTINUOUS, 50_000)
    desk.book.configure(500, 0, 0)
    desk.place(A, SELL, 5, 505)
    desk.place(B, SELL, 5, 506)
    assert desk.place(C, BUY, 10, 510) == [
        ("TRADE", C, A, 5, 505),
        ("DONE", A, "FILLED", 0),
        ("ACCEPTED", C, 5),
        ("VOLATILITY_AUCTION", 0, 0, 0),
    ]
    assert told(desk.book.set_session(Session.CONTINUOUS))[:2] == [("CONTINUOUS", 5, 506, 0), ("TRADE", C, B, 5, 506)]


def test_fees_round_up(desk: Desk) -> None:
    """A fee is never less than exact and a rebate never more."""
    desk.book.configure(0, -150, 333)
    desk.place(A, SELL, 7, 123)
    trade = desk.book.place(B, 8, BUY, OrderType.LIMIT, TimeInForce.GTC, 12_300, 7)[0]
    assert (trade.fee, trade.maker_fee) == (29, -12)  # 86,100 x 333 ppm = 28.67; 86,100 x 150 ppm = 12.915


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ((0, 1, BUY, 1, 1, 50_000, 1), RejectReason.INVALID_ORDER_ID),
        ((A, 0, BUY, 1, 1, 50_000, 1), RejectReason.INVALID_ACCOUNT_ID),
        ((A, 1, 3, 1, 1, 50_000, 1), RejectReason.INVALID_SIDE),
        ((A, 1, BUY, 9, 1, 50_000, 1), RejectReason.INVALID_ORDER_TYPE),
        ((A, 1, BUY, 1, 0, 50_000, 1), RejectReason.INVALID_TIME_IN_FORCE),
        ((A, 1, BUY, 1, 1, 0, 1), RejectReason.INVALID_PRICE),
        ((A, 1, BUY, 1, 1, -100, 1), RejectReason.INVALID_PRICE),
        ((A, 1, BUY, 1, 1, 2**30 * 100, 1), RejectReason.INVALID_PRICE),
        ((A, 1, BUY, 1, 1, 50_050, 1), RejectReason.PRICE_OFF_TICK),
        ((A, 1, BUY, 1, 1, 50_000, 0), RejectReason.INVALID_QUANTITY),
        ((A, 1, BUY, 1, 1, 50_000, -1), RejectReason.INVALID_QUANTITY),
        ((A, 1, BUY, 1, 1, 50_000, 10**9 + 1), RejectReason.INVALID_QUANTITY),
    ],
)
def test_refusals(desk: Desk, figures: tuple[int, ...], reason: RejectReason) -> None:
    """A figure that breaks a rule is refused by its name, and the book stays as it was."""
    assert told(desk.book.place(*figures)) == [("REJECTED", reason.name)]
    assert desk.book.order_count() == 0


@pytest.mark.parametrize(
    ("price", "quantity"),
    [((2**30 - 1) * 100, 42_949_673), (100, 10**9), (2**62 // 10**9 // 100 * 100, 10**9)],
)
def test_largest_figures(desk: Desk, price: int, quantity: int) -> None:
    """The largest price, quantity and notional there may be trade without a number overflowing."""
    desk.book.configure(0, 1_000_000, -1_000_000)
    assert desk.book.place(A, 1, SELL, 1, 1, price, quantity)[0].kind == ReportKind.ACCEPTED
    trade = desk.book.place(B, 2, BUY, 1, 1, price, quantity)[0]
    assert (trade.quantity, trade.maker_fee, trade.fee) == (quantity, price * quantity, -price * quantity)


@pytest.mark.parametrize(
    ("price", "quantity"), [((2**30 - 1) * 100, 42_949_674), (2**62 // 10**9 // 100 * 100 + 100, 10**9)]
)
def test_notional_is_bounded(desk: Desk, price: int, quantity: int) -> None:
    """An order whose price times quantity would not fit is refused."""
    assert told(desk.book.place(A, 1, SELL, 1, 1, price, quantity)) == [("REJECTED", "INVALID_QUANTITY")]


def test_largest_trigger(desk: Desk) -> None:
    """A trigger may be the highest price there is, and no higher."""
    highest = 2**30 - 1
    assert desk.place(A, BUY, 1, 1, kind=OrderType.STOP, trigger_cents=highest) == [("WAITING", A, 1)]
    too_high = desk.place(B, BUY, 1, 1, kind=OrderType.STOP, trigger_cents=highest + 1)
    assert too_high == [("REJECTED", "INVALID_TRIGGER")]


def test_too_large_for_64_bits(desk: Desk) -> None:
    """A number beyond 64 bits never wraps around into another one."""
    try:
        reports = desk.book.place(A, 1, BUY, 1, 1, 2**64 + 50_000, 1)
    except OverflowError:
        return
    assert told(reports) == [("REJECTED", "INVALID_PRICE")]
