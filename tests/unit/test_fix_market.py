"""MarketDataRequest, and what the market data feed tells as FIX messages."""

from typing import Any

import pytest

from services.fix_gateway import market
from services.fix_gateway.market import Topic, Wanted
from services.fix_gateway.wire import Fields, Message, message_text
from shared.errors import Problem


def request(types: str = "01", kind: str = "1", depth: str = "0", update: str = "1", symbol: str = "AAPL") -> Message:
    entries = [(269, entry) for entry in types]
    fields = [(35, "V"), (262, "md"), (263, kind), (264, depth), (265, update), (267, str(len(types))), *entries]
    return Message(message_text([*fields, (146, "1"), (55, symbol)]))


def entries(fields: Fields | None, first: int) -> list[dict[int, str]]:
    """The entries of a message's group, which all begin with the tag ``first``."""
    assert fields is not None
    found: list[dict[int, str]] = []
    for tag, value in fields:
        if tag == first:
            found.append({})
        if found:
            found[-1][tag] = value
    return found


BOOK = {"bids": [["150.00", "10", 1], ["149.00", "5", 2]], "asks": [["151.00", "7", 1]]}


def test_a_request_names_topics() -> None:
    """All levels are L2, the best one is L1, trades are trades."""
    assert Wanted(request("01")).channels == ["L2"]
    assert Wanted(request("012", depth="1")).channels == ["L1", "trades"]
    assert Wanted(request("2")).channels == ["trades"]
    assert Wanted(request(kind="2")).ends


@pytest.mark.parametrize(
    ("changed", "code", "reason"),
    [
        ({"kind": "9"}, "invalid_subscription_type", "4"),
        ({"depth": "5"}, "invalid_market_depth", "5"),
        ({"types": "04"}, "invalid_entry_type", "8"),
        ({"update": "0"}, "invalid_update_type", "6"),
        ({"symbol": ""}, "unknown_symbol", "0"),
    ],
)
def test_what_is_not_served_is_refused_with_its_reason(changed: dict[str, Any], code: str, reason: str) -> None:
    """MDReqRejReason says what kind of mistake it is, Text what there is instead."""
    wrong = request(**changed)
    with pytest.raises(Problem) as refused:
        Wanted(wrong)
    assert refused.value.code == code
    assert dict(market.request_rejected(wrong, refused.value))[281] == reason


def test_a_snapshot_is_the_whole_book() -> None:
    """Each level is an entry of its side, best first, with its quantity and its number of orders."""
    topic = Topic(Wanted(request()), "L2", "AAPL")
    fields = topic.snapshot(BOOK)
    assert dict(fields)[268] == "3"
    assert [(e[269], e[270], e[271], e[346]) for e in entries(fields, 269)] == [
        ("0", "150.00", "10", "1"),
        ("0", "149.00", "5", "2"),
        ("1", "151.00", "7", "1"),
    ]


def test_an_update_says_what_is_new_changed_and_gone() -> None:
    """A level that is not known is new, one that is known is changed, quantity 0 is gone; what stays is not told."""
    topic = Topic(Wanted(request()), "L2", "AAPL")
    topic.snapshot(BOOK)
    fields = topic.update(
        {"bids": [["150.00", "4", 1], ["149.00", "0", 0], ["148.00", "1", 1]], "asks": [["151.00", "7", 1]]}
    )
    assert [(e[279], e[269], e[270], e[271]) for e in entries(fields, 279)] == [
        ("1", "0", "150.00", "4"),
        ("2", "0", "149.00", ""),
        ("0", "0", "148.00", "1"),
    ]
    assert topic.update({"bids": [["149.00", "0", 0]], "asks": []}) is None


def test_only_the_sides_that_are_wanted_are_told() -> None:
    """Who asks for bids hears of no offers."""
    topic = Topic(Wanted(request("0")), "L2", "AAPL")
    assert {entry[269] for entry in entries(topic.snapshot(BOOK), 269)} == {"0"}
    assert topic.update({"bids": [], "asks": [["151.00", "1", 1]]}) is None


def test_the_best_level_moves() -> None:
    """The level that was the best goes, the one that is comes; or it is told as a whole to who asked for that."""
    best = {"bid": ["150.00", "10", 1], "ask": None}
    topic = Topic(Wanted(request(depth="1")), "L1", "AAPL")
    topic.snapshot(best)
    fields = topic.update({"bid": ["149.00", "5", 2], "ask": ["151.00", "1", 1]})
    assert [(e[279], e[269], e[270]) for e in entries(fields, 279)] == [
        ("2", "0", "150.00"),
        ("0", "0", "149.00"),
        ("0", "1", "151.00"),
    ]
    whole = Topic(Wanted(request(depth="1", update="0")), "L1", "AAPL")
    whole.snapshot(best)
    told = whole.update({"bid": None, "ask": None})
    assert told is not None
    assert (dict(told)[35], dict(told)[268]) == ("W", "0")


def test_trades_are_new_entries() -> None:
    """Each has its price, its quantity, its time and the trade's id."""
    topic = Topic(Wanted(request("2")), "trades", "AAPL")
    traded = {"trade_id": "9", "price": "150.00", "quantity": "3", "time_us": 1769853600123456, "side": "BUY"}
    (entry,) = entries(topic.update({"trades": [traded]}), 279)
    assert (entry[269], entry[278], entry[270], entry[271]) == ("2", "9", "150.00", "3")
    assert (entry[272], entry[273]) == ("20260131", "10:00:00.123456")
    assert entries(topic.snapshot({"trades": [traded]}), 269)[0][270] == "150.00"
