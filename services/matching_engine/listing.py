"""Which instruments a book can be made for."""

import re

from services.matching_engine.commands import ListSymbol
from services.matching_engine.kernel_layout import MAX_KEY
from shared.contracts.engine import Instrument
from shared.contracts.money import CASH

SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,11}")
NAME_MAX = 100
LOT_MAX = 1_000_000
TICK_MAX = 100_000_000

LISTING_RULE = (
    f"A symbol is up to 12 capitals, digits and dots, begins with a capital and is not {CASH}; its name has 1 to "
    f"{NAME_MAX} characters. The tick is 0.0001 to {TICK_MAX // 10_000}, the lot 1 to {LOT_MAX}, the reference price a "
    f"whole number of ticks, 1 to {MAX_KEY}."
)


def may_be_listed(command: ListSymbol) -> bool:
    """Whether LISTING_RULE holds."""
    return (
        SYMBOL.fullmatch(command.symbol) is not None
        and command.symbol != CASH
        and 1 <= len(command.name) <= NAME_MAX
        and 1 <= command.tick_size <= TICK_MAX
        and 1 <= command.lot_size <= LOT_MAX
        and command.reference_price % command.tick_size == 0
        and 1 <= command.reference_price // command.tick_size <= MAX_KEY
    )


def instrument_of(command: ListSymbol) -> Instrument:
    """What is listed by this command."""
    return Instrument(
        symbol=command.symbol,
        name=command.name,
        tick_size=command.tick_size,
        lot_size=command.lot_size,
        reference_price=command.reference_price,
    )
