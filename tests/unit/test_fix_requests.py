"""What a FIX client asks for, in the words of the public API."""

from typing import Any

import pytest

from services.fix_gateway import requests
from services.fix_gateway.names import Kind, SessionName, read_logon, session_name
from services.fix_gateway.wire import Message, message_text
from shared.errors import Problem

LIMIT = {11: "one", 55: "AAPL", 54: "1", 38: "10", 40: "2", 44: "150.25"}
LOGON = {35: "A", 49: "alice", 56: "OUTCRY", 98: "0", 108: "30", 553: "alice", 554: "secret"}


def message(fields: dict[int, str], **other: str | None) -> Message:
    """A message of these fields; t44="1" sets tag 44, None leaves it out."""
    changed: dict[int, Any] = {35: "D", **fields, **{int(tag[1:]): value for tag, value in other.items()}}
    return Message(message_text((tag, value) for tag, value in changed.items() if value is not None))


def test_a_limit_order() -> None:
    """Decimals stay text; without a TimeInForce it is for the day, as FIX has it."""
    assert requests.new_order(message(LIMIT)) == {
        "client_order_id": "one",
        "symbol": "AAPL",
        "side": "BUY",
        "order_type": "LIMIT",
        "quantity": "10",
        "price": "150.25",
        "time_in_force": "DAY",
    }


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"t54": "2"}, {"side": "SELL"}),
        ({"t40": "1", "t44": None}, {"order_type": "MARKET", "time_in_force": "IOC"}),
        ({"t40": "1", "t44": None, "t59": "4"}, {"order_type": "MARKET", "time_in_force": "FOK"}),
        ({"t40": "3", "t44": None, "t99": "149"}, {"order_type": "STOP", "stop_price": "149"}),
        ({"t40": "4", "t99": "149"}, {"order_type": "STOP_LIMIT", "stop_price": "149", "price": "150.25"}),
        ({"t40": "P", "t44": None, "t18": "a", "t211": "2.5"}, {"order_type": "TRAILING_STOP", "trail_amount": "2.5"}),
        ({"t18": "6", "t59": "1"}, {"post_only": True, "time_in_force": "GTC"}),
        ({"t111": "5"}, {"display_quantity": "5"}),
        ({"t59": "6", "t126": "20300131-16:00:00"}, {"expires_at": "2030-01-31T16:00:00.000000Z"}),
        ({"t59": "6", "t432": "20300131"}, {"expires_at": "2030-02-01T00:00:00Z"}),
    ],
)
def test_what_orders_can_ask_for(changed: dict[str, str | None], expected: dict[str, Any]) -> None:
    """Each field of FIX is that of the public API."""
    found = requests.new_order(message(LIMIT, **changed))
    assert found == found | expected


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"t54": "5"}, "invalid_side"),
        ({"t40": "K"}, "invalid_ord_type"),
        ({"t59": "7"}, "invalid_time_in_force"),
        ({"t18": "G"}, "invalid_exec_inst"),
        ({"t40": "P", "t44": None}, "invalid_exec_inst"),
        ({"t38": None}, "quantity_required"),
        ({"t59": "6", "t126": "tomorrow"}, "invalid_expires_at"),
    ],
)
def test_what_has_no_word_in_the_api_is_refused(changed: dict[str, str | None], code: str) -> None:
    """The refusal names the field; nothing is guessed."""
    with pytest.raises(Problem) as refused:
        requests.new_order(message(LIMIT, **changed))
    assert refused.value.code == code


def test_a_replace_asks_for_quantity_and_price() -> None:
    """What self-trade prevention took is part of the exchange's quantity, and no part of FIX's."""
    assert requests.new_terms(message(LIMIT), 0) == {"quantity": "10", "price": "150.25"}
    assert requests.new_terms(message(LIMIT, t44=None), 3) == {"quantity": "13"}


def test_a_replace_can_change_nothing_else() -> None:
    """Symbol, side, type and trigger must be those of the order."""
    requests.check_same(message(LIMIT), "AAPL", "BUY", "LIMIT", "")
    requests.check_same(message(LIMIT, t40="3", t99="149.0"), "AAPL", "BUY", "STOP", "149.00")
    for other in (("AMZN", "BUY", "LIMIT", ""), ("AAPL", "SELL", "LIMIT", ""), ("AAPL", "BUY", "STOP", "1")):
        with pytest.raises(Problem, match="not_amendable"):
            requests.check_same(message(LIMIT), *other)
    with pytest.raises(Problem, match="StopPx"):
        requests.check_same(message(LIMIT, t40="3", t99="148"), "AAPL", "BUY", "STOP", "149.00")


def test_mass_cancel_is_of_all_or_of_one_symbol() -> None:
    """Other scopes are refused rather than taken for all."""
    assert requests.mass_cancel_symbol(message({}, t530="7")) == ""
    assert requests.mass_cancel_symbol(message({}, t530="1", t55="AAPL")) == "AAPL"
    for wrong in ({"t530": "1"}, {"t530": "3"}, {}):
        with pytest.raises(Problem, match="invalid_mass_cancel"):
            requests.mass_cancel_symbol(message({}, **wrong))


def test_times() -> None:
    """Times keep their microseconds on both ways."""
    assert requests.time_us("2026-01-31T10:00:00.123456Z") == 1769853600123456
    assert requests.utc_timestamp(1769853600123456) == "20260131-10:00:00.123456"


def test_a_logon_tells_who_and_what_for() -> None:
    """Its text never shows the password."""
    logon = read_logon(message(LOGON, t9001="Y"))
    assert logon == (SessionName(Kind.ORDERS, "alice"), "alice", "secret", True, None)
    assert "secret" not in repr(logon)
    assert read_logon(message(LOGON, t9003="N")).ends is False
    assert read_logon(message(LOGON, t49="alice:desk2", t56="OUTCRY-MD")).name == (Kind.MARKET, "alice:desk2")


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"t35": "D"}, "logon_required"),
        ({"t553": None}, "credentials_required"),
        ({"t554": None}, "credentials_required"),
        ({"t98": "1"}, "encryption_not_supported"),
        ({"t108": "0"}, "invalid_heartbeat"),
        ({"t108": "soon"}, "invalid_heartbeat"),
        ({"t49": "bob"}, "wrong_sender"),
        ({"t49": "alice:../x"}, "wrong_sender"),
        ({"t49": "alice:"}, "wrong_sender"),
        ({"t56": "NYSE"}, "unknown_target"),
    ],
)
def test_a_logon_that_can_not_be_served_says_why(changed: dict[str, str | None], code: str) -> None:
    """Nobody logs on to the session of another user."""
    with pytest.raises(Problem) as refused:
        read_logon(message(LOGON, **changed))
    assert refused.value.code == code


def test_a_session_belongs_to_one_user() -> None:
    """A name that begins like another user's is not theirs."""
    assert session_name("al", "OUTCRY", "al") == (Kind.ORDERS, "al")
    with pytest.raises(Problem, match="wrong_sender"):
        session_name("alice", "OUTCRY", "al")
