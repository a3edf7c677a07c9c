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
    STOP = 3
    """Waits until the last price reaches its trigger, then is a market order."""
    STOP_LIMIT = 4
    """Waits until the last price reaches its trigger, then is a limit order."""
    TRAILING_STOP = 5
    """A stop whose trigger follows the last price at a set distance, in the order's favour only."""


class TimeInForce(IntEnum):
    """How long an order may wait for a counterparty."""

    GTC = 1
    """Good till cancelled."""
    IOC = 2
    """Immediate or cancel: what does not trade at once is cancelled."""
    FOK = 3
    """Fill or kill: all of it at once, or none of it."""
    DAY = 4
    """Until the symbol's session closes."""
    GTD = 5
    """Good till date: until the clock reaches its expiry."""


class SelfTrade(IntEnum):
    """What an order does when it meets an order of its own account."""

    CANCEL_NEWEST = 0
    """The incoming order's remainder is cancelled."""
    CANCEL_OLDEST = 1
    """The resting order is cancelled."""
    CANCEL_BOTH = 2
    DECREMENT = 3
    """Both lose the smaller of the two quantities, without a trade."""


class Session(IntEnum):
    """What a symbol's book does at the moment."""

    CONTINUOUS = 1
    PRE_OPEN = 2
    """Collects orders, matches nothing."""
    OPENING_AUCTION = 3
    CLOSING_AUCTION = 4
    VOLATILITY_AUCTION = 5
    """Entered by itself where a trade would have left the price band."""
    HALTED = 6
    """Takes cancels only."""
    CLOSED = 7
    """Takes cancels only; day orders are gone."""


class CommandKind(IntEnum):
    """What a packed command asks of the book."""

    PLACE = 1
    CANCEL = 2
    AMEND = 3
    CANCEL_ALL = 4
    ADVANCE_CLOCK = 5
    SET_SESSION = 6
    CONFIGURE = 7


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
    WAITING = 5
    """A stop order waits for its trigger."""
    TRIGGERED = 6
    """A stop order's trigger was reached; what becomes of it follows."""
    AMENDED = 7
    """A resting or waiting order changed."""
    RELOADED = 8
    """An iceberg shows its next slice, at the end of its level."""
    DECREMENTED = 9
    """Two orders of one account lost a quantity instead of trading it."""
    SESSION_CHANGED = 10
    """The book's session changed; an auction's price and volume come with it."""
    CONFIGURED = 11
    CLOCK_ADVANCED = 12


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
    EXPIRED = 7
    """Its date, or its day, is over."""
    LINKED = 8
    """The other order of its pair (one cancels the other) traded, was triggered, or went away."""


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
    NOT_IN_THIS_SESSION = 11
    WOULD_TRADE = 12
    """A post-only order that would trade at once."""
    INVALID_TRIGGER = 13
    INVALID_EXPIRY = 14
    INVALID_DISPLAY = 15
    INVALID_LINK = 16
    INVALID_SELF_TRADE = 17
    TOO_MANY_TRAILING_STOPS = 18
    INVALID_TIME = 19
    INVALID_SESSION = 20
    INVALID_CONFIGURATION = 21
    INVALID_COMMAND = 22
    INVALID_ACCOUNT_ID = 23


class AmendEffect(IntEnum):
    """The reason field of an AMENDED report."""

    KEPT_PLACE = 0
    LOST_PLACE = 1
