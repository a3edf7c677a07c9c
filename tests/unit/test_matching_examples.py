"""The worked examples of docs/matching.md that are not tests elsewhere, in its words and its order."""

from types import ModuleType

import pytest

from shared.contracts.codes import OrderType, SelfTrade, TimeInForce
from tests.unit.kernel_builds import BUILDS
from tests.unit.test_book import BUY, SELL, A, B, C, Desk, Happening, told

M = 9


@pytest.fixture(params=BUILDS, ids=lambda build: build.__file__.rpartition(".")[2])
def desk(request: pytest.FixtureRequest) -> Desk:
    build: ModuleType = request.param
    return Desk(build)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"force": TimeInForce.IOC}, [("TRADE", B, A, 5, 500), ("DONE", A, "FILLED", 0), ("DONE", B, "IOC", 3)]),
        ({"force": TimeInForce.FOK}, [("DONE", B, "FOK", 8)]),
        (
            {"kind": OrderType.MARKET, "cents": 510, "force": TimeInForce.IOC},
            [("TRADE", B, A, 5, 500), ("DONE", A, "FILLED", 0), ("DONE", B, "NO_LIQUIDITY", 3)],
        ),
        ({}, [("TRADE", B, A, 5, 500), ("DONE", A, "FILLED", 0), ("ACCEPTED", B, 3)]),
    ],
)
def test_times_in_force(desk: Desk, options: dict[str, int], expected: list[Happening]) -> None:
    """What becomes of what did not trade at once (1)."""
    desk.place(A, SELL, 5, 500)
    assert desk.place(B, BUY, 8, **({"cents": 500} | options)) == expected


def test_cancel_all(desk: Desk) -> None:
    """The order that entered last goes first, waiting or resting (2)."""
    desk.place(A, BUY, 1, 498, account=7)
    desk.place(B, BUY, 1, 499, account=7)
    desk.place(C, SELL, 1, 1, account=7, kind=OrderType.STOP, trigger_cents=490)
    assert told(desk.book.cancel_all(7)) == [("DONE", order_id, "CANCELLED", 1) for order_id in (C, B, A)]
    assert told(desk.book.cancel(A)) == [("REJECTED", "UNKNOWN_ORDER")]


def test_post_only(desk: Desk) -> None:
    """What would trade is refused, what rests is taken (4)."""
    desk.place(A, SELL, 10, 500)
    assert desk.place(B, BUY, 10, 500, post_only=1) == [("REJECTED", "WOULD_TRADE")]
    assert desk.place(B, BUY, 10, 499, post_only=1) == [("ACCEPTED", B, 10)]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (SelfTrade.CANCEL_NEWEST, [("DONE", B, "SELF_TRADE", 15)]),
        (
            SelfTrade.CANCEL_OLDEST,
            [
                ("DONE", A, "SELF_TRADE", 10),
                ("TRADE", B, M, 10, 500),
                ("DONE", M, "FILLED", 0),
                ("ACCEPTED", B, 5),
            ],
        ),
        (SelfTrade.CANCEL_BOTH, [("DONE", A, "SELF_TRADE", 10), ("DONE", B, "SELF_TRADE", 15)]),
        (
            SelfTrade.DECREMENT,
            [
                ("DECREMENTED", B, A, 10, 500),
                ("DONE", A, "SELF_TRADE", 0),
                ("TRADE", B, M, 5, 500),
                ("DONE", B, "FILLED", 0),
            ],
        ),
    ],
)
def test_self_trade_prevention(desk: Desk, choice: SelfTrade, expected: list[Happening]) -> None:
    """The taker's choice decides (4)."""
    desk.place(A, SELL, 10, 500, account=7)
    desk.place(M, SELL, 10, 500)
    assert desk.place(B, BUY, 15, 500, account=7, self_trade=choice) == expected


def test_trailing_stop(desk: Desk) -> None:
    """The trigger follows the last price up and never down (5)."""

    def trade(cents: int) -> list[Happening]:
        desk.place(A, BUY, 1, cents)
        return desk.place(B, SELL, 1, cents)

    trade(500)
    desk.place(C, SELL, 10, 480, kind=OrderType.TRAILING_STOP, trigger_cents=10)
    assert not any(happening[0] == "TRIGGERED" for cents in (520, 515) for happening in trade(cents))
    assert ("TRIGGERED", C, 10) in trade(510)


def test_fees(desk: Desk) -> None:
    """A fee is rounded up, a rebate down (9)."""
    desk.book.configure(0, -100, 250)
    desk.place(A, SELL, 3, 501)
    [trade, *_] = desk.book.place(B, 1002, BUY, OrderType.LIMIT, TimeInForce.GTC, 50_100, 3)
    assert (trade.fee, trade.maker_fee) == (38, -15)
