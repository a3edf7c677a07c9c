"""The ledger behind the real engine: whatever users do, nobody owes, and each hold is what its order can cost."""

from collections import deque
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from services.client_gateway.amendment import growth
from services.matching_engine.commands import Amend, CancelAll, Configure, Place
from services.matching_engine.engine import Engine
from services.order_manager.lifecycle import changes_of
from services.wallet_service.consumer import settle
from services.wallet_service.ledger import EXCHANGE, Account, HoldState, Ledger
from shared.contracts.codes import OrderType, SelfTrade, Side, TimeInForce
from shared.contracts.events import EngineEvent
from shared.contracts.money import CASH, cost_per_share
from shared.contracts.operations import Refused
from shared.contracts.orders import FINAL, Order, OrderOptions, OrderStatus
from shared.contracts.wallet import HoldRequest
from shared.ids import COUNTER_BITS, EPOCH_MS, NODE_BITS
from tests.fake_engine import AAPL

NOW_US = EPOCH_MS * 1000 + 10**12
FIRST_ID = 10**9 << (NODE_BITS + COUNTER_BITS)
USERS = (11, 12, 13)
CASH_EACH = 400_000
SHARES_EACH = 40
FEES = (-1_500, 2_500)
"""Makers get a rebate, takers pay, in millionths."""


class New(NamedTuple):
    user: int
    side: Side
    force: TimeInForce
    price: int
    quantity: int
    display: int
    self_trade: SelfTrade
    trigger: int
    link: int


class Change(NamedTuple):
    number: int
    price: int
    quantity: int


class Leave(NamedTuple):
    user: int


class Catch(NamedTuple):
    """The consumers catch up by so many events."""

    events: int


wishes = st.lists(
    st.one_of(
        st.builds(
            New,
            st.sampled_from(USERS),
            st.sampled_from(Side),
            st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC]),
            st.integers(95, 105),
            st.integers(1, 20),
            st.integers(0, 4),
            st.sampled_from(SelfTrade),
            st.sampled_from([0, 0, 0, 96, 99, 101, 104]),
            st.sampled_from([0, 0, 1, 2, 3]),
        ),
        st.builds(Change, st.integers(0, 40), st.integers(95, 105), st.integers(1, 30)),
        st.builds(Catch, st.integers(1, 5)),
        st.builds(Leave, st.sampled_from(USERS)),
    ),
    max_size=60,
)


class Exchange:
    """Engine, ledger and orders, without what lies between them: the events wait until somebody catches up."""

    def __init__(self) -> None:
        self.engine = Engine([AAPL])
        self.engine.apply(Configure(NOW_US, 1, "AAPL", *FEES, None, ""))
        self.ledger = Ledger(
            [Account(user, CASH, CASH_EACH) for user in USERS]
            + [Account(user, "AAPL", SHARES_EACH) for user in USERS]
            + [Account(EXCHANGE, CASH)]
        )
        self.orders: dict[int, Order] = {}
        self.waiting: deque[EngineEvent] = deque()
        self.number = 0

    def act(self, wish: New | Change | Leave | Catch) -> None:
        self.number += 1
        if isinstance(wish, New):
            self.place(wish)
        elif isinstance(wish, Change):
            self.amend(wish)
        elif isinstance(wish, Leave):
            self.note(self.engine.apply(CancelAll(NOW_US, wish.user, "AAPL", ""))[1])
        else:
            self.catch_up(wish.events)

    def place(self, wish: New) -> None:
        order_id, price, buys = FIRST_ID + self.number, wish.price * 100, wish.side is Side.BUY
        asset, unit = (CASH, cost_per_share(price, FEES[1])) if buys else ("AAPL", 1)
        if not self.hold(order_id, wish.user, asset, unit, wish.quantity):
            return
        kind = OrderType.STOP_LIMIT if wish.trigger else OrderType.LIMIT
        command = Place(
            *(NOW_US, order_id, wish.user, "AAPL", wish.side, kind, wish.force, price, wish.quantity, ""),
            display_quantity=wish.display if wish.display < wish.quantity and wish.force == TimeInForce.GTC else 0,
            self_trade=wish.self_trade,
            trigger=wish.trigger * 100,
            fee_ppm=FEES[1],
            linked_order_id=order_id - wish.link if wish.link else 0,
        )
        answer, event = self.engine.apply(command)
        if isinstance(answer, Refused):
            assert answer.code == "invalid_link"
            self.ledger.close_hold(order_id)
            return
        self.orders[order_id] = Order(
            order_id=order_id,
            user_id=wish.user,
            client_order_id="",
            symbol="AAPL",
            side=wish.side,
            order_type=kind,
            time_in_force=wish.force,
            price=price,
            quantity=wish.quantity,
            filled_quantity=0,
            filled_value=0,
            status=OrderStatus.PENDING_NEW,
            reason="",
            created_us=0,
            updated_us=0,
            trace_id="",
            options=OrderOptions(fee_ppm=FEES[1]),
        )
        self.note(event)

    def amend(self, wish: Change) -> None:
        """As the gateway does it: from what the orders say now, which may be behind the engine."""
        open_orders = [order for order in self.orders.values() if order.status not in FINAL]
        if not open_orders:
            return
        order, amend_id, price = open_orders[wish.number % len(open_orders)], FIRST_ID + self.number, wish.price * 100
        more = growth(order, price, wish.quantity)
        if more and not self.hold(amend_id, order.user_id, CASH if order.side == Side.BUY else "AAPL", more, 1):
            return
        answer, event = self.engine.apply(
            Amend(
                *(NOW_US, amend_id, order.order_id, order.user_id, "AAPL", order.price, order.quantity),
                *(price, wish.quantity, "", FEES[1]),
            )
        )
        if isinstance(answer, Refused):
            self.ledger.close_hold(amend_id)
        self.note(event)

    def hold(self, order_id: int, user: int, asset: str, unit: int, quantity: int) -> bool:
        request = HoldRequest(order_id=order_id, user_id=user, asset=asset, unit_amount=unit, quantity=quantity)
        return not isinstance(self.ledger.place_hold(request), Refused)

    def note(self, event: EngineEvent | None) -> None:
        if event is not None:
            self.waiting.append(event)

    def catch_up(self, count: int) -> None:
        while self.waiting and count:
            event = self.waiting.popleft()
            held = {key: account.held for key, account in self.ledger.accounts.items()}
            settle(self.ledger, [event])
            self.follow(event)
            count -= 1
            for key, account in self.ledger.accounts.items():
                assert 0 <= account.held <= account.balance
                assert account.held <= held[key], "what an event needs was held before it"

    def follow(self, event: EngineEvent) -> None:
        """What the order-manager's UPDATE does."""
        for order_id, change in changes_of([event])[0].items():
            order = self.orders[order_id]
            fields = {name: getattr(order, name) for name in order.__struct_fields__} | {
                "price": change.price or order.price,
                "quantity": change.quantity or order.quantity,
                "filled_quantity": order.filled_quantity + change.filled_quantity,
                "decremented_quantity": order.decremented_quantity + change.decremented_quantity,
                "status": OrderStatus(change.status or order.status),
            }
            self.orders[order_id] = Order(**fields)


@settings(deadline=None, max_examples=300)
@given(wishes)
def test_each_hold_is_what_its_order_can_cost(acts: list[New | Change | Leave | Catch]) -> None:
    """Once all events are applied, every open order has exactly its hold, and no other hold is open."""
    exchange = Exchange()
    for wish in acts:
        exchange.act(wish)
    exchange.catch_up(-1)
    engine = exchange.engine
    resting = {order.order_id: order for order in engine.resting("AAPL") + engine.waiting("AAPL")}
    holds = {h.order_id: h for h in exchange.ledger.holds.values() if h.state is HoldState.OPEN}
    assert holds.keys() == resting.keys()
    for order_id, hold in holds.items():
        order, told = resting[order_id], exchange.orders[order_id]
        assert hold.open_quantity == order.open_quantity
        assert hold.unit_amount == (cost_per_share(order.price, FEES[1]) if order.side == Side.BUY else 1)
        assert (told.price, told.quantity - told.filled_quantity - told.decremented_quantity) == (
            order.price,
            order.open_quantity,
        )
        assert told.status in (OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED)
        assert (told.status == OrderStatus.PARTIALLY_FILLED) == (told.filled_quantity > 0)
    held = {account.key: account.held for account in exchange.ledger.accounts.values() if account.held}
    summed: dict[tuple[int, str], int] = {}
    for hold in holds.values():
        summed[hold.user_id, hold.asset] = summed.get((hold.user_id, hold.asset), 0) + hold.amount
    assert held == summed
    for asset, each in ((CASH, CASH_EACH), ("AAPL", SHARES_EACH)):
        assert sum(a.balance for a in exchange.ledger.accounts.values() if a.asset == asset) == each * len(USERS)
