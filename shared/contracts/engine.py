"""What the matching-engine is asked, and what it tells everybody afterwards.

Every command that the engine journals gets the next sequence number, and its reports leave as one ``EngineEvent`` with
that number on the stream ``EXECUTIONS``. The number is the clock of the whole exchange: consumers store it as their
position, and readers name it to say how fresh an answer must be.
"""

from collections.abc import Sequence

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import AUDITOR, ENGINE, GATEWAY, MARKET, ORDERS, RISK, USERS, Answer, Item, Operation
from shared.contracts.orders import Fill, NewOrder, OrderStatus


class CancelOrder(Item, frozen=True, kw_only=True):
    """Take a resting order off the book. Only its owner may."""

    order_id: int
    user_id: int
    symbol: str


class Matched(Answer, frozen=True, kw_only=True, gc=False, tag=True):
    """What became of a command, journalled as event ``position``. ``status`` is the order's after it.

    ``decremented_quantity`` is what self-trade prevention took from the order. ``triggered``: a stop order
    was triggered at once.
    """

    order_id: int
    position: int
    status: OrderStatus
    filled_quantity: Shares
    open_quantity: Shares
    reason: str = ""
    fills: tuple[Fill, ...] = ()
    decremented_quantity: Shares = 0
    triggered: bool = False


class Cancelled(Answer, frozen=True, kw_only=True, gc=False, tag=True):
    """An order is off the book as of event ``position``.

    ``price`` and ``quantity`` were its own then, ``open_quantity`` is what was left of it and is given back.
    """

    order_id: int
    position: int
    price: Money
    quantity: Shares
    open_quantity: Shares


class AmendOrder(Item, frozen=True, kw_only=True):
    """Give a resting order another price and another quantity in all. Only its owner may.

    ``amend_id`` is an id like an order's: the same amendment twice is one, and it can be voided like an order. The
    order must still have ``old_price`` and ``old_quantity``, since what is held was reckoned from those.
    """

    amend_id: int
    order_id: int
    user_id: int
    symbol: str
    old_price: Money
    old_quantity: Shares
    price: Money
    quantity: Shares
    fee_ppm: int = 0


class CancelAll(Item, frozen=True, kw_only=True):
    """Take all of a user's orders of a symbol off its book."""

    user_id: int
    symbol: str


class CancelledAll(Answer, frozen=True, kw_only=True, tag=True):
    """The orders that were taken off, the one that came last first, and the event as of which they are."""

    position: int
    order_ids: tuple[int, ...]


class ConfigureBook(Item, frozen=True, kw_only=True):
    """Set a symbol's fees (millionths of price times quantity) and price band (0: none). None leaves as it is.

    Fees change only while no order is in the book, since what orders hold was reckoned with them. ``user_id`` is the
    administrator's.
    """

    user_id: int
    symbol: str
    maker_fee_ppm: int | None = None
    taker_fee_ppm: int | None = None
    band: Money | None = None


class SetSession(Item, frozen=True, kw_only=True):
    """Turn a symbol to another ``Session``. Auctions and the band start from ``reference_price``, 0: as it is."""

    user_id: int
    symbol: str
    session: int
    reference_price: Money = 0


class ListSymbol(Item, frozen=True, kw_only=True):
    """Trade a symbol from now on, from an empty book. ``user_id`` is the administrator's."""

    user_id: int
    symbol: str
    name: str
    tick_size: Money
    lot_size: Shares
    reference_price: Money


class DelistSymbol(Item, frozen=True, kw_only=True):
    """Cancel all orders of a symbol and take no more. ``user_id`` is the administrator's."""

    user_id: int
    symbol: str


class Block(Item, frozen=True, kw_only=True):
    """The kill switch: an account's orders are all cancelled and new ones refused, until it is let in again."""

    user_id: int
    account_id: int
    blocked: bool


class ActionsQuery(Item, frozen=True, kw_only=True):
    """A page of what administrators did, newest first, below event ``before`` (0: from the newest)."""

    before: int = 0
    limit: int = 50


class ActionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what, when, and in which trace. ``detail`` is what was set, as JSON."""

    seq: int
    time_us: int
    user_id: int
    action: str
    symbol: str
    detail: str
    trace_id: str


class Actions(Answer, frozen=True, kw_only=True, tag=True):
    """A page of actions."""

    actions: tuple[ActionRecord, ...]


class BookChanged(Answer, frozen=True, kw_only=True, tag=True):
    """An administrator's change is on disk as event ``position``."""

    position: int


class VoidOrder(Item, frozen=True, kw_only=True):
    """Settle the doubt about an order or an amendment: if the engine does not have it, it never will.

    ``symbol`` is the order's, empty where nobody knows it any more.
    """

    order_id: int
    symbol: str = ""


class Voided(Answer, frozen=True, kw_only=True, tag=True):
    """``known``: the engine has this order, its events tell the rest. Otherwise it is barred from now on.

    An order it had long ago may be unknown here; whoever has applied all events up to ``position`` and has seen none of
    this order can be sure that there was none.
    """

    order_id: int
    known: bool
    position: int


class Instruments(Item, frozen=True, kw_only=True):
    """Ask for everything that can be traded."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What can be traded, in which steps and for which fees, and the price that stands in until there is a trade."""

    symbol: str
    name: str
    tick_size: Money
    lot_size: Shares
    reference_price: Money
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0


class InstrumentList(Answer, frozen=True, kw_only=True, tag=True):
    """Everything that can be traded, by symbol."""

    instruments: tuple[Instrument, ...]


class BookQuery(Item, frozen=True, kw_only=True):
    """Ask for all resting orders of a symbol."""

    symbol: str


class RestingOrder(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One order on the book, in priority order within its side and price. Of what is open an iceberg hides a part."""

    order_id: int
    user_id: int
    side: int
    price: Money
    open_quantity: Shares
    hidden_quantity: Shares = 0


class BookState(Answer, frozen=True, kw_only=True, tag=True):
    """A book as it stood right after event ``position``. ``waiting`` are the stop orders, which nobody is shown."""

    symbol: str
    position: int
    last_price: Money
    orders: tuple[RestingOrder, ...]
    waiting: tuple[RestingOrder, ...] = ()
    session: int = 1
    indication: tuple[Money, Shares, int] | None = None


INSTRUMENTS_CHANNEL = "matching-engine:instruments"
"""Valkey channel on which the engine says that what LIST_INSTRUMENTS tells has changed."""


def _changed_everywhere(answers: Sequence[BookChanged]) -> BookChanged:
    return max(answers, key=lambda answer: answer.position)


def _voided_everywhere(answers: Sequence[Voided]) -> Voided:
    known, position = any(answer.known for answer in answers), max(answer.position for answer in answers)
    return Voided(order_id=answers[0].order_id, known=known, position=position)


def _listed_anywhere(answers: Sequence[InstrumentList]) -> InstrumentList:
    listed = [instrument for answer in answers for instrument in answer.instruments]
    return InstrumentList(instruments=tuple(sorted(listed, key=lambda instrument: instrument.symbol)))


def _the_same_everywhere(answers: Sequence[Actions]) -> Actions:
    return answers[0]


MATCH_ORDER = Operation(ENGINE, "match_order", NewOrder, Matched)
CANCEL_ORDER = Operation(ENGINE, "cancel_order", CancelOrder, Cancelled)
AMEND_ORDER = Operation(ENGINE, "amend_order", AmendOrder, Matched)
CANCEL_ALL = Operation(ENGINE, "cancel_all", CancelAll, CancelledAll)
CONFIGURE_BOOK = Operation(ENGINE, "configure_book", ConfigureBook, BookChanged)
SET_SESSION = Operation(ENGINE, "set_session", SetSession, BookChanged)
LIST_SYMBOL = Operation(ENGINE, "list_symbol", ListSymbol, BookChanged)
DELIST_SYMBOL = Operation(ENGINE, "delist_symbol", DelistSymbol, BookChanged)
BLOCK_ACCOUNT = Operation(ENGINE, "block_account", Block, BookChanged, merge=_changed_everywhere)
LIST_ACTIONS = Operation(ENGINE, "list_actions", ActionsQuery, Actions, merge=_the_same_everywhere)
VOID_ORDER = Operation(ENGINE, "void_order", VoidOrder, Voided, traced=False, merge=_voided_everywhere)
LIST_INSTRUMENTS = Operation(
    ENGINE,
    "list_instruments",
    Instruments,
    InstrumentList,
    frozenset({GATEWAY, RISK, MARKET, USERS, AUDITOR}),
    traced=False,
    merge=_listed_anywhere,
)
GET_BOOK = Operation(
    ENGINE, "get_book", BookQuery, BookState, frozenset({GATEWAY, MARKET, ORDERS, AUDITOR}), traced=False
)
