"""The rules of docs/matching.md, written down a second time in the most obvious way there is: lists, and sorting them.

It is slow, keeps no structure that could be wrong, and knows nothing of the kernel; the two must agree report by
report. Every method answers with tuples in the order of `kernel_report.FIELDS`.
"""

from dataclasses import dataclass, field

from shared.contracts.codes import (
    AmendEffect,
    DoneReason,
    OrderType,
    RejectReason,
    ReportKind,
    SelfTrade,
    Session,
    Side,
    TimeInForce,
)

MAX_TICKS = 2**30 - 1
MAX_QUANTITY = 1_000_000_000
MAX_NOTIONAL = 2**62
MAX_CLOCK = 2**36 - 1
MAX_TRAILING = 100
PPM = 1_000_000
CALL_SESSIONS = (
    Session.PRE_OPEN,
    Session.OPENING_AUCTION,
    Session.CLOSING_AUCTION,
    Session.VOLATILITY_AUCTION,
)
RESTING_FORCES = (TimeInForce.GTC, TimeInForce.DAY, TimeInForce.GTD)
PRICED_TYPES = (OrderType.LIMIT, OrderType.STOP_LIMIT)

Row = tuple[int, ...]


@dataclass(eq=False)
class Order:
    """An order as the rules speak of it. `left` is all that is open, `shown` the part the book shows."""

    order_id: int
    account_id: int
    side: int
    order_type: int
    time_in_force: int
    price: int
    quantity: int
    display: int = 0
    trigger: int = 0
    expires_at: int = 0
    linked_order_id: int = 0
    self_trade: int = 0
    post_only: int = 0
    left: int = field(default=0, init=False)
    shown: int = field(default=0, init=False)
    distance: int = field(default=0, init=False)
    entry: int = field(default=0, init=False)
    turn: int = field(default=0, init=False)
    waiting: bool = field(default=False, init=False)
    resting: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)
    traded: bool = field(default=False, init=False)
    partner: "Order | None" = field(default=None, init=False)
    named: "Order | None" = field(default=None, init=False)


class ReferenceBook:
    """One book of docs/matching.md."""

    def __init__(self, tick_size: int, lot_size: int) -> None:
        self.tick_size = tick_size
        self.lot_size = lot_size
        self.orders: list[Order] = []
        self.rows: list[Row] = []
        self.sequence = 0
        self.entries = 0
        self.turns = 0
        self.session = int(Session.CONTINUOUS)
        self.clock = 0
        self.last_price = 0
        self.reference_price = 0
        self.band = 0
        self.maker_fee_ppm = 0
        self.taker_fee_ppm = 0
        self.band_hit = False

    # Commands

    def place(self, *figures: int) -> list[Row]:
        """Take the arguments of Book.place, in its order."""
        self.rows = []
        order = Order(*figures)
        for code in ("side", "order_type", "time_in_force", "self_trade"):
            if not 0 <= getattr(order, code) < 255:
                setattr(order, code, 255)
        reason = self._refuse_place(order)
        if reason:
            self._report(
                ReportKind.REJECTED, order.side, reason, order.order_id, order.account_id, order.price, order.quantity
            )
        else:
            self._come_in_new(order)
        return self._finish_command()

    def cancel(self, order_id: int) -> list[Row]:
        self.rows = []
        order = self._find(order_id)
        if order is None:
            self._report(ReportKind.REJECTED, 0, RejectReason.UNKNOWN_ORDER, order_id)
        else:
            self._end(order, DoneReason.CANCELLED)
        return self._finish_command()

    def cancel_all(self, account_id: int) -> list[Row]:
        self.rows = []
        if account_id <= 0:
            self._report(ReportKind.REJECTED, 0, RejectReason.INVALID_ACCOUNT_ID, 0, account_id)
        while mine := [order for order in self.orders if order.account_id == account_id]:
            self._end(max(mine, key=lambda order: order.entry), DoneReason.CANCELLED)
        return self._finish_command()

    def amend(self, order_id: int, price: int, quantity: int) -> list[Row]:
        self.rows = []
        order = self._find(order_id)
        reason = self._refuse_amend(order, price, quantity)
        if reason or order is None:
            self._report(ReportKind.REJECTED, 0, reason, order_id, 0, price, quantity)
        else:
            self._amend(order, price or order.price, quantity or order.quantity)
        return self._finish_command()

    def advance_clock(self, now: int) -> list[Row]:
        self.rows = []
        if now < self.clock or now > MAX_CLOCK:
            self._report(ReportKind.REJECTED, 0, RejectReason.INVALID_TIME, price=now)
            return self._finish_command()
        self.clock = now
        self._report(ReportKind.CLOCK_ADVANCED, price=now)
        while due := [o for o in self.orders if o.time_in_force == TimeInForce.GTD and o.expires_at <= now]:
            self._end(min(due, key=lambda order: (order.expires_at, order.entry)), DoneReason.EXPIRED)
        return self._finish_command()

    def set_session(self, session: int, reference_price: int) -> list[Row]:
        self.rows = []
        known = session in set(Session)
        if not known or reference_price < 0 or reference_price > MAX_TICKS * self.tick_size:
            reason = RejectReason.INVALID_SESSION
            self._report(ReportKind.REJECTED, 0, reason, price=reference_price, quantity=session)
            return self._finish_command()
        self.reference_price = reference_price or self.reference_price
        self._change_session(session)
        return self._finish_command()

    def configure(self, band: int, maker_fee_ppm: int, taker_fee_ppm: int) -> list[Row]:
        self.rows = []
        fees_fit = abs(maker_fee_ppm) <= PPM and abs(taker_fee_ppm) <= PPM
        if band < 0 or band > MAX_TICKS * self.tick_size or not fees_fit:
            reason = RejectReason.INVALID_CONFIGURATION
            self._report(ReportKind.REJECTED, 0, reason, price=band, quantity=maker_fee_ppm)
        else:
            self.band, self.maker_fee_ppm, self.taker_fee_ppm = band, maker_fee_ppm, taker_fee_ppm
            self._report(ReportKind.CONFIGURED, price=band)
        return self._finish_command()

    # Refusals, in the order the rules give them

    def _refuse_place(self, order: Order) -> int:
        may_rest = order.time_in_force in RESTING_FORCES
        linked = self._find(order.linked_order_id)
        post_only_fits = may_rest and order.order_type == OrderType.LIMIT
        checks = [
            (order.order_id <= 0, RejectReason.INVALID_ORDER_ID),
            (order.account_id <= 0, RejectReason.INVALID_ACCOUNT_ID),
            (order.side not in set(Side), RejectReason.INVALID_SIDE),
            (order.order_type not in set(OrderType), RejectReason.INVALID_ORDER_TYPE),
            (order.time_in_force not in set(TimeInForce), RejectReason.INVALID_TIME_IN_FORCE),
            (bool(order.post_only) and not post_only_fits, RejectReason.INVALID_TIME_IN_FORCE),
            (order.self_trade not in set(SelfTrade), RejectReason.INVALID_SELF_TRADE),
            *self._figure_checks(order, order.price, order.quantity),
            (order.display != 0 and not self._display_fits(order), RejectReason.INVALID_DISPLAY),
            (not self._trigger_fits(order), RejectReason.INVALID_TRIGGER),
            (not self._expiry_fits(order), RejectReason.INVALID_EXPIRY),
            (self._find(order.order_id) is not None, RejectReason.DUPLICATE_ORDER_ID),
            (order.linked_order_id != 0 and not self._link_fits(order, linked), RejectReason.INVALID_LINK),
            (not self._session_takes(order), RejectReason.NOT_IN_THIS_SESSION),
            (bool(order.post_only) and self._crosses(order.side, order.price), RejectReason.WOULD_TRADE),
            (
                order.order_type == OrderType.TRAILING_STOP and len(self._trailing()) >= MAX_TRAILING,
                RejectReason.TOO_MANY_TRAILING_STOPS,
            ),
        ]
        return next((int(reason) for applies, reason in checks if applies), 0)

    def _figure_checks(self, order: Order, price: int, quantity: int) -> list[tuple[bool, RejectReason]]:
        off_tick = order.order_type in PRICED_TYPES and price % self.tick_size != 0
        too_much = quantity > MAX_QUANTITY or price * quantity > MAX_NOTIONAL
        return [
            (price <= 0 or price > MAX_TICKS * self.tick_size, RejectReason.INVALID_PRICE),
            (off_tick, RejectReason.PRICE_OFF_TICK),
            (quantity <= 0 or too_much, RejectReason.INVALID_QUANTITY),
            (quantity % self.lot_size != 0, RejectReason.QUANTITY_OFF_LOT),
        ]

    def _display_fits(self, order: Order) -> bool:
        in_lots = 0 < order.display < order.quantity and order.display % self.lot_size == 0
        return in_lots and order.order_type in PRICED_TYPES and order.time_in_force in RESTING_FORCES

    def _trigger_fits(self, order: Order) -> bool:
        if order.order_type in (OrderType.LIMIT, OrderType.MARKET):
            return order.trigger == 0
        if order.order_type == OrderType.TRAILING_STOP and self.last_price == 0:
            return False
        return 0 < order.trigger <= MAX_TICKS * self.tick_size and order.trigger % self.tick_size == 0

    def _expiry_fits(self, order: Order) -> bool:
        if order.time_in_force == TimeInForce.GTD:
            return self.clock < order.expires_at <= MAX_CLOCK
        return order.expires_at == 0

    def _link_fits(self, order: Order, linked: Order | None) -> bool:
        if linked is None or linked.account_id != order.account_id or linked.partner is not None:
            return False
        return order.time_in_force in RESTING_FORCES and order.order_type != OrderType.MARKET

    def _session_takes(self, order: Order) -> bool:
        if self.session == Session.CONTINUOUS:
            return True
        if self.session in CALL_SESSIONS:
            rests = order.order_type == OrderType.LIMIT and order.time_in_force in RESTING_FORCES
            stop = order.order_type not in (OrderType.LIMIT, OrderType.MARKET)
            return (rests and not order.post_only) or stop
        return False

    def _refuse_amend(self, order: Order | None, price: int, quantity: int) -> int:
        if order is None:
            return int(RejectReason.UNKNOWN_ORDER)
        new_price, new_quantity = price or order.price, quantity or order.quantity
        would_trade = self.session == Session.CONTINUOUS and self._crosses(order.side, new_price)
        checks = [
            (self.session in (Session.HALTED, Session.CLOSED), RejectReason.NOT_IN_THIS_SESSION),
            *self._figure_checks(order, new_price, new_quantity),
            (bool(order.post_only) and would_trade, RejectReason.WOULD_TRADE),
        ]
        return next((int(reason) for applies, reason in checks if applies), 0)

    # An order's way

    def _come_in_new(self, order: Order) -> None:
        order.left = order.quantity
        order.named = self._find(order.linked_order_id)
        if order.order_type in (OrderType.LIMIT, OrderType.MARKET):
            self._come_in(order, ReportKind.ACCEPTED)
            return
        if order.order_type == OrderType.TRAILING_STOP:
            order.distance = order.trigger
            order.trigger = self._trailed(order)
        order.waiting = True
        order.turn = self._next_turn()
        self._enter(order)
        self._report_order(ReportKind.WAITING, order)

    def _come_in(self, order: Order, kind: ReportKind) -> None:
        if self.session != Session.CONTINUOUS:
            self._rest(order, kind)
            return
        order.traded = False
        reason = DoneReason.FOK
        if order.time_in_force != TimeInForce.FOK or self._can_fill(order):
            self_trade = self._match(order)
            if order.ended:
                reason = DoneReason.LINKED
            elif self_trade:
                reason = DoneReason.SELF_TRADE
            elif order.left == 0:
                reason = DoneReason.FILLED
            elif order.order_type == OrderType.MARKET:
                reason = DoneReason.NO_LIQUIDITY
            elif order.time_in_force == TimeInForce.IOC:
                reason = DoneReason.IOC
            else:
                self._rest(order, kind)
                self._turn_to_volatility_auction()
                return
        if not order.ended:
            self._end(order, reason)
        self._turn_to_volatility_auction()

    def _match(self, taker: Order) -> bool:
        """Trade while there is somebody to trade with. Return whether self-trade prevention ended it."""
        while taker.left > 0 and not taker.ended:
            makers = self._side(3 - taker.side)
            if not makers or not self._reaches(taker, makers[0].price):
                return False
            maker = makers[0]
            if not self._in_band(maker.price):
                self.band_hit = True
                return False
            if maker.account_id != taker.account_id:
                self._trade(taker, maker, maker.price, auction=False)
            elif self._prevent_self_trade(taker, maker):
                return True
        return False

    def _can_fill(self, taker: Order) -> bool:
        wanted = taker.left
        for maker in self._side(3 - taker.side):
            if maker.account_id == taker.account_id or not self._reaches(taker, maker.price):
                return False
            if not self._in_band(maker.price):
                return False
            wanted -= maker.left
            if wanted <= 0:
                return True
        return False

    def _prevent_self_trade(self, taker: Order, maker: Order) -> bool:
        if taker.self_trade == SelfTrade.CANCEL_NEWEST:
            return True
        if taker.self_trade in (SelfTrade.CANCEL_OLDEST, SelfTrade.CANCEL_BOTH):
            self._end(maker, DoneReason.SELF_TRADE)
            return taker.self_trade == SelfTrade.CANCEL_BOTH
        lost = self._take_from_both(taker, maker)
        self._report_pair(ReportKind.DECREMENTED, taker, maker, maker.price, lost, 0, 0)
        self._end_partners(taker, maker)
        self._next_slice(maker, DoneReason.SELF_TRADE)
        return taker.left == 0

    def _trade(self, taker: Order, maker: Order, price: int, *, auction: bool) -> int:
        traded = self._take_from_both(taker, maker)
        self.last_price = price
        fee = self._fee(price * traded, self.taker_fee_ppm)
        maker_fee = fee if auction else self._fee(price * traded, self.maker_fee_ppm)
        self._report_pair(ReportKind.TRADE, taker, maker, price, traded, fee, maker_fee)
        self._end_partners(taker, maker)
        if auction:
            self._next_slice(taker, DoneReason.FILLED)
        self._next_slice(maker, DoneReason.FILLED)
        return traded

    def _take_from_both(self, taker: Order, maker: Order) -> int:
        quantity = min(taker.shown if taker.resting else taker.left, maker.shown)
        for order in (taker, maker):
            order.left -= quantity
            order.shown -= quantity if order.resting else 0
            order.traded = True
        return quantity

    def _next_slice(self, order: Order, reason: DoneReason) -> None:
        if order.ended or order.shown > 0:
            return
        if order.left == 0:
            self._end(order, reason)
            return
        order.shown = min(order.display, order.left)
        order.turn = self._next_turn()
        self._report_order(ReportKind.RELOADED, order)

    def _rest(self, order: Order, kind: ReportKind) -> None:
        if order.linked_order_id and order.entry == 0 and not order.traded and (not order.named or order.named.ended):
            self._end(order, DoneReason.LINKED)
            return
        order.resting = True
        order.shown = min(order.display, order.left) if order.display else order.left
        order.turn = self._next_turn()
        self._enter(order)
        self._report_order(kind, order, AmendEffect.LOST_PLACE if kind == ReportKind.AMENDED else 0)

    def _enter(self, order: Order) -> None:
        if order.entry == 0:
            self.entries += 1
            order.entry = self.entries
            self.orders.append(order)
            if order.named and not order.named.ended:
                order.partner = order.named
                order.named.partner = order
        order.named = None

    def _end(self, order: Order, reason: DoneReason) -> None:
        self._report(ReportKind.DONE, order.side, reason, order.order_id, order.account_id, order.price, 0, order.left)
        order.ended = True
        order.resting = order.waiting = False
        if order in self.orders:
            self.orders.remove(order)
        self._end_partner(order)

    def _end_partner(self, order: Order) -> None:
        partner = order.partner
        if partner is not None:
            order.partner = partner.partner = None
            self._end(partner, DoneReason.LINKED)

    def _end_partners(self, taker: Order, maker: Order) -> None:
        for order in (taker, maker):
            named, order.named = order.named, None
            if named is not None and not named.ended:
                self._end(named, DoneReason.LINKED)
            self._end_partner(order)

    def _amend(self, order: Order, price: int, quantity: int) -> None:
        left = order.left + quantity - order.quantity
        if left <= 0:
            self._end(order, DoneReason.CANCELLED)
            return
        keeps_place = price == order.price and quantity <= order.quantity
        order.price, order.quantity, order.left = price, quantity, left
        if order.waiting:
            self._report_order(ReportKind.AMENDED, order)
        elif keeps_place:
            order.shown = min(order.shown, left)
            self._report_order(ReportKind.AMENDED, order)
        else:
            order.resting = False
            self._come_in(order, ReportKind.AMENDED)

    # Stops, sessions, band and auction

    def _finish_command(self) -> list[Row]:
        while self.session == Session.CONTINUOUS and self.last_price:
            for order in sorted(self._trailing(), key=lambda order: order.entry):
                trigger = self._trailed(order)
                if (trigger < order.trigger) if order.side == Side.BUY else (trigger > order.trigger):
                    order.trigger = trigger
                    order.turn = self._next_turn()
            triggered = [order for order in self.orders if order.waiting and self._is_triggered(order)]
            if not triggered:
                break
            self._trigger(min(triggered, key=_trigger_priority))
        return self.rows

    def _trigger(self, order: Order) -> None:
        order.waiting = False
        limit = order.order_type == OrderType.STOP_LIMIT
        order.order_type = OrderType.LIMIT if limit else OrderType.MARKET
        report = (order.order_id, order.account_id, order.price, 0, order.left)
        self._report(ReportKind.TRIGGERED, order.side, 0, *report)
        self._end_partner(order)
        self._come_in(order, ReportKind.ACCEPTED)

    def _trailed(self, order: Order) -> int:
        trigger = self.last_price + (order.distance if order.side == Side.BUY else -order.distance)
        return max(0, min(MAX_TICKS * self.tick_size, trigger))

    def _is_triggered(self, order: Order) -> bool:
        return self.last_price >= order.trigger if order.side == Side.BUY else self.last_price <= order.trigger

    def _trailing(self) -> list[Order]:
        return [order for order in self.orders if order.waiting and order.order_type == OrderType.TRAILING_STOP]

    def _in_band(self, price: int) -> bool:
        return self.band == 0 or self.reference_price == 0 or abs(price - self.reference_price) <= self.band

    def _turn_to_volatility_auction(self) -> None:
        if self.band_hit:
            self.band_hit = False
            self.session = Session.VOLATILITY_AUCTION
            self._report(ReportKind.SESSION_CHANGED, 0, self.session)

    def _change_session(self, session: int) -> None:
        self.session = session
        found = self.auction() if session in (Session.CONTINUOUS, Session.CLOSED) else (0, 0, 0)
        self._tell_session(*found)
        while found[1]:
            self._hold_auction(*found)
            found = self.auction()
            if found[1]:
                self._tell_session(*found)
        if session == Session.CLOSED:
            while day := [order for order in self.orders if order.time_in_force == TimeInForce.DAY]:
                self._end(min(day, key=lambda order: order.entry), DoneReason.EXPIRED)

    def _tell_session(self, price: int, volume: int, imbalance: int) -> None:
        side = 0 if imbalance == 0 else Side.BUY if imbalance > 0 else Side.SELL
        self._report(ReportKind.SESSION_CHANGED, side, self.session, 0, 0, price, volume, abs(imbalance))

    def _hold_auction(self, price: int, volume: int, _imbalance: int) -> None:
        self.reference_price = price
        while volume > 0:
            bids, asks = self._side(Side.BUY), self._side(Side.SELL)
            if not bids or not asks or bids[0].price < price or asks[0].price > price:
                break
            volume -= self._trade(bids[0], asks[0], price, auction=True)

    def auction(self) -> tuple[int, int, int]:
        """Return the price, volume and imbalance of the auction if it were now."""
        bids, asks = self._side(Side.BUY), self._side(Side.SELL)
        if not bids or not asks or bids[0].price < asks[0].price:
            return 0, 0, 0
        near = self.reference_price or self.last_price
        outcomes = []
        for price in {order.price for order in bids + asks if asks[0].price <= order.price <= bids[0].price}:
            bid = sum(order.left for order in bids if order.price >= price)
            asked = sum(order.left for order in asks if order.price <= price)
            outcomes.append((-min(bid, asked), abs(bid - asked), abs(price - near), -price, bid - asked))
        volume, _, _, price, imbalance = min(outcomes)
        return -price, -volume, imbalance

    # Looking things up

    def _find(self, order_id: int) -> Order | None:
        return next((order for order in self.orders if order.order_id == order_id), None)

    def _side(self, side: int) -> list[Order]:
        """Return the resting orders of a side, by priority."""
        sign = -1 if side == Side.BUY else 1
        return sorted(
            [order for order in self.orders if order.resting and order.side == side],
            key=lambda order: (sign * order.price, order.turn),
        )

    def rows_by_priority(self) -> list[Row]:
        """Return what Book.orders gives."""
        orders = self._side(Side.BUY) + self._side(Side.SELL)
        return [(o.order_id, o.account_id, int(o.side), o.price, o.left, o.shown) for o in orders]

    def _reaches(self, taker: Order, price: int) -> bool:
        return price <= taker.price if taker.side == Side.BUY else price >= taker.price

    def _crosses(self, side: int, price: int) -> bool:
        others = self._side(3 - side)
        return bool(others) and (others[0].price <= price if side == Side.BUY else others[0].price >= price)

    def _next_turn(self) -> int:
        self.turns += 1
        return self.turns

    def _fee(self, notional: int, rate_ppm: int) -> int:
        return -(-notional * rate_ppm // PPM)

    # Reports

    def _report(
        self,
        kind: int,
        side: int = 0,
        reason: int = 0,
        order_id: int = 0,
        account_id: int = 0,
        price: int = 0,
        quantity: int = 0,
        remaining: int = 0,
        displayed: int = 0,
        maker: tuple[int, int, int] = (0, 0, 0),
        fees: tuple[int, int] = (0, 0),
    ) -> None:
        self.sequence += 1
        head = (kind, side, reason, order_id, account_id, price, quantity, remaining, displayed)
        self.rows.append((*map(int, head), *maker, *fees, self.sequence))

    def _report_order(self, kind: ReportKind, order: Order, reason: int = 0) -> None:
        shown = order.shown if order.resting else 0
        figures = (order.order_id, order.account_id, order.price, order.quantity, order.left, shown)
        self._report(kind, order.side, reason, *figures)

    def _report_pair(
        self, kind: ReportKind, taker: Order, maker: Order, price: int, quantity: int, fee: int, maker_fee: int
    ) -> None:
        figures = (taker.order_id, taker.account_id, price, quantity, taker.left, maker.shown)
        counterparty = (maker.order_id, maker.account_id, maker.left)
        self._report(kind, taker.side, 0, *figures, counterparty, (fee, maker_fee))


def _trigger_priority(order: Order) -> tuple[int, int, int]:
    buy = order.side == Side.BUY
    return (0 if buy else 1, order.trigger if buy else -order.trigger, order.turn)
