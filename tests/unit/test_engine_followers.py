"""What market-data and the risk-manager make of the real engine's events is what the engine itself holds."""

from collections import Counter
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from services.market_data.book import MarketBook
from services.market_data.record import Record
from services.market_data.replay import ReplayedMarket, Row, batches
from services.market_data.tape import RECENT, Tape, trades_of
from services.market_data.topics import SymbolTopics
from services.matching_engine.commands import Amend, Cancel, CancelAll, Command, Expire, Place, SetSession
from services.matching_engine.engine import Engine
from services.risk_manager.effects import effects_of
from shared.contracts.codes import OrderType, SelfTrade, Session, Side, TimeInForce
from shared.contracts.engine import BookState
from shared.contracts.events import EngineEvent, Trade
from shared.contracts.market import Channel, Ticker
from shared.contracts.money import money_text
from shared.ids import COUNTER_BITS, EPOCH_MS, NODE_BITS
from tests.fake_engine import AAPL
from tests.market_client import FollowedBook

START_US = EPOCH_MS * 1000 + 10**12
FIRST_ID = 10**9 << (NODE_BITS + COUNTER_BITS)

SECOND_US = 1_000_000


class Wish(NamedTuple):
    """An order that somebody would like to place, in ticks. ``link``: the number of an earlier one. 0 for none."""

    user_id: int
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    price: int
    quantity: int
    slice: int
    self_trade: SelfTrade
    post_only: bool
    trigger: int
    link: int


class Later(NamedTuple):
    """The clock has come to so many seconds after the start."""

    seconds: int


class Change(NamedTuple):
    """The order placed before with this number (modulo their count) is to have another price and quantity."""

    number: int
    price: int
    quantity: int


class Leave(NamedTuple):
    """A user cancels everything."""

    user_id: int


class Turn(NamedTuple):
    """The symbol turns to another session."""

    session: Session


orders = st.builds(
    Wish,
    st.integers(1, 4),
    st.sampled_from(Side),
    st.sampled_from([OrderType.LIMIT] * 4 + list(OrderType)),
    st.sampled_from([TimeInForce.GTC, *TimeInForce]),
    st.integers(95, 105),
    st.integers(1, 20),
    st.integers(0, 5),
    st.sampled_from(SelfTrade),
    st.sampled_from([False, False, True]),
    st.integers(1, 105),
    st.sampled_from([0, 0, 1, 2, 3, 5, 8]),
)
cancels = st.integers(0, 60)
laters = st.builds(Later, st.integers(1, 200_000))
changes = st.builds(Change, st.integers(0, 60), st.integers(95, 105), st.integers(1, 25))
leaves = st.builds(Leave, st.integers(1, 4))
turns = st.builds(Turn, st.sampled_from([Session.CONTINUOUS] * 6 + list(Session)))
mornings = st.lists(st.one_of(orders, orders, orders, changes, cancels, laters, leaves, turns), max_size=60)
AnyWish = Wish | Later | Change | Leave | Turn | int
Morning = list[AnyWish]


def command(number: int, wish: AnyWish, placed: list[Place]) -> Command:
    """The command of a wish: a new order, a new time, or (a number) the cancel of one placed before."""
    if isinstance(wish, Later):
        return Expire(time_us=START_US + wish.seconds * SECOND_US, symbol="AAPL", traceparent="")
    if isinstance(wish, Turn):
        return SetSession(START_US, 1, "AAPL", wish.session, 1_000_000, "")
    if isinstance(wish, Leave):
        return CancelAll(time_us=START_US, user_id=wish.user_id, symbol="AAPL", traceparent="")
    if isinstance(wish, Change) and placed:
        return change(number, wish, placed)
    if isinstance(wish, (int, Change)):
        wish = wish if isinstance(wish, int) else 0
        order = placed[wish % len(placed)] if placed else None
        order_id, user_id = (order.order_id, order.user_id) if order else (1, 1)
        return Cancel(time_us=START_US, order_id=order_id, user_id=user_id, symbol="AAPL", traceparent="")
    stop = wish.order_type in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
    ends_s = START_US // SECOND_US + wish.quantity * 10_000
    placed.append(
        Place(
            time_us=START_US,
            order_id=FIRST_ID + number,
            user_id=wish.user_id,
            symbol="AAPL",
            side=wish.side,
            order_type=wish.order_type,
            time_in_force=wish.time_in_force,
            price=wish.price * 100,
            quantity=wish.quantity,
            traceparent="",
            post_only=wish.post_only,
            display_quantity=wish.slice,
            self_trade=wish.self_trade,
            expires_at_s=ends_s if wish.time_in_force == TimeInForce.GTD else 0,
            trigger=wish.trigger * 100 if stop else 0,
            linked_order_id=FIRST_ID + number - wish.link if wish.link else 0,
        )
    )
    return placed[-1]


def change(number: int, wish: Change, placed: list[Place]) -> Amend:
    """The amendment of an order placed before, which is then noted with its new terms."""
    at = wish.number % len(placed)
    order = placed[at]
    placed[at] = msgspec.structs.replace(order, price=wish.price * 100, quantity=wish.quantity)
    return Amend(
        time_us=START_US,
        amend_id=FIRST_ID + number,
        order_id=order.order_id,
        user_id=order.user_id,
        symbol="AAPL",
        old_price=order.price,
        old_quantity=order.quantity,
        price=wish.price * 100,
        quantity=wish.quantity,
        traceparent="",
    )


def run(wishes: Morning) -> tuple[Engine, list[EngineEvent]]:
    """An engine after these commands, and all that it told."""
    engine, placed = Engine([AAPL]), list[Place]()
    told = [engine.apply(command(number, wish, placed))[1] for number, wish in enumerate(wishes)]
    return engine, [event for event in told if event is not None]


def state_of(engine: Engine) -> BookState:
    return BookState(
        symbol="AAPL",
        position=engine.seq,
        last_price=0,
        orders=engine.resting("AAPL"),
        session=engine.session("AAPL"),
        indication=engine.indication("AAPL"),
    )


@settings(deadline=None)
@given(mornings)
def test_the_market_view_is_the_engines_book(wishes: Morning) -> None:
    """After every event the view is the engine's book, its session too, and not crossed while there is trading."""
    engine, placed, view = Engine([AAPL]), list[Place](), MarketBook("AAPL", 0)
    for number, wish in enumerate(wishes):
        _, event = engine.apply(command(number, wish, placed))
        if event is not None:
            view.apply(event)
            view.check()
            fresh = MarketBook.of_state(state_of(engine))
            assert (view.depth(100), view.status) == (fresh.depth(100), fresh.status)
            assert view.orders() == fresh.orders()


@settings(deadline=None)
@given(mornings, st.integers(1, 9), st.integers(0, 9))
def test_messages_lead_to_the_book(wishes: Morning, every: int, late: int) -> None:
    """Whoever takes a snapshot at any time and follows the messages has the engine's book, and each order's place."""
    engine, events = run(wishes)
    book, tape = MarketBook("AAPL", 0), Tape(day=0)
    topics = SymbolTopics(book, tape, lambda: Ticker(**dict.fromkeys(Ticker.__struct_fields__, 0)), 100)  # type: ignore[arg-type]
    followed = {Channel.L2: FollowedBook(), Channel.L3: FollowedBook()}
    for number, event in enumerate(events, 1):
        book.apply(event)
        if number % every and number < len(events):
            continue
        for message in topics.seal(trades_of([event]), event.time_us):
            content = msgspec.json.decode(message.payload.partition(b"\n")[2])
            if content["channel"] in followed:
                followed[content["channel"]].hear(content)
        if number >= late:
            for channel, client in followed.items():
                if client.sequence < 0 and (found := topics.snapshot(channel, "")):
                    client.hear(msgspec.json.decode(found.message))
    for channel, client in followed.items():
        if client.sequence >= 0:
            assert client.sequence == topics.sequence(channel)
            for side, levels in zip(("bids", "asks"), MarketBook.of_state(state_of(engine)).depth(100), strict=True):
                assert client.side(side) == [(money_text(r.price), str(r.quantity), r.order_count) for r in levels]
    if followed[Channel.L3].sequence >= 0:
        queues = MarketBook.of_state(state_of(engine)).orders()
        assert [row[0] for row in followed[Channel.L3].queue()] == [str(one[0]) for queue in queues for one in queue]


@settings(deadline=None)
@given(mornings, st.integers(0, 60), st.integers())
def test_a_record_brings_the_day_back(wishes: Morning, cut: int, seed: int) -> None:
    """Replaying what was recorded, with a fresh start in between, gives the engine's book and its trades."""
    engine, events = run(wishes)
    record, book, trades = Record(), MarketBook("AAPL", 0), []
    for number, event in enumerate(events):
        if number == cut:
            record.book(book, event.time_us)
        record.begin(event, {"AAPL": book})
        before = book.status
        book.apply(event)
        traded = trades_of([event])
        record.event(event, book.take_changes(), traded, before, book.status)
        trades += traded
    lines = [line.split(",") for _, text in record.take() for line in text.splitlines()]
    rows = [Row(*[int(cell) if cell.lstrip("-").isdigit() else cell or None for cell in line]) for line in lines]  # type: ignore[arg-type]
    replayed = ReplayedMarket(["AAPL"])
    for batch in batches(rows, seed):
        replayed.apply(batch)
    fresh = MarketBook.of_state(state_of(engine))
    assert (replayed.books["AAPL"].orders(), replayed.books["AAPL"].status) == (fresh.orders(), fresh.status)
    assert list(replayed.tapes["AAPL"].recent) == trades[-RECENT:]


@settings(deadline=None)
@given(mornings, st.integers(0, 60))
def test_exposures_are_the_orders_that_rest(wishes: Morning, cut: int) -> None:
    """However events are cut into batches, what they leave open at risk is what rests or waits there."""
    engine, events = run(wishes)
    exposures: dict[int, tuple[int, int, int, int]] = {}
    positions: Counter[int] = Counter()
    for batch in (events[:cut], events[cut:]):
        effects = effects_of(batch)
        for order in effects.orders.values():
            if not order.open_quantity:
                exposures.pop(order.order_id, None)
            elif order.price:
                exposures[order.order_id] = (order.user_id, order.side, order.price, order.open_quantity)
            else:
                exposures[order.order_id] = (*exposures[order.order_id][:3], order.open_quantity)
        positions.update({user_id: change for (user_id, _), change in effects.positions.items()})
    there = engine.resting("AAPL") + engine.waiting("AAPL")
    assert exposures == {o.order_id: (o.user_id, o.side, o.price, o.open_quantity) for o in there}
    bought: Counter[int] = Counter()
    for event in events:
        for report in event.reports:
            if isinstance(report, Trade):
                bought[report.buyer_id] += report.quantity
                bought[report.seller_id] -= report.quantity
    assert +positions == +bought
    assert -positions == -bought
