# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""What happens around the matching: triggered stops, sessions, auctions, expiry (docs/matching.md, 5 to 8)."""

import cython

from services.matching_engine.kernel_auction import NO_AUCTION, Auction, find_auction
from services.matching_engine.kernel_matching import Matching
from services.matching_engine.kernel_queues import Queues

if not cython.compiled:
    from services.matching_engine.kernel_codes import (
        ACCEPTED,
        BUY,
        CLOSED,
        CONTINUOUS,
        DONE_EXPIRED,
        DONE_FILLED,
        LIMIT,
        MARKET,
        SELL,
        SESSION_CHANGED,
        STOP_LIMIT,
        TRADE,
        TRIGGERED,
    )
    from services.matching_engine.kernel_layout import (
        FLAGS,
        HEAD,
        HIDDEN_QUANTITY,
        KEY,
        LEVEL,
        OPEN,
        ORDER_ID,
        PRICE,
        QUANTITY,
        TYPE_SHIFT,
        WAITING_BIT,
    )
    from services.matching_engine.kernel_matching import fee_of


class Sessions(Matching):
    """A book whose stops, sessions and expiries follow the rules."""

    __slots__ = ()

    def _settle_stops(self) -> cython.Py_ssize_t:
        """Let every triggered stop come in, one at a time, until none is left."""
        while self.session == CONTINUOUS and self.last_price != 0:
            if self.stops.trailing_count != 0:
                self.stops.follow(self.last_price)
            order: cython.longlong = self.stops.triggered(self.last_price)
            if order == 0:
                break
            self._leave(order)
            flags: cython.longlong = self.pool.words[order + FLAGS]
            becomes: cython.longlong = LIMIT if (flags >> TYPE_SHIFT) & 255 == STOP_LIMIT else MARKET
            cleared: cython.longlong = ~(cython.cast(cython.longlong, 1) << WAITING_BIT | 255 << TYPE_SHIFT)
            self.pool.words[order + FLAGS] = flags & cleared | becomes << TYPE_SHIFT
            self._report(TRIGGERED, order, 0)
            self._cancel_partner(order)
            self._enter(order, ACCEPTED)
        return 0

    def _change_session(self, session: cython.longlong) -> cython.Py_ssize_t:
        """Turn to a session: report it with its auction, trade that, and end the day when it closes."""
        self.session = session
        auction = self._find_auction() if session in (CONTINUOUS, CLOSED) else NO_AUCTION
        self._tell_session(auction)
        while auction.volume > 0:
            self.reference_price = auction.price
            self._uncross(auction.price, auction.volume)
            # Where the auction took an order whose partner was to trade later in it, bids and asks may cross still.
            auction = self._find_auction()
            if auction.volume > 0:
                self._tell_session(auction)
        self._set_band()
        if session == CLOSED:
            self._expire(0)
        return 0

    def _tell_session(self, auction: Auction) -> cython.Py_ssize_t:
        imbalance: cython.longlong = auction.imbalance
        side: cython.longlong = 0 if imbalance == 0 else BUY if imbalance > 0 else SELL
        return self.log.add(
            SESSION_CHANGED | side << 8 | self.session << 16, 0, 0, auction.price, auction.volume, abs(imbalance), 0
        )

    def _find_auction(self) -> Auction:
        """Find the auction as it would be now, from the levels that cross alone."""
        if self.bids.best == 0 or self.asks.best == 0:
            return NO_AUCTION
        highest: cython.longlong = self.pool.words[self.bids.first() + PRICE]
        lowest: cython.longlong = self.pool.words[self.asks.first() + PRICE]
        near: cython.longlong = self.reference_price if self.reference_price > 0 else self.last_price
        return find_auction(
            self._quantities(self.bids, lowest, highest), self._quantities(self.asks, lowest, highest), near
        )

    def _uncross(self, price: cython.longlong, volume: cython.longlong) -> cython.Py_ssize_t:
        """Trade the first bid with the first ask, at the auction's price, until its volume is done."""
        while volume > 0 and self.bids.best != 0 and self.asks.best != 0:
            buy: cython.longlong = self.bids.first()
            sell: cython.longlong = self.asks.first()
            if self.pool.words[buy + PRICE] < price or self.pool.words[sell + PRICE] > price:
                break
            volume -= self._auction_trade(buy, sell, price)
        return 0

    def _auction_trade(self, buy: cython.longlong, sell: cython.longlong, price: cython.longlong) -> cython.Py_ssize_t:
        traded: cython.longlong = self._reduce_both(buy, sell, self.asks)
        self.bids.levels[self.pool.words[buy + LEVEL] + QUANTITY] -= traded
        self.last_price = price
        self._report_pair(TRADE, buy, sell, price, traded)
        fee: cython.longlong = fee_of(price * traded, self.taker_fee_ppm)
        self.log.add_fees(fee, fee)
        self._cancel_partner(buy)
        self._cancel_partner(sell)
        if self.pool.words[buy + ORDER_ID] != 0 and self.pool.words[buy + OPEN] == 0:
            self._used_up(buy, self.bids, DONE_FILLED)
        if self.pool.words[sell + ORDER_ID] != 0 and self.pool.words[sell + OPEN] == 0:
            self._used_up(sell, self.asks, DONE_FILLED)
        return traded

    def _expire(self, key: cython.longlong) -> cython.Py_ssize_t:
        """End every order with this expiry."""
        level: cython.longlong = self.expiries.find(key)
        while level != 0:
            self._finish(self.expiries.levels[level + HEAD], DONE_EXPIRED)
            level = self.expiries.find(key)
        return 0

    def _expire_until(self, clock: cython.longlong) -> cython.Py_ssize_t:
        """End every dated order that the clock has reached."""
        level: cython.longlong = self.expiries.after(0)
        while level != 0 and self.expiries.levels[level + KEY] <= clock:
            self._finish(self.expiries.levels[level + HEAD], DONE_EXPIRED)
            level = self.expiries.after(0)
        return 0

    def _quantities(self, side: Queues, lowest: cython.longlong, highest: cython.longlong) -> dict[int, int]:
        """Return the quantity, hidden included, at each price of a side from the lowest to the highest."""
        quantities: dict[int, int] = {}
        level: cython.longlong = side.best
        while level != 0:
            price: cython.longlong = self.pool.words[side.levels[level + HEAD] + PRICE]
            if price < lowest or price > highest:
                break
            quantities[price] = side.levels[level + QUANTITY] + side.levels[level + HIDDEN_QUANTITY]
            level = side.after(side.levels[level + KEY])
        return quantities
