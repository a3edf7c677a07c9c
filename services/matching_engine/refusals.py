"""Why the engine refuses a command, in words."""

from services.matching_engine.kernel_report import Report
from shared.contracts.codes import RejectReason
from shared.contracts.operations import Refused

WORDS = {
    RejectReason.INVALID_TIME_IN_FORCE: "This time in force does not go with this kind of order.",
    RejectReason.INVALID_PRICE: "The price must be above zero.",
    RejectReason.PRICE_OFF_TICK: "The price must be a whole multiple of the symbol's tick size.",
    RejectReason.INVALID_QUANTITY: "The quantity must be above zero.",
    RejectReason.QUANTITY_OFF_LOT: "The quantity must be a whole multiple of the symbol's lot size.",
    RejectReason.DUPLICATE_ORDER_ID: "An order with this id is on the book.",
    RejectReason.UNKNOWN_ORDER: "There is no such open order; it may be filled or cancelled already.",
    RejectReason.INVALID_DISPLAY: "display_quantity must be below the quantity, in whole lots, on a limit order.",
    RejectReason.INVALID_EXPIRY: "The order's time is over already: name a later expires_at.",
    RejectReason.WOULD_TRADE: "The order is post-only and would trade at once. Move its price away from the market.",
    RejectReason.INVALID_SESSION: "There is no such session, or the reference price is none that the book can have.",
    RejectReason.INVALID_CONFIGURATION: "The price band must not be negative, nor beyond what prices can be.",
    RejectReason.NOT_IN_THIS_SESSION: "The symbol's session does not take this kind of order right now.",
    RejectReason.INVALID_TRIGGER: "A stop needs a trigger on a tick, and a trailing stop needs a last price to trail.",
    RejectReason.INVALID_LINK: "linked_order_id must be an open order of yours for this symbol that has no link yet.",
    RejectReason.TOO_MANY_TRAILING_STOPS: "This symbol has as many trailing stops as it takes. Use a stop instead.",
}


def refused(code: str, detail: str) -> Refused:
    return Refused(code=code, detail=detail)


def not_traded(symbol: str) -> Refused:
    return refused("unknown_symbol", f"{symbol} is not traded here. GET /marketdata/symbols lists what is.")


def refused_by_rule(reason: RejectReason) -> Refused:
    """A refusal under the name that docs/matching.md gives it."""
    return refused(reason.name.lower(), WORDS.get(reason, "The order is not valid."))


def refused_by_book(report: Report) -> Refused:
    """A REJECTED report as the client is told it."""
    return refused_by_rule(RejectReason(report.reason))
