# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""One order book: price-time priority, deterministic, without I/O, clock or randomness. The rules are in
docs/matching.md.

The same commands give the same reports and the same digest in every process and on every machine. This file and the
`kernel_` files beside it are Python that Cython can compile (the C types of what they share are in the `.pxd` files);
both ways are tested. A command comes either by its method, which answers with `Report` objects, or packed in a batch,
see `run`. Prices are int64 in 1/10,000 dollar, quantities int64 shares, times whole Unix seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cython

from services.matching_engine.kernel_commands import Commands
from services.matching_engine.kernel_queues import Queues
from services.matching_engine.kernel_report import Report
from services.matching_engine.kernel_snapshot import DIGEST_BYTES, BookState, pack, unpack

if not cython.compiled:
    from services.matching_engine.kernel_codes import (
        DAY,
        DO_ADVANCE_CLOCK,
        DO_AMEND,
        DO_CANCEL,
        DO_CANCEL_ALL,
        DO_CONFIGURE,
        DO_PLACE,
        DO_SET_SESSION,
        GTD,
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
        COUNT,
        DISPLAY,
        ENTRY,
        EXPIRES_AT,
        EXTRA_BIT,
        FLAGS,
        FORCE_SHIFT,
        HEAD,
        HIDDEN,
        KEY,
        LINK,
        OPEN,
        ORDER_ID,
        PRICE,
        QUANTITY,
        TOTAL,
        TRAIL,
        TRIGGER,
        WAITING_BIT,
    )

SNAPSHOT_FIELDS = (
    ORDER_ID, ACCOUNT, FLAGS, PRICE, OPEN, HIDDEN, DISPLAY, TOTAL, ENTRY, EXPIRES_AT, TRIGGER, TRAIL,
)  # fmt: skip


class Book(Commands):
    """The orders of one symbol.

    `tick_size` (1/10,000 dollar) and `lot_size` (shares) are what every limit price and every quantity must be a
    whole multiple of. `capacity` is how many orders to make room for at once; the book grows beyond it by itself.
    Every method that is a command answers with what happened, a refusal included, and raises OverflowError for what
    does not fit 64 bits.
    """

    __slots__ = ("symbol",)

    def __init__(self, symbol: str, tick_size: int, lot_size: int, capacity: int = 1024) -> None:
        if tick_size < 1 or lot_size < 1:
            raise ValueError(f"tick_size and lot_size must be at least 1, not {tick_size} and {lot_size}")
        self.symbol = symbol
        self._set_up(tick_size, capacity)
        self._set_up_commands(lot_size)

    def place(
        self,
        order_id: cython.longlong,
        account_id: cython.longlong,
        side: cython.longlong,
        order_type: cython.longlong,
        time_in_force: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
        display: cython.longlong = 0,
        trigger: cython.longlong = 0,
        expires_at: cython.longlong = 0,
        linked_order_id: cython.longlong = 0,
        self_trade: cython.longlong = 0,
        post_only: cython.longlong = 0,
    ) -> list[Report]:
        """Match a new order and let the rest of it rest or go, by its type and time in force.

        A market order's `price` is its protection price. `display` is an iceberg's slice, `trigger` a stop's trigger
        or distance, `expires_at` the second a GTD order ends, `linked_order_id` the order that it cancels or is
        cancelled by.
        """
        codes_word: cython.longlong = byte(side) << 8 | byte(order_type) << 16 | byte(time_in_force) << 24
        codes_word |= byte(self_trade) << 32 | (cython.cast(cython.longlong, 1) << 40 if post_only else 0)
        self._single(DO_PLACE | codes_word, order_id, account_id, price, quantity)
        self.single[C_DISPLAY] = display
        self.single[C_TRIGGER] = trigger
        self.single[C_EXPIRES_AT] = expires_at
        self.single[C_LINKED] = linked_order_id
        return self._happenings()

    def cancel(self, order_id: cython.longlong) -> list[Report]:
        """Take a resting or waiting order out of the book."""
        self._single(DO_CANCEL, order_id, 0, 0, 0)
        return self._happenings()

    def amend(self, order_id: cython.longlong, price: cython.longlong, quantity: cython.longlong) -> list[Report]:
        """Give an order a new price and a new total quantity (what has traded included); 0 leaves either as it is."""
        self._single(DO_AMEND, order_id, 0, price, quantity)
        return self._happenings()

    def cancel_all(self, account_id: cython.longlong) -> list[Report]:
        """Take every order of an account out of the book."""
        self._single(DO_CANCEL_ALL, 0, account_id, 0, 0)
        return self._happenings()

    def advance_clock(self, now: cython.longlong) -> list[Report]:
        """Set the clock, in Unix seconds, and end the orders whose date has come."""
        self._single(DO_ADVANCE_CLOCK, 0, 0, now, 0)
        return self._happenings()

    def set_session(self, session: cython.longlong, reference_price: cython.longlong = 0) -> list[Report]:
        """Turn to another session, with the auction that ends the one before. 0 keeps the reference price there is."""
        self._single(DO_SET_SESSION, 0, 0, reference_price, session)
        return self._happenings()

    def configure(
        self, band: cython.longlong, maker_fee_ppm: cython.longlong, taker_fee_ppm: cython.longlong
    ) -> list[Report]:
        """Set the price band (1/10,000 dollar either side, 0: none) and the fees (millionths of the notional)."""
        self._single(DO_CONFIGURE, 0, 0, band, maker_fee_ppm)
        self.single[C_DISPLAY] = taker_fee_ppm
        return self._happenings()

    def run(self, commands: Any) -> bytes:
        """Apply packed commands one after the other and return their reports, packed.

        `commands` is a contiguous buffer of bytes or of 64-bit integers, `COMMAND_WORDS` to a command, laid out as
        `kernel_layout` says; the reports are native 64-bit integers, `REPORT_WORDS` to a report. Raises ValueError
        when the buffer is not a whole number of commands.
        """
        words: Any = memoryview(commands).cast("B").cast("q")
        if len(words) % COMMAND_WORDS != 0:
            raise ValueError(f"{len(words)} words are not a whole number of commands of {COMMAND_WORDS} words")
        self.log.end = 0
        self.commands = words
        at: cython.longlong = 0
        end: cython.longlong = len(words)
        try:
            while at < end:
                self._warm(at, end)
                self._apply(at)
                at += COMMAND_WORDS
        finally:
            self.commands = self.single
        return self.log.packed()

    def depth(self, levels: int) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Return the best `levels` levels of bids and of asks, best first, as (price, shown quantity, order count)."""
        return self._side_depth(self.bids, levels), self._side_depth(self.asks, levels)

    def orders(self) -> Iterator[tuple[int, int, int, int, int, int]]:
        """Return the resting orders, bids then asks, by priority.

        Each is (order id, account id, side, price, open quantity with what is hidden, shown quantity).
        """
        for order in self._in_order(self.bids) + self._in_order(self.asks):
            yield self._order_row(order)

    def order_count(self) -> int:
        """Return how many orders rest or wait in the book."""
        return self.pool.places.count

    def state(self) -> dict[str, int]:
        """Return the session (see `Session`), the clock, the last and the reference price (0: none), the sequence."""
        return {
            "session": self.session,
            "clock": self.clock,
            "last_price": self.last_price,
            "reference_price": self.reference_price,
            "sequence": self.log.sequence,
        }

    def indication(self) -> tuple[int, int, int]:
        """Return the price, volume and imbalance of the auction if it were now, all 0 where the sides do not cross."""
        auction = self._find_auction()
        return auction.price, auction.volume, auction.imbalance

    def snapshot(self) -> bytes:
        """Return the whole state as bytes, from which `restore` makes the same book."""
        numbers = [self.tick_size, self.lot_size, self.log.sequence, self.pool.entries, self.session, self.clock]
        numbers += [self.last_price, self.reference_price, self.band, self.maker_fee_ppm, self.taker_fee_ppm]
        orders = self._in_order(self.bids) + self._in_order(self.asks)
        orders += self._in_order(self.stops.buys) + self._in_order(self.stops.sells)
        return pack(BookState(self.symbol, numbers, [self._snapshot_row(order) for order in orders]))

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole state: equal for equal states, on every machine."""
        return self.snapshot()[-DIGEST_BYTES:]

    @staticmethod
    def restore(data: bytes) -> Book:
        """Return the book that `snapshot` was taken of. Raises ValueError when `data` is damaged."""
        state = unpack(data)
        book: Book = Book(state.symbol, state.numbers[0], state.numbers[1], max(1024, len(state.rows)))
        book._restore_numbers(state.numbers)
        book._restore_orders(state.rows)
        return book

    def _single(
        self,
        codes_word: cython.longlong,
        order_id: cython.longlong,
        account_id: cython.longlong,
        price: cython.longlong,
        quantity: cython.longlong,
    ) -> None:
        """Write the words that most commands use into the room for one command, and clear the others."""
        self.single[C_CODES] = codes_word
        self.single[C_ORDER] = order_id
        self.single[C_ACCOUNT] = account_id
        self.single[C_PRICE] = price
        self.single[C_QUANTITY] = quantity
        self.single[C_DISPLAY] = 0
        self.single[C_TRIGGER] = 0
        self.single[C_EXPIRES_AT] = 0
        self.single[C_LINKED] = 0

    def _happenings(self) -> list[Report]:
        """Apply the one command and return its reports."""
        self.log.end = 0
        self._apply(0)
        return self.log.objects()

    def _side_depth(self, side: Queues, levels: cython.longlong) -> list[tuple[int, int, int]]:
        rows: list[tuple[int, int, int]] = []
        level: cython.longlong = side.best
        while level != 0 and len(rows) < levels:
            price = self.pool.words[side.levels[level + HEAD] + PRICE]
            rows.append((price, side.levels[level + QUANTITY], side.levels[level + COUNT]))
            level = side.after(side.levels[level + KEY])
        return rows

    def _in_order(self, queues: Queues) -> list[int]:
        orders: list[int] = []
        order: cython.longlong = queues.first()
        while order != 0:
            orders.append(order)
            order = queues.following(order)
        return orders

    def _order_row(self, order: cython.longlong) -> tuple[int, int, int, int, int, int]:
        words = self.pool.words
        left = words[order + OPEN] + words[order + HIDDEN]
        side = words[order + FLAGS] & 255
        return words[order + ORDER_ID], words[order + ACCOUNT], side, words[order + PRICE], left, words[order + OPEN]

    def _snapshot_row(self, order: cython.longlong) -> tuple[int, ...]:
        words = self.pool.words
        partner = words[order + LINK]
        linked_id = words[partner + ORDER_ID] if partner != 0 else 0
        row = [words[order + cython.cast(cython.longlong, field)] for field in SNAPSHOT_FIELDS]
        row[SNAPSHOT_FIELDS.index(FLAGS)] &= ~(cython.cast(cython.longlong, 1) << EXTRA_BIT)
        return (*row, linked_id)

    def _restore_numbers(self, numbers: list[int]) -> None:
        self.log.sequence, self.pool.entries, self.session, self.clock = numbers[2:6]
        self.last_price, self.reference_price, self.band = numbers[6:9]
        self.maker_fee_ppm, self.taker_fee_ppm = numbers[9:]
        self._set_band()

    def _restore_orders(self, rows: list[tuple[int, ...]]) -> None:
        """Put the orders back: into their queues by priority, then into the lists that go by entry."""
        entered = []
        for row in rows:
            order: cython.longlong = self.pool.new()
            *values, linked_id = row
            for field, value in zip(SNAPSHOT_FIELDS, values, strict=True):
                self.pool.words[order + cython.cast(cython.longlong, field)] = value
            self.pool.words[order + LINK] = 0
            force: cython.longlong = (self.pool.words[order + FLAGS] >> FORCE_SHIFT) & 255
            stop: cython.longlong = self.pool.words[order + TRIGGER] | self.pool.words[order + TRAIL]
            if stop != 0 or force in (DAY, GTD):
                self.pool.words[order + FLAGS] |= cython.cast(cython.longlong, 1) << EXTRA_BIT
            if (self.pool.words[order + FLAGS] >> WAITING_BIT) & 1:
                self.stops.join(order)
            else:
                self._own_side(order).join(order, self._own_key(order))
            entered.append((self.pool.words[order + ENTRY], order, linked_id))
        for entry, order, _ in sorted(entered):
            self.pool.register(order, entry)
            self._join_expiry(order)
            if self.pool.words[order + TRAIL] != 0 and (self.pool.words[order + FLAGS] >> WAITING_BIT) & 1:
                self.stops.trail(order)
        for _, order, linked_id in entered:
            self.pool.words[order + LINK] = self.pool.find(linked_id)


def byte(code: cython.longlong) -> cython.longlong:
    """Return a code as it fits into one byte of a packed command; what does not fit becomes 255, which no code is."""
    return code if 0 <= code < 255 else 255
