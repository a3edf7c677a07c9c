# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Why a command is refused (docs/matching.md, 1 and 3). The order of the checks is part of the rules."""

from array import array

import cython

from services.matching_engine.kernel_sessions import Sessions

if not cython.compiled:
    from services.matching_engine.kernel_codes import (
        BUY,
        CLOSED,
        CONTINUOUS,
        DAY,
        DECREMENT,
        FOK,
        GTC,
        GTD,
        HALTED,
        IOC,
        LIMIT,
        MARKET,
        REJECT_DUPLICATE_ORDER_ID,
        REJECT_INVALID_ACCOUNT_ID,
        REJECT_INVALID_DISPLAY,
        REJECT_INVALID_EXPIRY,
        REJECT_INVALID_LINK,
        REJECT_INVALID_ORDER_ID,
        REJECT_INVALID_ORDER_TYPE,
        REJECT_INVALID_PRICE,
        REJECT_INVALID_QUANTITY,
        REJECT_INVALID_SELF_TRADE,
        REJECT_INVALID_SIDE,
        REJECT_INVALID_TIME_IN_FORCE,
        REJECT_INVALID_TRIGGER,
        REJECT_NOT_IN_THIS_SESSION,
        REJECT_PRICE_OFF_TICK,
        REJECT_QUANTITY_OFF_LOT,
        REJECT_TOO_MANY_TRAILING_STOPS,
        REJECT_WOULD_TRADE,
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
        FLAGS,
        KEY,
        LINK,
        MAX_KEY,
        MAX_QUANTITY,
        MAX_TRAILING,
        POST_ONLY_BIT,
        TYPE_SHIFT,
    )

MAX_NOTIONAL = cython.declare(cython.longlong, 1 << 62)
MAX_CLOCK = cython.declare(cython.longlong, (1 << 36) - 1)


class Refusals(Sessions):
    """A book that tells what is wrong with a command at `at` in `commands`."""

    __slots__ = ("commands", "lot_size", "single")

    def _set_up_commands(self, lot_size: cython.longlong) -> None:
        self.lot_size = lot_size
        self.single = array("q", bytes(8 * COMMAND_WORDS))
        self.commands = self.single

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
