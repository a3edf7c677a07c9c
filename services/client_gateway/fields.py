"""Single fields that clients send, as the exchange's own units and codes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from shared.contracts.engine import Instrument
from shared.contracts.money import AmountError, Money, Shares, money_from, shares_from
from shared.errors import Problem

T = TypeVar("T")


def one_of(name: str, value: str, known: Mapping[str, T]) -> T:
    """What a word of a client's stands for. Raises Problem 422 that lists the words there are."""
    found = known.get(value.upper())
    if found is None:
        raise Problem(422, f"invalid_{name}", f"{name} must be one of {', '.join(known)}.")
    return found


def quantity_from(name: str, value: Decimal, instrument: Instrument) -> Shares:
    """A quantity that a client wrote, in whole lots. Raises Problem 422."""
    try:
        quantity = shares_from(value)
    except AmountError as error:
        raise Problem(422, f"invalid_{name}", f"{name} {error}.") from error
    if quantity <= 0:
        raise Problem(422, f"invalid_{name}", f"{name} must be above zero.")
    if quantity % instrument.lot_size:
        raise Problem(422, f"invalid_{name}", f"{name} must be a multiple of the lot of {instrument.lot_size}.")
    return quantity


def price_from(name: str, value: Decimal, instrument: Instrument) -> Money:
    """A price (or a distance between two) that a client wrote, on a tick. Raises Problem 422."""
    try:
        price = money_from(value)
    except AmountError as error:
        raise Problem(422, f"invalid_{name}", f"{name} {error}.") from error
    if price <= 0:
        raise Problem(422, f"invalid_{name}", f"{name} must be above zero.")
    if price % instrument.tick_size:
        tick = Decimal(instrument.tick_size) / 10_000
        raise Problem(422, f"{name}_off_tick", f"{name} must be a multiple of the tick of {tick}.")
    return price
