"""Money and quantities as integers, and the only two places where decimals are read and written.

A price or an amount of cash is an int of 1/10,000 dollar (``Money``), a quantity is an int of shares (``Shares``).
Clients send decimals as JSON numbers or strings and get strings back. No float ever holds money.
"""

from decimal import Decimal

Money = int
"""Cash or a price per share, in 1/10,000 dollar, int64."""

Shares = int
"""A quantity of one security, in whole shares, int64."""

MONEY_SCALE = 10_000
"""Units of ``Money`` in one dollar."""

CASH = "USD"
"""The asset in which everything is paid."""

MONEY_MAX = 10**15
"""Largest amount of cash or price a client may name: 100 billion dollars. Sums of many stay far inside an int64."""

SHARES_MAX = 10**9
"""Largest quantity a client may name in one request."""


PPM = 1_000_000
"""Fees are rates in millionths of price times quantity."""


class AmountError(ValueError):
    """The number can't be an amount; the message says why and what is possible."""


def cost_per_share(price: Money, fee_ppm: int) -> Money:
    """What a buy holds for each share: its price, and the fee of one share rounded up.

    Fees are rounded up per trade, so a trade of many shares never costs more than this for each of them.
    """
    return price + -(-price * fee_ppm // PPM)


def money_from(value: Decimal) -> Money:
    """Dollars as a client wrote them. Raises AmountError for NaN, infinity, more than 4 decimals, too large."""
    if not value.is_finite():
        raise AmountError("must be a finite number")
    if abs(value) > MONEY_MAX // MONEY_SCALE:
        raise AmountError(f"must be at most {MONEY_MAX // MONEY_SCALE}")
    scaled = value * MONEY_SCALE
    units = int(scaled)
    if units != scaled:
        raise AmountError("must have at most 4 decimals")
    return units


def shares_from(value: Decimal) -> Shares:
    """A quantity as a client wrote it to ``Shares``. Raises AmountError for NaN, infinity, fractions, too large."""
    if not value.is_finite():
        raise AmountError("must be a finite number")
    if abs(value) > SHARES_MAX:
        raise AmountError(f"must be at most {SHARES_MAX}")
    units = int(value)
    if units != value:
        raise AmountError("must be a whole number")
    return units


def money_text(amount: Money) -> str:
    """``Money`` as dollars with at least 2 and at most 4 decimals: 1500000 -> "150.00", 1500050 -> "150.005"."""
    sign = "-" if amount < 0 else ""
    dollars, rest = divmod(abs(amount), MONEY_SCALE)
    decimals = f"{rest:04d}"
    if decimals[2:] == "00":
        decimals = decimals[:2]
    elif decimals[3] == "0":
        decimals = decimals[:3]
    return f"{sign}{dollars}.{decimals}"


def amount_text(asset: str, amount: int) -> str:
    """An amount of any asset as text: cash with its decimals, shares as a whole number."""
    return money_text(amount) if asset == CASH else str(amount)
