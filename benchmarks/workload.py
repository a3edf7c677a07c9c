"""The orders that are sent: a stated mix around a mid price that wanders, the same from the same seed.

Each user draws from 45 % resting limit orders (1 to 20 ticks behind the mid), 40 % crossing limit orders (20 ticks
through it: they meet what rests there), 15 % cancels of one of its own resting orders. Every order is for 10 shares, so
one crossing order takes one resting one and books stay bounded. A cancel may come too late for an order that somebody
has met meanwhile: that answer, 409 ``order_not_open``, belongs to the workload and is counted apart from the errors.
"""

import random
from collections import deque
from dataclasses import dataclass
from enum import Enum

from benchmarks.connection import Address, Reply, with_body

RESTING_SHARE, CROSSING_SHARE = 0.45, 0.40
QUANTITY = 10
"""Shares of every order."""

DEPTH_TICKS = 20
WANDER_TICKS = 100
"""How far the mid may go from where it began: far inside the price collar of 20 %."""

CANCELLABLE_MAX = 64
"""Own orders that a user remembers; the oldest is forgotten first, and stays in the book."""

ORDER_ID = b'"order_id":"'
RESTS = b'"status":"OPEN"'


class Kind(Enum):
    """What a request is, to count it under."""

    RESTING = "resting"
    CROSSING = "crossing"
    CANCEL = "cancel"
    BATCH = "batch"


@dataclass(frozen=True)
class Instrument:
    """What can be traded. Prices in ticks; ``tick`` in 1/10,000 dollar."""

    symbol: str
    tick: int
    reference_ticks: int


class Mids:
    """One mid price per symbol, shared by all users: it steps by a tick now and then and stays near its origin."""

    def __init__(self, instruments: list[Instrument], seed: int) -> None:
        self.instruments = instruments
        self._random = random.Random(seed)
        self._offsets = [0] * len(instruments)

    def draw(self) -> tuple[Instrument, int]:
        """A symbol, each as likely as the others, and its mid in ticks."""
        number = self._random.randrange(len(self.instruments))
        if self._random.random() < 0.05:
            step = self._random.choice((-1, 1))
            self._offsets[number] = max(-WANDER_TICKS, min(WANDER_TICKS, self._offsets[number] + step))
        instrument = self.instruments[number]
        return instrument, instrument.reference_ticks + self._offsets[number]


class Trader:
    """One user: writes its next request, and learns from the answers which of its orders rest."""

    def __init__(self, address: Address, token: str, mids: Mids, seed: int) -> None:
        self.token = token
        headers = {"Authorization": f"Bearer {token}"}
        self._post = address.head("POST", "/v1/order", headers)
        self._post_many = address.head("POST", "/v1/orders", headers)
        self._delete = address.head("DELETE", "/v1/order/%s", headers) + b"\r\n"
        self._mids = mids
        self._random = random.Random(seed)
        self._resting: deque[bytes] = deque(maxlen=CANCELLABLE_MAX)

    def next(self) -> tuple[Kind, bytes]:
        """The next request, and what it is."""
        kind, what = self._draw()
        return kind, self._delete % what if kind is Kind.CANCEL else with_body(self._post, what)

    def next_batch(self, size: int) -> tuple[Kind, bytes]:
        """A ``POST /v1/orders`` of ``size`` orders: resting and crossing ones in the same proportion, no cancels."""
        return Kind.BATCH, with_body(self._post_many, b"{%b}" % self._orders(size))

    def next_said(self, batch: int) -> tuple[Kind, bytes, bytes]:
        """The same for a socket: what it is, its type there, and its fields. ``batch`` > 0: as many orders at once."""
        if batch:
            return Kind.BATCH, b"place_many", self._orders(batch)
        kind, what = self._draw()
        if kind is Kind.CANCEL:
            return kind, b"cancel", b'"order_id":"%b"' % what
        return kind, b"place", b'"order":%b' % what

    def learn(self, kind: Kind, reply: Reply) -> None:
        """Remembers an order that rests now, to cancel it some day."""
        if reply.status == 201 and kind is not Kind.CANCEL and RESTS in reply.body:
            start = reply.body.find(ORDER_ID) + len(ORDER_ID)
            self._resting.append(reply.body[start : reply.body.index(b'"', start)])

    def _draw(self) -> tuple[Kind, bytes]:
        """A new order, or the id of one to cancel."""
        draw = self._random.random()
        if draw >= RESTING_SHARE + CROSSING_SHARE and self._resting:
            self._resting.rotate(self._random.randrange(len(self._resting)))
            return Kind.CANCEL, self._resting.popleft()
        kind = Kind.CROSSING if RESTING_SHARE <= draw < RESTING_SHARE + CROSSING_SHARE else Kind.RESTING
        return kind, self._order(kind)

    def _orders(self, size: int) -> bytes:
        share = RESTING_SHARE / (RESTING_SHARE + CROSSING_SHARE)
        kinds = (Kind.RESTING if self._random.random() < share else Kind.CROSSING for _ in range(size))
        return b'"orders":[%b]' % b",".join(map(self._order, kinds))

    def _order(self, kind: Kind) -> bytes:
        instrument, mid = self._mids.draw()
        buys = self._random.random() < 0.5
        depth = self._random.randint(1, DEPTH_TICKS) if kind is Kind.RESTING else -DEPTH_TICKS
        price = (mid - depth if buys else mid + depth) * instrument.tick
        return b'{"symbol":"%b","side":"%b","order_type":"LIMIT","quantity":%d,"price":%d.%04d}' % (
            instrument.symbol.encode(),
            b"BUY" if buys else b"SELL",
            QUANTITY,
            *divmod(price, 10_000),
        )
