# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The matching rules: how an order comes in, trades, rests, and ends (docs/matching.md, 2 to 8).

Every order that comes in gets a record first. While it is the taker, `OPEN` is all that is left of it; at rest,
`OPEN` is what it shows and `HIDDEN` the rest.
"""

import cython

from services.matching_engine.kernel_orders import OrderPool
from services.matching_engine.kernel_queues import Queues
from services.matching_engine.kernel_report import ReportLog
from services.matching_engine.kernel_stops import Stops

if not cython.compiled:
    from services.matching_engine.kernel_codes import (
        AMENDED,
        BUY,
        CANCEL_BOTH,
        CANCEL_NEWEST,
        CONTINUOUS,
        DAY,
        DECREMENT,
        DECREMENTED,
        DONE,
        DONE_FILLED,
        DONE_FOK,
        DONE_IOC,
        DONE_LINKED,
        DONE_NO_LIQUIDITY,
        DONE_SELF_TRADE,
        FOK,
        GTD,
        IOC,
        LOST_PLACE,
        MARKET,
        RELOADED,
        SESSION_CHANGED,
        TRADE,
        TRAILING_STOP,
        TRIGGERED,
        VOLATILITY_AUCTION,
        WAITING,
    )
    from services.matching_engine.kernel_layout import (
        ACCOUNT,
        DISPLAY,
        ENTRY,
        EXPIRES_AT,
        EXPIRY_LEVEL,
        EXPIRY_STEPS,
        EXTRA_BIT,
        FLAGS,
        FORCE_SHIFT,
        HEAD,
        HIDDEN,
        ICEBERG_BIT,
        KEY,
        KEY_STEPS,
        LEVEL,
        LINK,
        MAX_KEY,
        OPEN,
        ORDER_ID,
        PRICE,
        QUANTITY,
        SELF_TRADE_SHIFT,
        TOTAL,
        TYPE_SHIFT,
        WAITING_BIT,
    )

PPM = cython.declare(cython.longlong, 1_000_000)


def fee_of(notional: cython.longlong, rate_ppm: cython.longlong) -> cython.longlong:
    """Return notional * rate, rounded up, within 64 bits. A negative rate is a rebate, its size rounded down."""
    if rate_ppm >= 0:
        return notional // PPM * rate_ppm + (notional % PPM * rate_ppm + PPM - 1) // PPM
    return -(notional // PPM * -rate_ppm + notional % PPM * -rate_ppm // PPM)


class Matching:
    """The state of one book, and the rules by which an order changes it."""

    __slots__ = (
        "asks",
        "band",
        "band_high",
        "band_hit",
        "band_low",
        "bids",
        "clock",
        "expiries",
        "last_price",
        "log",
        "maker_fee_ppm",
        "named",
        "named_by",
        "pool",
        "reference_price",
        "session",
        "stops",
        "taker_fee_ppm",
        "tick_size",
        "traded",
    )

    def _set_up(self, tick_size: cython.longlong, capacity: cython.longlong) -> None:
        self.tick_size = tick_size
        self.pool = OrderPool(capacity)
        self.log = ReportLog()
        self.bids = Queues(self.pool, LEVEL, KEY_STEPS)
        self.asks = Queues(self.pool, LEVEL, KEY_STEPS)
        self.stops = Stops(self.pool, tick_size)
        self.expiries = Queues(self.pool, EXPIRY_LEVEL, EXPIRY_STEPS)
        self.session = CONTINUOUS
        self.clock = 0
        self.last_price = 0
        self.reference_price = 0
        self.band = 0
        self.maker_fee_ppm = 0
        self.taker_fee_ppm = 0
        self.band_hit = 0
        self.named = 0
        self.named_by = 0
        self.traded = 0
        self._set_band()

    # Coming in

    def _enter(self, taker: cython.longlong, kind: cython.longlong) -> cython.Py_ssize_t:
        """Match an order and let what is left rest or end. `kind` is the report of one that rests."""
        self.traded = 0
        reason: cython.longlong = DONE_FOK
        force: cython.longlong = (self.pool.words[taker + FLAGS] >> FORCE_SHIFT) & 255
        if self.session != CONTINUOUS:
            return self._rest(taker, kind)
        if force != FOK or self._can_fill(taker):
            reason = self._match(taker)
            if self.pool.words[taker + ORDER_ID] == 0:
                return self._end_band()
            if reason == 0:
                if self.pool.words[taker + OPEN] == 0:
                    reason = DONE_FILLED
                elif (self.pool.words[taker + FLAGS] >> TYPE_SHIFT) & 255 == MARKET:
                    reason = DONE_NO_LIQUIDITY
                elif force == IOC:
                    reason = DONE_IOC
                else:
                    self._rest(taker, kind)
                    return self._end_band()
        self._finish(taker, reason)
        return self._end_band()

    def _match(self, taker: cython.longlong) -> cython.Py_ssize_t:
        """Trade with the other side by priority. Return DONE_SELF_TRADE where that ended it, else 0."""
        makers: Queues = self._other_side(taker)
        last_key: cython.longlong = self._last_key(taker)
        lowest: cython.longlong = self._band_key(taker, 0)
        highest: cython.longlong = self._band_key(taker, 1)
        while self.pool.words[taker + OPEN] > 0 and makers.best != 0:
            key: cython.longlong = makers.levels[makers.best + KEY]
            if key > last_key:
                break
            if key < lowest or key > highest:
                self.band_hit = 1
                break
            maker: cython.longlong = makers.levels[makers.best + HEAD]
            if self.pool.words[maker + ACCOUNT] != self.pool.words[taker + ACCOUNT]:
                self._trade(taker, maker, makers, self.pool.words[maker + PRICE])
            elif self._prevent(taker, maker, makers):
                return DONE_SELF_TRADE
        return 0

    def _can_fill(self, taker: cython.longlong) -> cython.Py_ssize_t:
        """Tell whether an order can trade at once and whole, without meeting an order of its account or the band."""
        makers: Queues = self._other_side(taker)
        last_key: cython.longlong = self._last_key(taker)
        lowest: cython.longlong = self._band_key(taker, 0)
        highest: cython.longlong = self._band_key(taker, 1)
        wanted: cython.longlong = self.pool.words[taker + OPEN]
        maker: cython.longlong = makers.first()
        while maker != 0 and self.pool.words[maker + ACCOUNT] != self.pool.words[taker + ACCOUNT]:
            key: cython.longlong = makers.levels[self.pool.words[maker + LEVEL] + KEY]
            if key > last_key or key < lowest or key > highest:
                return 0
            wanted -= self.pool.words[maker + OPEN] + self.pool.words[maker + HIDDEN]
            if wanted <= 0:
                return 1
            maker = makers.following(maker)
        return 0

    def _rest(self, order: cython.longlong, kind: cython.longlong) -> cython.Py_ssize_t:
        """Put what is left of an order at the end of its level."""
        linked: cython.longlong = 0
        if order == self.named_by:
            linked = self.named
            self.named_by = 0
            if linked == 0 and self.traded == 0:
                return self._finish(order, DONE_LINKED)
        self._show_slice(order, self.pool.words[order + OPEN])
        self._own_side(order).join(order, self._own_key(order))
        self._register(order, linked)
        return self._report(kind, order, LOST_PLACE if kind == AMENDED else 0)

    def _wait(self, order: cython.longlong) -> cython.Py_ssize_t:
        """Let a stop order wait for its trigger."""
        linked: cython.longlong = self.named
        self.named_by = 0
        self.pool.words[order + FLAGS] |= cython.cast(cython.longlong, 1) << WAITING_BIT
        if (self.pool.words[order + FLAGS] >> TYPE_SHIFT) & 255 == TRAILING_STOP:
            self.stops.trail(order)
        self.stops.join(order)
        self._register(order, linked)
        return self._report(WAITING, order, 0)

    def _register(self, order: cython.longlong, linked: cython.longlong) -> cython.Py_ssize_t:
        """Give an order its entry, unless it has one, and the order it is paired with."""
        if self.pool.words[order + ENTRY] == 0:
            self.pool.entries += 1
            self.pool.register(order, self.pool.entries)
            self._join_expiry(order)
        if linked != 0:
            self.pool.words[order + LINK] = linked
            self.pool.words[linked + LINK] = order
        return 0

    def _join_expiry(self, order: cython.longlong) -> cython.Py_ssize_t:
        force: cython.longlong = (self.pool.words[order + FLAGS] >> FORCE_SHIFT) & 255
        if force in (DAY, GTD):
            self.expiries.join(order, self.pool.words[order + EXPIRES_AT])
        return 0

    # Trading

    def _trade(
        self, taker: cython.longlong, maker: cython.longlong, makers: Queues, price: cython.longlong
    ) -> cython.Py_ssize_t:
        """Let a taker trade with the first order of the other side."""
        traded: cython.longlong = self._reduce_both(taker, maker, makers)
        self.last_price = price
        self._report_pair(TRADE, taker, maker, price, traded)
        if self.maker_fee_ppm != 0 or self.taker_fee_ppm != 0:
            notional: cython.longlong = price * traded
            self.log.add_fees(fee_of(notional, self.taker_fee_ppm), fee_of(notional, self.maker_fee_ppm))
        self._cancel_partner(taker)
        self._cancel_partner(maker)
        if self.pool.words[maker + ORDER_ID] != 0 and self.pool.words[maker + OPEN] == 0:
            self._used_up(maker, makers, DONE_FILLED)
        return 0

    def _prevent(self, taker: cython.longlong, maker: cython.longlong, makers: Queues) -> cython.Py_ssize_t:
        """Keep a taker from trading with its own account's order. Return 1 where that ends the taker's matching."""
        choice: cython.longlong = (self.pool.words[taker + FLAGS] >> SELF_TRADE_SHIFT) & 255
        if choice == CANCEL_NEWEST:
            return 1
        if choice != DECREMENT:
            self._finish(maker, DONE_SELF_TRADE)
            return choice == CANCEL_BOTH
        lost: cython.longlong = self._reduce_both(taker, maker, makers)
        self._report_pair(DECREMENTED, taker, maker, self.pool.words[maker + PRICE], lost)
        self._cancel_partner(taker)
        self._cancel_partner(maker)
        if self.pool.words[maker + ORDER_ID] != 0 and self.pool.words[maker + OPEN] == 0:
            self._used_up(maker, makers, DONE_SELF_TRADE)
        return self.pool.words[taker + OPEN] == 0

    def _reduce_both(self, taker: cython.longlong, maker: cython.longlong, makers: Queues) -> cython.longlong:
        """Take the smaller of the two open quantities from both, and return it."""
        quantity: cython.longlong = self.pool.words[taker + OPEN]
        if self.pool.words[maker + OPEN] < quantity:
            quantity = self.pool.words[maker + OPEN]
        self.pool.words[taker + OPEN] -= quantity
        self.pool.words[maker + OPEN] -= quantity
        makers.levels[self.pool.words[maker + LEVEL] + QUANTITY] -= quantity
        self.traded = 1
        return quantity

    def _used_up(self, order: cython.longlong, side: Queues, reason: cython.longlong) -> cython.Py_ssize_t:
        """Show the next slice of a resting order whose slice is gone, or end it when there is none."""
        if (self.pool.words[order + FLAGS] >> ICEBERG_BIT) & 1 == 0:
            return self._finish(order, reason)
        key: cython.longlong = side.levels[self.pool.words[order + LEVEL] + KEY]
        side.leave(order)
        self._show_slice(order, self.pool.words[order + HIDDEN])
        side.join(order, key)
        return self._report(RELOADED, order, 0)

    def _show_slice(self, order: cython.longlong, left: cython.longlong) -> None:
        """Split what is left of an order that is in no queue into what it shows and what it hides."""
        display: cython.longlong = self.pool.words[order + DISPLAY]
        shown: cython.longlong = display if 0 < display < left else left
        self.pool.words[order + OPEN] = shown
        self.pool.words[order + HIDDEN] = left - shown
        iceberg: cython.longlong = cython.cast(cython.longlong, 1) << ICEBERG_BIT
        if shown < left:
            self.pool.words[order + FLAGS] |= iceberg
        else:
            self.pool.words[order + FLAGS] &= ~iceberg

    # Ending

    def _finish(self, order: cython.longlong, reason: cython.longlong) -> cython.Py_ssize_t:
        """End an order for good, wherever it is, and with it the other one of its pair."""
        partner: cython.longlong = self.pool.words[order + LINK]
        self._leave(order)
        self.log.add(
            DONE | (self.pool.words[order + FLAGS] & 255) << 8 | reason << 16,
            self.pool.words[order + ORDER_ID],
            self.pool.words[order + ACCOUNT],
            self.pool.words[order + PRICE],
            0,
            self.pool.words[order + OPEN] + self.pool.words[order + HIDDEN],
            0,
        )
        if (self.pool.words[order + FLAGS] >> EXTRA_BIT) & 1 and self.pool.words[order + EXPIRY_LEVEL] != 0:
            self.expiries.leave(order)
        if order == self.named:
            self.named = 0
        self.pool.free(order)
        if partner != 0:
            self.pool.words[partner + LINK] = 0
            self._finish(partner, DONE_LINKED)
        return 0

    def _leave(self, order: cython.longlong) -> None:
        """Take an order out of the side it rests on, or from among the waiting stops; a taker is in neither."""
        if self.pool.words[order + LEVEL] == 0:
            return
        if (self.pool.words[order + FLAGS] >> WAITING_BIT) & 1:
            self.stops.leave(order)
            if (self.pool.words[order + FLAGS] >> TYPE_SHIFT) & 255 == TRAILING_STOP:
                self.stops.forget(order)
        else:
            self._own_side(order).leave(order)

    def _cancel_partner(self, order: cython.longlong) -> cython.Py_ssize_t:
        """End the other order of a pair, or the one that a new order named."""
        partner: cython.longlong = self.pool.words[order + LINK]
        if order == self.named_by:
            partner = self.named
            self.named = 0
        elif partner != 0:
            self.pool.words[order + LINK] = 0
            self.pool.words[partner + LINK] = 0
        return self._finish(partner, DONE_LINKED) if partner != 0 else 0

    # The price band

    def _set_band(self) -> None:
        """Turn the price band into the lowest and the highest tick that may trade."""
        self.band_low = 0
        self.band_high = MAX_KEY
        if self.band > 0 and self.reference_price > 0:
            if self.reference_price > self.band:
                self.band_low = (self.reference_price - self.band + self.tick_size - 1) // self.tick_size
            if (self.reference_price + self.band) // self.tick_size < MAX_KEY:
                self.band_high = (self.reference_price + self.band) // self.tick_size

    def _end_band(self) -> cython.Py_ssize_t:
        """Turn to the volatility auction when a trade would have left the band."""
        if self.band_hit != 0:
            self.band_hit = 0
            self.session = VOLATILITY_AUCTION
            self.log.add(SESSION_CHANGED | VOLATILITY_AUCTION << 16, 0, 0, 0, 0, 0, 0)
        return 0

    # Sides, keys and reports

    def _own_side(self, order: cython.longlong) -> Queues:
        return self.bids if self.pool.words[order + FLAGS] & 255 == BUY else self.asks

    def _other_side(self, order: cython.longlong) -> Queues:
        return self.asks if self.pool.words[order + FLAGS] & 255 == BUY else self.bids

    def _own_key(self, order: cython.longlong) -> cython.longlong:
        tick: cython.longlong = self.pool.words[order + PRICE] // self.tick_size
        return MAX_KEY - tick if self.pool.words[order + FLAGS] & 255 == BUY else tick

    def _last_key(self, order: cython.longlong) -> cython.longlong:
        """Return the largest key of the other side that an order's price reaches."""
        price: cython.longlong = self.pool.words[order + PRICE]
        if self.pool.words[order + FLAGS] & 255 == BUY:
            return price // self.tick_size
        return MAX_KEY - (price + self.tick_size - 1) // self.tick_size

    def _band_key(self, order: cython.longlong, highest: cython.longlong) -> cython.longlong:
        """Return the lowest, or highest, key of the other side that is within the band."""
        if self.pool.words[order + FLAGS] & 255 == BUY:
            return self.band_high if highest else self.band_low
        return MAX_KEY - (self.band_low if highest else self.band_high)

    def _report(self, kind: cython.longlong, order: cython.longlong, reason: cython.longlong) -> cython.Py_ssize_t:
        """Report how an order stands."""
        waiting: cython.longlong = (self.pool.words[order + FLAGS] >> WAITING_BIT) & 1
        displayed: cython.longlong = 0 if waiting or kind == TRIGGERED else self.pool.words[order + OPEN]
        return self.log.add(
            kind | (self.pool.words[order + FLAGS] & 255) << 8 | reason << 16,
            self.pool.words[order + ORDER_ID],
            self.pool.words[order + ACCOUNT],
            self.pool.words[order + PRICE],
            0 if kind == TRIGGERED else self.pool.words[order + TOTAL],
            self.pool.words[order + OPEN] + self.pool.words[order + HIDDEN],
            displayed,
        )

    def _report_pair(
        self,
        kind: cython.longlong,
        taker: cython.longlong,
        maker: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Report what a taker and a maker did."""
        self.log.add(
            kind | (self.pool.words[taker + FLAGS] & 255) << 8,
            self.pool.words[taker + ORDER_ID],
            self.pool.words[taker + ACCOUNT],
            price,
            quantity,
            self.pool.words[taker + OPEN] + self.pool.words[taker + HIDDEN],
            self.pool.words[maker + OPEN],
        )
        return self.log.add_maker(
            self.pool.words[maker + ORDER_ID],
            self.pool.words[maker + ACCOUNT],
            self.pool.words[maker + OPEN] + self.pool.words[maker + HIDDEN],
        )
