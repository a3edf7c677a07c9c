# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One command after the other: checked, refused with a reason, or applied (docs/matching.md, 1, 3, 7 to 9).

A command is `COMMAND_WORDS` 64-bit words at `at` in `commands`, the same whether it came alone or in a batch.
"""

from array import array

import cython

from services.matching_engine.kernel_matching import Matching
from services.matching_engine.kernel_queues import Queues

if not cython.compiled:
    from services.matching_engine.kernel_codes import (
        ACCEPTED,
        AMENDED,
        BUY,
        CLOCK_ADVANCED,
        CLOSED,
        CONFIGURED,
        CONTINUOUS,
        DAY,
        DECREMENT,
        DO_ADVANCE_CLOCK,
        DO_AMEND,
        DO_CANCEL,
        DO_CANCEL_ALL,
        DO_CONFIGURE,
        DO_PLACE,
        DO_SET_SESSION,
        DONE_CANCELLED,
        FOK,
        GTC,
        GTD,
        HALTED,
        IOC,
        KEPT_PLACE,
        LIMIT,
        MARKET,
        REJECT_DUPLICATE_ORDER_ID,
        REJECT_INVALID_ACCOUNT_ID,
        REJECT_INVALID_COMMAND,
        REJECT_INVALID_CONFIGURATION,
        REJECT_INVALID_DISPLAY,
        REJECT_INVALID_EXPIRY,
        REJECT_INVALID_LINK,
        REJECT_INVALID_ORDER_ID,
        REJECT_INVALID_ORDER_TYPE,
        REJECT_INVALID_PRICE,
        REJECT_INVALID_QUANTITY,
        REJECT_INVALID_SELF_TRADE,
        REJECT_INVALID_SESSION,
        REJECT_INVALID_SIDE,
        REJECT_INVALID_TIME,
        REJECT_INVALID_TIME_IN_FORCE,
        REJECT_INVALID_TRIGGER,
        REJECT_NOT_IN_THIS_SESSION,
        REJECT_PRICE_OFF_TICK,
        REJECT_QUANTITY_OFF_LOT,
        REJECT_TOO_MANY_TRAILING_STOPS,
        REJECT_UNKNOWN_ORDER,
        REJECT_WOULD_TRADE,
        REJECTED,
        SELL,
        STOP_LIMIT,
        TRAILING_STOP,
    )
    from services.matching_engine.kernel_layout import (
        ACCOUNT,
        C_ACCOUNT,
        C_CODES,
        C_DISPLAY,
        C_EXPIRES_AT,
        C_LINKED,
        C_ORDER,
        C_PRICE,
        C_QUANTITY,
        C_TRIGGER,
        COMMAND_WORDS,
        DISPLAY,
        EXPIRES_AT,
        EXPIRY_LEVEL,
        FLAGS,
        HIDDEN,
        HIDDEN_QUANTITY,
        ICEBERG_BIT,
        KEY,
        LEVEL,
        LINK,
        MAX_KEY,
        MAX_QUANTITY,
        MAX_TRAILING,
        OPEN,
        ORDER_ID,
        POST_ONLY_BIT,
        PRICE,
        QUANTITY,
        TOTAL,
        TRAIL,
        TRIGGER,
        TYPE_SHIFT,
        WAITING_BIT,
    )

PPM = cython.declare(cython.longlong, 1_000_000)
MAX_NOTIONAL = cython.declare(cython.longlong, 1 << 62)
MAX_CLOCK = cython.declare(cython.longlong, (1 << 36) - 1)


class Commands(Matching):
    """A book that takes packed commands."""

    __slots__ = ("commands", "lot_size", "single")

    def _set_up_commands(self, lot_size: cython.longlong) -> None:
        self.lot_size = lot_size
        self.single = array("q", bytes(8 * COMMAND_WORDS))
        self.commands = self.single

    def _apply(self, at: cython.longlong) -> cython.Py_ssize_t:
        """Apply the command at this offset, and what follows from it."""
        kind: cython.longlong = self.commands[at + C_CODES] & 255
        if kind == DO_PLACE:
            self._place(at)
        elif kind == DO_CANCEL:
            self._cancel(at)
        elif kind == DO_AMEND:
            self._amend(at)
        elif kind == DO_CANCEL_ALL:
            self._cancel_all(at)
        elif kind == DO_ADVANCE_CLOCK:
            self._advance_clock(at)
        elif kind == DO_SET_SESSION:
            self._set_session(at)
        elif kind == DO_CONFIGURE:
            self._configure(at)
        else:
            self._reject(at, 0, REJECT_INVALID_COMMAND)
        return self._settle_stops()

    def _warm(self, at: cython.longlong, end: cython.longlong) -> None:
        """Ask ahead for the memory that the next commands of a batch will touch, in steps that each prepare the next.

        A large book lies outside the near caches; asked for in time, its records arrive while other commands are
        applied.
        """
        ahead: cython.longlong = at + 6 * COMMAND_WORDS
        if ahead < end:
            self.pool.places.warm(self.commands[ahead + C_ORDER])
        ahead = at + 4 * COMMAND_WORDS
        if ahead < end:
            self.pool.warm(self.commands[ahead + C_ORDER])
        ahead = at + 2 * COMMAND_WORDS
        if ahead < end:
            self.pool.warm_neighbours(self.commands[ahead + C_ORDER], self.commands[ahead + C_ACCOUNT])

    def _reject(self, at: cython.longlong, side: cython.longlong, reason: cython.longlong) -> cython.Py_ssize_t:
        return self.log.add(
            REJECTED | side << 8 | reason << 16,
            self.commands[at + C_ORDER],
            self.commands[at + C_ACCOUNT],
            self.commands[at + C_PRICE],
            self.commands[at + C_QUANTITY],
            0,
            0,
        )

    # Place

    def _place(self, at: cython.longlong) -> cython.Py_ssize_t:
        side: cython.longlong = (self.commands[at + C_CODES] >> 8) & 255
        order_type: cython.longlong = (self.commands[at + C_CODES] >> 16) & 255
        refusal: cython.longlong = self._refuse_fields(at, side, order_type)
        if refusal == 0:
            refusal = self._refuse_options(at, side, order_type)
        if refusal == 0:
            refusal = self._refuse_now(at, side, order_type)
        if refusal != 0:
            return self._reject(at, side, refusal)
        order: cython.longlong = self._new_order(at, side, order_type)
        linked: cython.longlong = self.commands[at + C_LINKED]
        self.named = self.pool.find(linked)
        self.named_by = order if linked != 0 else 0
        if order_type in (LIMIT, MARKET):
            self._enter(order, ACCEPTED)
        else:
            self._wait(order)
        self.named = 0
        self.named_by = 0
        return 0

    def _new_order(self, at: cython.longlong, side: cython.longlong, order_type: cython.longlong) -> cython.Py_ssize_t:
        """Fill a record from a command that was not refused."""
        order: cython.longlong = self.pool.new()
        codes_word: cython.longlong = self.commands[at + C_CODES]
        trigger: cython.longlong = self.commands[at + C_TRIGGER]
        self.pool.words[order + ORDER_ID] = self.commands[at + C_ORDER]
        self.pool.words[order + ACCOUNT] = self.commands[at + C_ACCOUNT]
        self.pool.words[order + OPEN] = self.commands[at + C_QUANTITY]
        self.pool.words[order + LEVEL] = 0
        self.pool.words[order + FLAGS] = (codes_word >> 8) & 0x1FFFFFFFF
        self.pool.words[order + PRICE] = self.commands[at + C_PRICE]
        self.pool.words[order + TOTAL] = self.commands[at + C_QUANTITY]
        self.pool.words[order + HIDDEN] = 0
        self.pool.words[order + DISPLAY] = self.commands[at + C_DISPLAY]
        self.pool.words[order + LINK] = 0
        self.pool.words[order + EXPIRES_AT] = self.commands[at + C_EXPIRES_AT]
        self.pool.words[order + EXPIRY_LEVEL] = 0
        self.pool.words[order + TRIGGER] = trigger
        self.pool.words[order + TRAIL] = 0
        if order_type == TRAILING_STOP:
            self.pool.words[order + TRAIL] = trigger
            self.pool.words[order + TRIGGER] = self.stops.trailed(side, trigger, self.last_price)
        return order

    def _refuse_fields(
        self, at: cython.longlong, side: cython.longlong, order_type: cython.longlong
    ) -> cython.longlong:
        """Return the RejectReason of the fields every order has, or 0. The order of the checks is part of the rules."""
        force: cython.longlong = (self.commands[at + C_CODES] >> 24) & 255
        post_only: cython.longlong = (self.commands[at + C_CODES] >> 40) & 1
        rests: cython.longlong = force in (GTC, DAY, GTD)
        if self.commands[at + C_ORDER] <= 0:
            return REJECT_INVALID_ORDER_ID
        if self.commands[at + C_ACCOUNT] <= 0:
            return REJECT_INVALID_ACCOUNT_ID
        if side != BUY and side != SELL:
            return REJECT_INVALID_SIDE
        if order_type < LIMIT or order_type > TRAILING_STOP:
            return REJECT_INVALID_ORDER_TYPE
        if force < GTC or force > GTD or (post_only and not (rests and order_type == LIMIT)):
            return REJECT_INVALID_TIME_IN_FORCE
        if (self.commands[at + C_CODES] >> 32) & 255 > DECREMENT:
            return REJECT_INVALID_SELF_TRADE
        return self._refuse_figures(
            self.commands[at + C_PRICE], self.commands[at + C_QUANTITY], order_type in (LIMIT, STOP_LIMIT)
        )

    def _refuse_figures(
        self, price: cython.longlong, quantity: cython.longlong, on_tick: cython.longlong
    ) -> cython.longlong:
        """Return the RejectReason of a price and a quantity, or 0."""
        if price <= 0 or price > MAX_KEY * self.tick_size:
            return REJECT_INVALID_PRICE
        if on_tick and price % self.tick_size != 0:
            return REJECT_PRICE_OFF_TICK
        if quantity <= 0 or quantity > MAX_QUANTITY or quantity > MAX_NOTIONAL // price:
            return REJECT_INVALID_QUANTITY
        return REJECT_QUANTITY_OFF_LOT if quantity % self.lot_size != 0 else 0

    def _refuse_options(
        self, at: cython.longlong, side: cython.longlong, order_type: cython.longlong
    ) -> cython.longlong:
        """Return the RejectReason of the fields that some orders have, or 0."""
        force: cython.longlong = (self.commands[at + C_CODES] >> 24) & 255
        display: cython.longlong = self.commands[at + C_DISPLAY]
        trigger: cython.longlong = self.commands[at + C_TRIGGER]
        expires_at: cython.longlong = self.commands[at + C_EXPIRES_AT]
        may_rest: cython.longlong = force != IOC and force != FOK and (order_type in (LIMIT, STOP_LIMIT))
        if display != 0:
            fits: cython.longlong = 0 < display < self.commands[at + C_QUANTITY] and display % self.lot_size == 0
            if not fits or not may_rest:
                return REJECT_INVALID_DISPLAY
        if order_type in (LIMIT, MARKET):
            if trigger != 0:
                return REJECT_INVALID_TRIGGER
        elif (
            trigger <= 0
            or trigger > MAX_KEY * self.tick_size
            or trigger % self.tick_size != 0
            or (order_type == TRAILING_STOP and self.last_price == 0)
        ):
            return REJECT_INVALID_TRIGGER
        if force == GTD:
            if expires_at <= self.clock or expires_at > MAX_CLOCK:
                return REJECT_INVALID_EXPIRY
        elif expires_at != 0:
            return REJECT_INVALID_EXPIRY
        return 0

    def _refuse_now(self, at: cython.longlong, side: cython.longlong, order_type: cython.longlong) -> cython.longlong:
        """Return the RejectReason that comes from the state of the book, or 0."""
        force: cython.longlong = (self.commands[at + C_CODES] >> 24) & 255
        post_only: cython.longlong = (self.commands[at + C_CODES] >> 40) & 1
        linked_id: cython.longlong = self.commands[at + C_LINKED]
        if self.pool.find(self.commands[at + C_ORDER]) != 0:
            return REJECT_DUPLICATE_ORDER_ID
        if linked_id != 0:
            linked: cython.longlong = self.pool.find(linked_id)
            if linked == 0 or force in (IOC, FOK) or order_type == MARKET:
                return REJECT_INVALID_LINK
            if (
                self.pool.words[linked + ACCOUNT] != self.commands[at + C_ACCOUNT]
                or self.pool.words[linked + LINK] != 0
            ):
                return REJECT_INVALID_LINK
        if self.session == HALTED or self.session == CLOSED:
            return REJECT_NOT_IN_THIS_SESSION
        trades_at_once: cython.longlong = order_type == MARKET or (order_type == LIMIT and force in (IOC, FOK))
        if self.session != CONTINUOUS and (trades_at_once or post_only):
            return REJECT_NOT_IN_THIS_SESSION
        if post_only and self._would_trade(side, self.commands[at + C_PRICE]):
            return REJECT_WOULD_TRADE
        if order_type == TRAILING_STOP and self.stops.trailing_count == MAX_TRAILING:
            return REJECT_TOO_MANY_TRAILING_STOPS
        return 0

    def _would_trade(self, side: cython.longlong, price: cython.longlong) -> cython.longlong:
        """Tell whether an order of this side, at a price on a tick, crosses the best price of the other side."""
        tick: cython.longlong = price // self.tick_size
        if side == BUY:
            return self.asks.best != 0 and self.asks.levels[self.asks.best + KEY] <= tick
        return self.bids.best != 0 and self.bids.levels[self.bids.best + KEY] <= MAX_KEY - tick

    # Cancel and amend

    def _cancel(self, at: cython.longlong) -> cython.Py_ssize_t:
        order: cython.longlong = self.pool.find(self.commands[at + C_ORDER])
        if order == 0:
            return self._reject(at, 0, REJECT_UNKNOWN_ORDER)
        return self._finish(order, DONE_CANCELLED)

    def _cancel_all(self, at: cython.longlong) -> cython.Py_ssize_t:
        account: cython.longlong = self.commands[at + C_ACCOUNT]
        if account <= 0:
            return self._reject(at, 0, REJECT_INVALID_ACCOUNT_ID)
        order: cython.longlong = self.pool.accounts.get(account)
        while order != 0:
            self._finish(order, DONE_CANCELLED)
            order = self.pool.accounts.get(account)
        return 0

    def _amend(self, at: cython.longlong) -> cython.Py_ssize_t:
        order: cython.longlong = self.pool.find(self.commands[at + C_ORDER])
        if order == 0:
            return self._reject(at, 0, REJECT_UNKNOWN_ORDER)
        price: cython.longlong = self.commands[at + C_PRICE]
        total: cython.longlong = self.commands[at + C_QUANTITY]
        price = price if price != 0 else self.pool.words[order + PRICE]
        total = total if total != 0 else self.pool.words[order + TOTAL]
        refusal: cython.longlong = self._refuse_amend(order, price, total)
        if refusal != 0:
            return self._reject(at, 0, refusal)
        left: cython.longlong = self.pool.words[order + OPEN] + self.pool.words[order + HIDDEN]
        left += total - self.pool.words[order + TOTAL]
        if left <= 0:
            return self._finish(order, DONE_CANCELLED)
        if (self.pool.words[order + FLAGS] >> WAITING_BIT) & 1:
            return self._amend_waiting(order, price, total, left)
        if price == self.pool.words[order + PRICE] and total <= self.pool.words[order + TOTAL]:
            return self._amend_in_place(order, total, left)
        self._own_side(order).leave(order)
        self.pool.words[order + FLAGS] &= ~(cython.cast(cython.longlong, 1) << ICEBERG_BIT)
        self.pool.words[order + PRICE] = price
        self.pool.words[order + TOTAL] = total
        self.pool.words[order + OPEN] = left
        self.pool.words[order + HIDDEN] = 0
        return self._enter(order, AMENDED)

    def _refuse_amend(self, order: cython.longlong, price: cython.longlong, total: cython.longlong) -> cython.longlong:
        if self.session == HALTED or self.session == CLOSED:
            return REJECT_NOT_IN_THIS_SESSION
        flags: cython.longlong = self.pool.words[order + FLAGS]
        order_type: cython.longlong = (flags >> TYPE_SHIFT) & 255
        refusal: cython.longlong = self._refuse_figures(price, total, order_type in (LIMIT, STOP_LIMIT))
        if refusal != 0:
            return refusal
        if (flags >> POST_ONLY_BIT) & 1 and self.session == CONTINUOUS and self._would_trade(flags & 255, price):
            return REJECT_WOULD_TRADE
        return 0

    def _amend_waiting(
        self, order: cython.longlong, price: cython.longlong, total: cython.longlong, left: cython.longlong
    ) -> cython.Py_ssize_t:
        """Give a waiting order new figures where it waits. Its queue's quantity is nobody's concern but its own."""
        queues: Queues = self.stops.queues_of(order)
        queues.levels[self.pool.words[order + LEVEL] + QUANTITY] += left - self.pool.words[order + OPEN]
        self.pool.words[order + PRICE] = price
        self.pool.words[order + TOTAL] = total
        self.pool.words[order + OPEN] = left
        return self._report(AMENDED, order, KEPT_PLACE)

    def _amend_in_place(
        self, order: cython.longlong, total: cython.longlong, left: cython.longlong
    ) -> cython.Py_ssize_t:
        """Take quantity from a resting order, hidden quantity first."""
        side: Queues = self._own_side(order)
        level: cython.longlong = self.pool.words[order + LEVEL]
        shown: cython.longlong = self.pool.words[order + OPEN]
        hidden: cython.longlong = left - shown if left > shown else 0
        side.levels[level + HIDDEN_QUANTITY] -= self.pool.words[order + HIDDEN] - hidden
        side.levels[level + QUANTITY] -= shown - (left - hidden)
        self.pool.words[order + TOTAL] = total
        self.pool.words[order + OPEN] = left - hidden
        self.pool.words[order + HIDDEN] = hidden
        if hidden == 0:
            self.pool.words[order + FLAGS] &= ~(cython.cast(cython.longlong, 1) << ICEBERG_BIT)
        return self._report(AMENDED, order, KEPT_PLACE)

    # The clock, the session and the settings

    def _advance_clock(self, at: cython.longlong) -> cython.Py_ssize_t:
        clock: cython.longlong = self.commands[at + C_PRICE]
        if clock < self.clock or clock > MAX_CLOCK:
            return self._reject(at, 0, REJECT_INVALID_TIME)
        self.clock = clock
        self.log.add(CLOCK_ADVANCED, 0, 0, clock, 0, 0, 0)
        return self._expire_until(clock)

    def _set_session(self, at: cython.longlong) -> cython.Py_ssize_t:
        session: cython.longlong = self.commands[at + C_QUANTITY]
        reference_price: cython.longlong = self.commands[at + C_PRICE]
        if session < CONTINUOUS or session > CLOSED or reference_price < 0:
            return self._reject(at, 0, REJECT_INVALID_SESSION)
        if reference_price > MAX_KEY * self.tick_size:
            return self._reject(at, 0, REJECT_INVALID_SESSION)
        if reference_price != 0:
            self.reference_price = reference_price
        return self._change_session(session)

    def _configure(self, at: cython.longlong) -> cython.Py_ssize_t:
        band: cython.longlong = self.commands[at + C_PRICE]
        maker_fee_ppm: cython.longlong = self.commands[at + C_QUANTITY]
        taker_fee_ppm: cython.longlong = self.commands[at + C_DISPLAY]
        if band < 0 or band > MAX_KEY * self.tick_size:
            return self._reject(at, 0, REJECT_INVALID_CONFIGURATION)
        if abs(maker_fee_ppm) > PPM or abs(taker_fee_ppm) > PPM:
            return self._reject(at, 0, REJECT_INVALID_CONFIGURATION)
        self.band = band
        self.maker_fee_ppm = maker_fee_ppm
        self.taker_fee_ppm = taker_fee_ppm
        self._set_band()
        return self.log.add(CONFIGURED, 0, 0, band, 0, 0, 0)
