# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One command after the other: checked, refused with a reason, or applied (docs/matching.md, 1, 3, 7 to 9).

A command is `COMMAND_WORDS` 64-bit words at `at` in `commands`, the same whether it came alone or in a batch.
"""

import cython

from services.matching_engine.kernel_queues import Queues
from services.matching_engine.kernel_refusals import Refusals

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
        DO_ADVANCE_CLOCK,
        DO_AMEND,
        DO_CANCEL,
        DO_CANCEL_ALL,
        DO_CONFIGURE,
        DO_PLACE,
        DO_SET_SESSION,
        DONE_CANCELLED,
        GTD,
        KEPT_PLACE,
        LIMIT,
        MARKET,
        REJECT_INVALID_ACCOUNT_ID,
        REJECT_INVALID_COMMAND,
        REJECT_INVALID_CONFIGURATION,
        REJECT_INVALID_SESSION,
        REJECT_INVALID_TIME,
        REJECT_UNKNOWN_ORDER,
        REJECTED,
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
        EXTRA_BIT,
        FLAGS,
        HIDDEN,
        HIDDEN_QUANTITY,
        ICEBERG_BIT,
        LEVEL,
        LINK,
        MAX_KEY,
        OPEN,
        ORDER_ID,
        PRICE,
        QUANTITY,
        TAIL,
        TOTAL,
        TRAIL,
        TRIGGER,
        WAITING_BIT,
        prefetch,
    )

PPM = cython.declare(cython.longlong, 1_000_000)
MAX_CLOCK = cython.declare(cython.longlong, (1 << 36) - 1)


class Commands(Refusals):
    """A book that takes packed commands."""

    __slots__ = ()

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
            if self.commands[ahead + C_PRICE] > 0:
                self._warm_level(ahead)

    def _warm_level(self, at: cython.longlong) -> None:
        """Ask for the last order of the level where the order of a command may come to rest."""
        side: cython.longlong = (self.commands[at + C_CODES] >> 8) & 255
        if side == 0:
            side = self.pool.words[self.pool.find(self.commands[at + C_ORDER]) + FLAGS] & 255
        queues: Queues = self.bids if side == BUY else self.asks
        tick: cython.longlong = self.commands[at + C_PRICE] // self.tick_size
        level: cython.longlong = queues.find((MAX_KEY - tick if side == BUY else tick) & MAX_KEY)
        if cython.compiled:
            prefetch(cython.address(self.pool.words[queues.levels[level + TAIL]]))

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
        if order_type not in (LIMIT, MARKET) or (codes_word >> 24) & 255 in (DAY, GTD):
            self._fill_extra(order, side, order_type, self.commands[at + C_TRIGGER])
        return order

    def _fill_extra(
        self, order: cython.longlong, side: cython.longlong, order_type: cython.longlong, trigger: cython.longlong
    ) -> None:
        """Fill the third line of a stop, or of an order with an expiry."""
        self.pool.words[order + FLAGS] |= cython.cast(cython.longlong, 1) << EXTRA_BIT
        self.pool.words[order + TRIGGER] = trigger
        if order_type == TRAILING_STOP:
            self.pool.words[order + TRAIL] = trigger
            self.pool.words[order + TRIGGER] = self.stops.trailed(side, trigger, self.last_price)

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
