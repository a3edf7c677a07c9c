# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""One order book: price-time priority, deterministic, without I/O, clock or randomness. The rules are in
docs/matching.md.

The same commands give the same reports and the same digest in every process and on every machine. This file is Python
that Cython can compile (its types are in `book.pxd`); both ways are tested. Prices are int64 in 1/10,000 dollar,
quantities int64 shares. Orders rest in flat arrays, linked in order of time within their level, so no command's cost
grows with the number of levels or of orders at a level: a command costs its trades, nothing else.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import cython

from services.matching_engine.kernel_ids import IdMap
from services.matching_engine.kernel_ladder import Ladder, doubled
from services.matching_engine.kernel_report import Report
from services.matching_engine.kernel_snapshot import DIGEST_BYTES, BookState, pack, unpack
from shared.contracts import codes

if not cython.compiled:
    from services.matching_engine.kernel_layout import (
        ACCOUNT,
        COUNT,
        HEAD,
        KEY,
        LEVEL,
        MAX_KEY,
        MAX_QUANTITY,
        NEXT,
        OPEN,
        ORDER_ID,
        ORDER_WORDS,
        PREVIOUS,
        PRICE,
        QUANTITY,
        R_ACCOUNT,
        R_CODES,
        R_MAKER,
        R_MAKER_ACCOUNT,
        R_MAKER_REMAINING,
        R_ORDER,
        R_PRICE,
        R_QUANTITY,
        R_REMAINING,
        R_SEQUENCE,
        REPORT_WORDS,
        SIDE,
        TAIL,
    )

BUY = cython.declare(cython.longlong, int(codes.Side.BUY))
SELL = cython.declare(cython.longlong, int(codes.Side.SELL))
LIMIT = cython.declare(cython.longlong, int(codes.OrderType.LIMIT))
MARKET = cython.declare(cython.longlong, int(codes.OrderType.MARKET))
GTC = cython.declare(cython.longlong, int(codes.TimeInForce.GTC))
IOC = cython.declare(cython.longlong, int(codes.TimeInForce.IOC))
FOK = cython.declare(cython.longlong, int(codes.TimeInForce.FOK))
ACCEPTED = cython.declare(cython.longlong, int(codes.ReportKind.ACCEPTED))
REJECTED = cython.declare(cython.longlong, int(codes.ReportKind.REJECTED))
TRADE = cython.declare(cython.longlong, int(codes.ReportKind.TRADE))
DONE = cython.declare(cython.longlong, int(codes.ReportKind.DONE))
FILLED = cython.declare(cython.longlong, int(codes.DoneReason.FILLED))
CANCELLED = cython.declare(cython.longlong, int(codes.DoneReason.CANCELLED))
UNFILLED_IOC = cython.declare(cython.longlong, int(codes.DoneReason.IOC))
UNFILLED_FOK = cython.declare(cython.longlong, int(codes.DoneReason.FOK))
NO_LIQUIDITY = cython.declare(cython.longlong, int(codes.DoneReason.NO_LIQUIDITY))
SELF_TRADE = cython.declare(cython.longlong, int(codes.DoneReason.SELF_TRADE))
INVALID_ORDER_ID = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_ORDER_ID))
DUPLICATE_ORDER_ID = cython.declare(cython.longlong, int(codes.RejectReason.DUPLICATE_ORDER_ID))
INVALID_SIDE = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_SIDE))
INVALID_ORDER_TYPE = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_ORDER_TYPE))
INVALID_TIME_IN_FORCE = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_TIME_IN_FORCE))
INVALID_PRICE = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_PRICE))
PRICE_OFF_TICK = cython.declare(cython.longlong, int(codes.RejectReason.PRICE_OFF_TICK))
INVALID_QUANTITY = cython.declare(cython.longlong, int(codes.RejectReason.INVALID_QUANTITY))
QUANTITY_OFF_LOT = cython.declare(cython.longlong, int(codes.RejectReason.QUANTITY_OFF_LOT))
UNKNOWN_ORDER = cython.declare(cython.longlong, int(codes.RejectReason.UNKNOWN_ORDER))


class Book:
    """The orders of one symbol.

    `tick_size` (1/10,000 dollar) and `lot_size` (shares) are what every limit price and every quantity must be a
    whole multiple of. `capacity` is how many resting orders to make room for at once; the book grows beyond it by
    itself.
    """

    def __init__(self, symbol: str, tick_size: int, lot_size: int, capacity: int = 1024) -> None:
        if tick_size < 1 or lot_size < 1:
            raise ValueError(f"tick_size and lot_size must be at least 1, not {tick_size} and {lot_size}")
        self.symbol = symbol
        self.tick_size = tick_size
        self.lot_size = lot_size
        self.sequence = 0
        self.bids = Ladder()
        self.asks = Ladder()
        self.places = IdMap(capacity)
        self.words = array("q", bytes(8 * ORDER_WORDS * (capacity + 1)))
        self.next_order = ORDER_WORDS
        self.free_order = 0
        self.reports = array("q", bytes(8 * REPORT_WORDS * 64))
        self.reports_end = 0
        self.met_own_order = 0

    def place(
        self,
        order_id: cython.longlong,
        account_id: cython.longlong,
        side: cython.longlong,
        order_type: cython.longlong,
        time_in_force: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> list[Report]:
        """Match a new order and let the rest of it rest or go, by its type and time in force.

        `order_id` is positive and never used before; a market order's `price` is its protection price.
        A refused order comes back as one REJECTED report. Raises OverflowError for what does not fit 64 bits.
        """
        self.reports_end = 0
        self._place(order_id, account_id, side, order_type, time_in_force, price, quantity)
        return self._take_reports()

    def cancel(self, order_id: cython.longlong) -> list[Report]:
        """Take a resting order out of the book."""
        self.reports_end = 0
        self._cancel(order_id)
        return self._take_reports()

    def depth(self, levels: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Return the best `levels` levels of bids and of asks, best first, as (price, quantity, order count)."""
        return self._side_depth(BUY, levels), self._side_depth(SELL, levels)

    def orders(self) -> Iterator[tuple[int, int, int, int, int]]:
        """Return the resting orders, bids then asks by priority: (order id, account id, side, price, open quantity)."""
        return iter(self._side_orders(BUY) + self._side_orders(SELL))

    def order_count(self) -> int:
        """Return how many orders rest in the book."""
        return self.places.count

    def snapshot(self) -> bytes:
        """Return the whole state as bytes, from which `restore` makes the same book."""
        numbers = [self.tick_size, self.lot_size, self.sequence]
        return pack(BookState(self.symbol, numbers, list(self.orders())))

    @staticmethod
    def restore(data: bytes) -> Book:
        """Return the book that `snapshot` was taken of. Raises ValueError when `data` is damaged."""
        state = unpack(data)
        tick_size, lot_size, sequence = state.numbers
        book: Book = Book(state.symbol, tick_size, lot_size, max(1024, len(state.rows)))
        book.sequence = sequence
        for order_id, account_id, side, price, quantity in state.rows:
            book._rest(order_id, account_id, side, price, quantity)
        return book

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole state: equal for equal states, on every machine."""
        return self.snapshot()[-DIGEST_BYTES:]

    def _ladder(self, side: cython.longlong) -> Ladder:
        return self.bids if side == BUY else self.asks

    def _side_depth(self, side: cython.longlong, levels: cython.longlong) -> list[tuple[int, int, int]]:
        ladder: Ladder = self._ladder(side)
        level: cython.longlong = ladder.best
        rows: list[tuple[int, int, int]] = []
        while level != 0 and len(rows) < levels:
            price = self.words[ladder.levels[level + HEAD] + PRICE]
            rows.append((price, ladder.levels[level + QUANTITY], ladder.levels[level + COUNT]))
            level = ladder.after(ladder.levels[level + KEY])
        return rows

    def _side_orders(self, side: cython.longlong) -> list[tuple[int, int, int, int, int]]:
        ladder: Ladder = self._ladder(side)
        level: cython.longlong = ladder.best
        words = self.words
        rows = []
        while level != 0:
            order: cython.longlong = ladder.levels[level + HEAD]
            while order != 0:
                row = (words[order + ORDER_ID], words[order + ACCOUNT], side, words[order + PRICE], words[order + OPEN])
                rows.append(row)
                order = words[order + NEXT]
            level = ladder.after(ladder.levels[level + KEY])
        return rows

    def _place(
        self,
        order_id: cython.longlong,
        account_id: cython.longlong,
        side: cython.longlong,
        order_type: cython.longlong,
        time_in_force: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> cython.Py_ssize_t:
        refusal: cython.longlong = self._refusal(order_id, side, order_type, time_in_force, price, quantity)
        if refusal != 0:
            return self._report(REJECTED, side, refusal, order_id, account_id, price, quantity, 0)
        remaining: cython.longlong = quantity
        reason: cython.longlong = UNFILLED_FOK
        if time_in_force != FOK or self._can_fill(account_id, side, price, quantity):
            remaining = self._match(order_id, account_id, side, price, quantity)
            if remaining == 0:
                reason = FILLED
            elif self.met_own_order:
                reason = SELF_TRADE
            elif order_type == MARKET:
                reason = NO_LIQUIDITY
            elif time_in_force == IOC:
                reason = UNFILLED_IOC
            else:
                self._rest(order_id, account_id, side, price, remaining)
                return self._report(ACCEPTED, side, 0, order_id, account_id, price, quantity, remaining)
        return self._report(DONE, side, reason, order_id, account_id, price, 0, remaining)

    def _refusal(
        self,
        order_id: cython.longlong,
        side: cython.longlong,
        order_type: cython.longlong,
        time_in_force: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> cython.longlong:
        """Return the RejectReason of a new order, 0 when it is fine. The order of the checks is part of the rules."""
        if order_id <= 0:
            return INVALID_ORDER_ID
        if side != BUY and side != SELL:
            return INVALID_SIDE
        if order_type != LIMIT and order_type != MARKET:
            return INVALID_ORDER_TYPE
        if time_in_force != GTC and time_in_force != IOC and time_in_force != FOK:
            return INVALID_TIME_IN_FORCE
        if price <= 0 or price > MAX_KEY * self.tick_size:
            return INVALID_PRICE
        if order_type == LIMIT and price % self.tick_size != 0:
            return PRICE_OFF_TICK
        if quantity <= 0 or quantity > MAX_QUANTITY:
            return INVALID_QUANTITY
        if quantity % self.lot_size != 0:
            return QUANTITY_OFF_LOT
        if self.places.get(order_id) != 0:
            return DUPLICATE_ORDER_ID
        return 0

    def _last_key(self, side: cython.longlong, price: cython.longlong) -> cython.longlong:
        """Return the largest key on the other side that an order of this side and price may trade with."""
        if side == BUY:
            return price // self.tick_size
        return MAX_KEY - (price + self.tick_size - 1) // self.tick_size

    def _can_fill(
        self, account_id: cython.longlong, side: cython.longlong, price: cython.longlong, quantity: cython.longlong
    ) -> cython.longlong:
        """Tell whether `quantity` can trade at once and whole, without meeting an order of the same account."""
        ladder: Ladder = self.asks if side == BUY else self.bids
        last_key: cython.longlong = self._last_key(side, price)
        level: cython.longlong = ladder.best
        while level != 0 and ladder.levels[level + KEY] <= last_key:
            maker: cython.longlong = ladder.levels[level + HEAD]
            while maker != 0:
                if self.words[maker + ACCOUNT] == account_id:
                    return 0
                quantity -= self.words[maker + OPEN]
                if quantity <= 0:
                    return 1
                maker = self.words[maker + NEXT]
            level = ladder.after(ladder.levels[level + KEY])
        return 0

    def _match(
        self,
        order_id: cython.longlong,
        account_id: cython.longlong,
        side: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> cython.Py_ssize_t:
        """Trade with the other side, best price first and oldest order first. Return what is left of `quantity`."""
        ladder: Ladder = self.asks if side == BUY else self.bids
        last_key: cython.longlong = self._last_key(side, price)
        self.met_own_order = 0
        while quantity > 0 and ladder.best != 0 and ladder.levels[ladder.best + KEY] <= last_key:
            level: cython.longlong = ladder.best
            maker: cython.longlong = ladder.levels[level + HEAD]
            if self.words[maker + ACCOUNT] == account_id:
                self.met_own_order = 1
                break
            maker_open: cython.longlong = self.words[maker + OPEN]
            traded: cython.longlong = quantity if quantity < maker_open else maker_open
            quantity -= traded
            maker_open -= traded
            self.words[maker + OPEN] = maker_open
            ladder.levels[level + QUANTITY] -= traded
            self._report(TRADE, side, 0, order_id, account_id, self.words[maker + PRICE], traded, quantity)
            self._report_maker(self.words[maker + ORDER_ID], self.words[maker + ACCOUNT], maker_open)
            if maker_open == 0:
                self._finish(maker, FILLED)
        return quantity

    def _cancel(self, order_id: cython.longlong) -> cython.Py_ssize_t:
        order: cython.longlong = self.places.get(order_id) if order_id > 0 else 0
        if order == 0:
            return self._report(REJECTED, 0, UNKNOWN_ORDER, order_id, 0, 0, 0, 0)
        return self._finish(order, CANCELLED)

    def _rest(
        self,
        order_id: cython.longlong,
        account_id: cython.longlong,
        side: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> cython.Py_ssize_t:
        order: cython.longlong = self._new_order()
        self.words[order + ORDER_ID] = order_id
        self.words[order + ACCOUNT] = account_id
        self.words[order + SIDE] = side
        self.words[order + PRICE] = price
        self.words[order + OPEN] = quantity
        self.places.put(order_id, order)
        tick: cython.longlong = price // self.tick_size
        self._join(order, MAX_KEY - tick if side == BUY else tick)
        return 0

    def _join(self, order: cython.longlong, key: cython.longlong) -> cython.Py_ssize_t:
        """Put an order at the end of its level."""
        ladder: Ladder = self._ladder(self.words[order + SIDE])
        level: cython.longlong = ladder.find_or_add(key)
        last: cython.longlong = ladder.levels[level + TAIL]
        self.words[order + LEVEL] = level
        self.words[order + PREVIOUS] = last
        self.words[order + NEXT] = 0
        if last != 0:
            self.words[last + NEXT] = order
        else:
            ladder.levels[level + HEAD] = order
        ladder.levels[level + TAIL] = order
        ladder.levels[level + QUANTITY] += self.words[order + OPEN]
        ladder.levels[level + COUNT] += 1
        return 0

    def _leave(self, order: cython.longlong) -> cython.longlong:
        """Take an order out of its level, and the level out of the ladder when it was the last."""
        ladder: Ladder = self._ladder(self.words[order + SIDE])
        level: cython.longlong = self.words[order + LEVEL]
        before: cython.longlong = self.words[order + PREVIOUS]
        after: cython.longlong = self.words[order + NEXT]
        if before != 0:
            self.words[before + NEXT] = after
        else:
            ladder.levels[level + HEAD] = after
        if after != 0:
            self.words[after + PREVIOUS] = before
        else:
            ladder.levels[level + TAIL] = before
        ladder.levels[level + QUANTITY] -= self.words[order + OPEN]
        ladder.levels[level + COUNT] -= 1
        if ladder.levels[level + COUNT] == 0:
            ladder.remove(level)
        return 0

    def _finish(self, order: cython.longlong, reason: cython.longlong) -> cython.Py_ssize_t:
        """Take a resting order out for good and say why."""
        self._leave(order)
        order_id: cython.longlong = self.words[order + ORDER_ID]
        self.places.remove(order_id)
        self._report(
            DONE,
            self.words[order + SIDE],
            reason,
            order_id,
            self.words[order + ACCOUNT],
            self.words[order + PRICE],
            0,
            self.words[order + OPEN],
        )
        self.words[order + NEXT] = self.free_order
        self.free_order = order
        return 0

    def _new_order(self) -> cython.Py_ssize_t:
        order: cython.longlong = self.free_order
        if order != 0:
            self.free_order = self.words[order + NEXT]
            return order
        if self.next_order == len(self.words):
            self.words = doubled(self.words)
        order = self.next_order
        self.next_order += ORDER_WORDS
        return order

    def _report(
        self,
        kind: cython.longlong,
        side: cython.longlong,
        reason: cython.longlong,
        order_id: cython.longlong,
        account_id: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
        remaining: cython.longlong,
    ) -> cython.Py_ssize_t:
        if self.reports_end == len(self.reports):
            self.reports = doubled(self.reports)
        at: cython.longlong = self.reports_end
        self.reports_end = at + REPORT_WORDS
        self.sequence += 1
        self.reports[at + R_CODES] = kind | (side & 255) << 8 | reason << 16
        self.reports[at + R_ORDER] = order_id
        self.reports[at + R_ACCOUNT] = account_id
        self.reports[at + R_PRICE] = price
        self.reports[at + R_QUANTITY] = quantity
        self.reports[at + R_REMAINING] = remaining
        self.reports[at + R_MAKER] = 0
        self.reports[at + R_MAKER_ACCOUNT] = 0
        self.reports[at + R_MAKER_REMAINING] = 0
        self.reports[at + R_SEQUENCE] = self.sequence
        return 0

    def _report_maker(
        self, order_id: cython.longlong, account_id: cython.longlong, remaining: cython.longlong
    ) -> cython.longlong:
        """Complete the trade reported last with its maker."""
        at: cython.longlong = self.reports_end - REPORT_WORDS
        self.reports[at + R_MAKER] = order_id
        self.reports[at + R_MAKER_ACCOUNT] = account_id
        self.reports[at + R_MAKER_REMAINING] = remaining
        return 0

    def _take_reports(self) -> list[Report]:
        taken = []
        at: cython.longlong = 0
        while at < self.reports_end:
            report: Report = Report()
            codes_word: cython.longlong = self.reports[at + R_CODES]
            report.kind = codes_word & 255
            report.side = (codes_word >> 8) & 255
            report.reason = codes_word >> 16
            report.order_id = self.reports[at + R_ORDER]
            report.account_id = self.reports[at + R_ACCOUNT]
            report.price = self.reports[at + R_PRICE]
            report.quantity = self.reports[at + R_QUANTITY]
            report.remaining = self.reports[at + R_REMAINING]
            report.maker_order_id = self.reports[at + R_MAKER]
            report.maker_account_id = self.reports[at + R_MAKER_ACCOUNT]
            report.maker_remaining = self.reports[at + R_MAKER_REMAINING]
            report.sequence = self.reports[at + R_SEQUENCE]
            taken.append(report)
            at += REPORT_WORDS
        return taken
