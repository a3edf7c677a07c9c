"""The events that leave a service, and the streams that carry them.

A stream has one publisher and a fixed list of consumers. Each event has a gapless sequence number of its stream. In
Valkey those that were relayed together are one entry, whose id is the number of the last (``{seq}-0``): publishing one
twice is refused there, and a consumer that sees a gap knows that it missed something.
"""

from dataclasses import dataclass

import msgspec

from shared.contracts.money import Money, Shares
from shared.contracts.operations import ENGINE, MARKET, NOTIFICATION, ORDERS, REPORTING, RISK, WALLET


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="accepted"):
    """An order rests on the book with ``quantity`` open, of which an iceberg keeps ``hidden`` out of sight."""

    order_id: int
    user_id: int
    side: int
    price: Money
    quantity: Shares
    hidden: Shares = 0


class Waiting(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="waiting"):
    """A stop order waits out of sight, ``quantity`` open, for its trigger; ``price`` is its limit or protection."""

    order_id: int
    user_id: int
    side: int
    price: Money
    quantity: Shares


class Triggered(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="triggered"):
    """A stop order's trigger was reached; what becomes of it follows. ``order_traceparent`` is where it came in."""

    order_id: int
    user_id: int
    side: int
    quantity: Shares
    order_traceparent: str


class Reloaded(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="reloaded"):
    """An iceberg whose slice has traded away shows the next one, behind all others at its price."""

    order_id: int
    user_id: int
    side: int
    price: Money
    quantity: Shares
    hidden: Shares = 0


class Amended(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="amended"):
    """An order has new terms: ``price``, ``order_quantity`` in all, ``quantity`` of it open, ``hidden`` out of sight.

    ``fee_ppm`` is the fee that a buy holds for. Unless it ``kept_place`` the order has left the book with that, and
    comes in anew: trades, Accepted or Closed follow.
    """

    order_id: int
    user_id: int
    side: int
    price: Money
    quantity: Shares
    order_quantity: Shares
    hidden: Shares = 0
    kept_place: bool = False
    fee_ppm: int = 0


class Trade(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="trade"):
    """Two orders met, at the maker's price. ``side`` is the taker's; ``*_open`` is what each has left.

    ``*_fee`` is what each pays to the exchange for it, on top; a negative one is a rebate.
    """

    trade_id: int
    price: Money
    quantity: Shares
    side: int
    taker_order_id: int
    taker_user_id: int
    taker_open: Shares
    maker_order_id: int
    maker_user_id: int
    maker_open: Shares
    maker_traceparent: str
    taker_fee: Money = 0
    maker_fee: Money = 0

    @property
    def buyer_id(self) -> int:
        return self.taker_user_id if self.side == 1 else self.maker_user_id

    @property
    def seller_id(self) -> int:
        return self.maker_user_id if self.side == 1 else self.taker_user_id


class Decremented(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="decremented"):
    """Two orders of one user met, and both lost ``quantity`` instead of trading it. ``side`` is the taker's."""

    user_id: int
    quantity: Shares
    side: int
    taker_order_id: int
    taker_open: Shares
    maker_order_id: int
    maker_open: Shares


class Closed(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="closed"):
    """An order left the market for good. ``status`` FILLED, CANCELLED or REJECTED; ``quantity`` was left unfilled."""

    order_id: int
    user_id: int
    side: int
    status: str
    reason: str
    quantity: Shares


class SessionChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag="session"):
    """A symbol's ``session`` is another. Where an auction ended the one before: its price, volume and imbalance.

    ``side`` is the side on which the imbalance was left, 0 for none. The auction's trades follow.
    """

    session: int
    price: Money = 0
    volume: Shares = 0
    imbalance: Shares = 0
    side: int = 0


class Listed(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="listed"):
    """A symbol is traded from here on."""

    name: str
    tick_size: Money
    lot_size: Shares
    reference_price: Money


class Delisted(msgspec.Struct, frozen=True, kw_only=True, gc=False, tag="delisted"):
    """A symbol is traded no more. Its orders were closed right before."""


Happened = Accepted | Waiting | Triggered | Reloaded | Amended | Trade | Decremented | Closed
"""What happens to orders."""

Report = Listed | Delisted | SessionChanged | Happened
"""One thing that happened in a book, in the order in which it did."""


class EngineEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True):
    """All that one command brought about. ``traceparent`` is that of the engine's span of it.

    ``order_id`` is the order that the command named, 0 where it named none. ``amend_id``: the amendment that it carried
    out; what was held for that alone is now part of the order's hold, or free. ``indication``: while orders are only
    collected, price, volume and imbalance (above zero: more is bid) of the auction if it were now, zeros for none.
    """

    seq: int
    time_us: int
    traceparent: str
    symbol: str
    order_id: int
    reports: tuple[Report, ...]
    amend_id: int = 0
    indication: tuple[Money, Shares, int] | None = None


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The order-manager took an order in (``PENDING_NEW``) or wrote it off (``REJECTED``)."""

    time_us: int
    traceparent: str
    order_id: int
    user_id: int
    symbol: str
    side: int
    status: str
    reason: str = ""


class FundsEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Cash or shares came into a wallet from outside, or (negative) went out: to ``to_user_id`` unless that is 0."""

    time_us: int
    traceparent: str
    user_id: int
    asset: str
    amount: int
    unit_cost: Money
    to_user_id: int = 0


@dataclass(frozen=True)
class Stream:
    """A sequence of events in Valkey, its publisher and everybody who follows it."""

    name: str
    publisher: str
    event: type[msgspec.Struct]
    consumers: frozenset[str]

    @property
    def positions_key(self) -> str:
        """Valkey hash: consumer -> the last event that it has safely stored."""
        return f"positions:{self.name}"

    @property
    def rewind_key(self) -> str:
        """Valkey hash: consumer -> the event after which it needs everything again."""
        return f"rewind:{self.name}"


EXECUTIONS = Stream(
    "executions", ENGINE, EngineEvent, frozenset({WALLET, ORDERS, RISK, MARKET, REPORTING, NOTIFICATION})
)
ORDER_EVENTS = Stream("orders", ORDERS, OrderEvent, frozenset({REPORTING}))
FUNDS = Stream("funds", WALLET, FundsEvent, frozenset({REPORTING}))
STREAMS = (EXECUTIONS, ORDER_EVENTS, FUNDS)

KEPT_TRACES = "traces:kept"
"""Stream of trace ids that matter, from and for everybody: see `shared.trace_triggers`."""


def user_channel(user_id: int) -> str:
    """Valkey channel on which notification publishes one user's messages, ready encoded for the sockets."""
    return f"notification:{user_id}"
