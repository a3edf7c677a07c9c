"""The small integers that orders and reports are made of, the same in every service, journal and packed record.

Members are only ever appended: a journal written years ago must still read the same.
"""

from enum import IntEnum


class Side(IntEnum):
    """Which side of the book an order is on."""

    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """What an order's price means."""

    LIMIT = 1
    """Trades at its price or better, and may rest."""
    MARKET = 2
    """Trades at once up to its protection price, and never rests."""


class TimeInForce(IntEnum):
    """How long an order may wait for a counterparty."""

    GTC = 1
    """Good till cancelled."""
    IOC = 2
    """Immediate or cancel: what does not trade at once is cancelled."""
    FOK = 3
    """Fill or kill: all of it at once, or none of it."""


class ReportKind(IntEnum):
    """What the book says happened."""

    ACCEPTED = 1
    """The order (what is left of it) now rests in the book."""
    REJECTED = 2
    """The command was refused and changed nothing."""
    TRADE = 3
    """A maker and a taker exchanged `quantity` at the maker's price."""
    DONE = 4
    """The order is gone from the book for good."""


class DoneReason(IntEnum):
    """Why an order is gone."""

    FILLED = 1
    CANCELLED = 2
    IOC = 3
    """The remainder of an immediate-or-cancel order."""
    FOK = 4
    """A fill-or-kill order that could not be filled whole."""
    NO_LIQUIDITY = 5
    """The remainder of a market order: nothing left to trade with up to its protection price."""
    SELF_TRADE = 6
    """Cancelled because it would have traded with an order of its own account."""


class RejectReason(IntEnum):
    """Why a command was refused."""

    INVALID_ORDER_ID = 1
    DUPLICATE_ORDER_ID = 2
    INVALID_SIDE = 3
    INVALID_ORDER_TYPE = 4
    INVALID_TIME_IN_FORCE = 5
    INVALID_PRICE = 6
    """Not positive, or above what the book can hold."""
    PRICE_OFF_TICK = 7
    INVALID_QUANTITY = 8
    """Not positive, or above what the book can hold."""
    QUANTITY_OFF_LOT = 9
    UNKNOWN_ORDER = 10
    """No such order rests in this book."""
