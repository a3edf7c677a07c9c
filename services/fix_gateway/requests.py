"""What a FIX client asks for, in the words of the exchange's public API. No I/O; values are judged by the exchange."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from services.fix_gateway.wire import Message
from shared.errors import Problem

SIDES = {"1": "BUY", "2": "SELL"}
ORDER_TYPES = {"1": "MARKET", "2": "LIMIT", "3": "STOP", "4": "STOP_LIMIT", "P": "TRAILING_STOP"}
TIMES_IN_FORCE = {"0": "DAY", "1": "GTC", "3": "IOC", "4": "FOK", "6": "GTD"}
POST_ONLY, TRAILS = "6", "a"
"""ExecInst: participate, don't initiate; trailing stop peg."""


def new_order(message: Message) -> dict[str, Any]:
    """NewOrderSingle as the body of ``POST /v1/order``. Raises Problem."""
    order_type = _word(message, 40, "OrdType", ORDER_TYPES)
    instructions = message.get(18).split()
    if unknown := set(instructions) - {POST_ONLY, TRAILS}:
        detail = f"ExecInst (18) {' '.join(sorted(unknown))} is not known here; {POST_ONLY} is post-only."
        raise Problem(422, "invalid_exec_inst", detail)
    trails = order_type == "TRAILING_STOP"
    if trails != (TRAILS in instructions):
        detail = f"A trailing stop is OrdType (40) P with ExecInst (18) {TRAILS} and PegOffsetValue (211)."
        raise Problem(422, "invalid_exec_inst", detail)
    body: dict[str, Any] = {
        "client_order_id": message.get(11),
        "symbol": message.get(55),
        "side": _word(message, 54, "Side", SIDES),
        "order_type": order_type,
        "quantity": message.get(38),
        "time_in_force": _time_in_force(message, order_type),
        "price": message.get(44),
        "stop_price": message.get(99),
        "trail_amount": message.get(211) if trails else "",
        "display_quantity": message.get(111),
        "expires_at": _expires_at(message),
        "post_only": POST_ONLY in instructions,
    }
    if not body["quantity"]:
        raise Problem(422, "quantity_required", "OrderQty (38) is missing.")
    return {name: value for name, value in body.items() if value}


def new_terms(message: Message, decremented: int) -> dict[str, str]:
    """OrderCancelReplaceRequest as the body of ``PATCH /v1/order/{order_id}``.

    ``decremented``: what self-trade prevention took, which the exchange counts as part of an order's quantity.
    """
    quantity, price = message.get(38), message.get(44)
    if decremented and quantity.isdigit():
        quantity = str(int(quantity) + decremented)
    terms = {"quantity": quantity, "price": price}
    return {name: value for name, value in terms.items() if value}


def mass_cancel_symbol(message: Message) -> str:
    """The symbol whose orders OrderMassCancelRequest names, empty for all. Raises Problem."""
    kind = message.get(530)
    if kind == "7":
        return ""
    if kind == "1" and message.get(55):
        return message.get(55)
    detail = "MassCancelRequestType (530) must be 7 (all), or 1 with a Symbol (55)."
    raise Problem(422, "invalid_mass_cancel", detail)


def time_us(text: str) -> int:
    """The public API's time (ISO 8601) in microseconds of Unix time."""
    return int((datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def utc_timestamp(unix_us: int) -> str:
    """Microseconds of Unix time as FIX writes a time."""
    seconds, rest = divmod(unix_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%d-%H:%M:%S}.{rest:06d}"


def _time_in_force(message: Message, order_type: str) -> str:
    """FIX's default is the day. A market order never rests: for its day it is immediate-or-cancel."""
    word = _word(message, 59, "TimeInForce", TIMES_IN_FORCE) if message.get(59) else "DAY"
    return "IOC" if order_type == "MARKET" and word == "DAY" else word


def _expires_at(message: Message) -> str:
    """ExpireTime, or the end of ExpireDate, as ISO 8601."""
    try:
        if text := message.get(126):
            return f"{datetime.fromisoformat(text.replace('-', 'T')).replace(tzinfo=UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        if text := message.get(432):
            return f"{date.fromisoformat(text) + timedelta(days=1)}T00:00:00Z"
    except ValueError as error:
        detail = "ExpireTime (126) is a UTC time like 20300131-16:00:00, ExpireDate (432) a day like 20300131."
        raise Problem(422, "invalid_expires_at", detail) from error
    return ""


def _word(message: Message, tag: int, name: str, words: dict[str, str]) -> str:
    word = words.get(message.get(tag))
    if word is None:
        known = ", ".join(f"{value} ({meaning})" for value, meaning in words.items())
        raise Problem(422, f"invalid_{_snake(name)}", f"{name} ({tag}) must be one of {known}.")
    return word


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).strip("_")


def check_same(message: Message, symbol: str, side: str, order_type: str, trigger: str) -> None:
    """What a replace can't change must be as it is. Raises Problem."""
    same = {
        "Symbol (55)": message.get(55) == symbol,
        "Side (54)": SIDES.get(message.get(54)) == side,
        "OrdType (40)": ORDER_TYPES.get(message.get(40)) == order_type,
        "StopPx (99)": not message.get(99) or not trigger or Decimal(message.get(99)) == Decimal(trigger),
    }
    if other := [name for name, is_same in same.items() if not is_same]:
        detail = f"{' and '.join(other)} can't be changed: only OrderQty (38) and Price (44)."
        raise Problem(422, "not_amendable", detail)
