"""The engine above its books: same commands, same state; each order once; what was barred stays out."""

import random
import zlib

import msgspec
import pytest

from services.matching_engine.commands import (
    Amend,
    Block,
    Cancel,
    CancelAll,
    Command,
    Configure,
    DelistSymbol,
    Expire,
    JournalDamaged,
    ListSymbol,
    Place,
    SetSession,
    Void,
    pack,
    unpack,
)
from services.matching_engine.engine import MEMORY_US, Engine
from shared.contracts.codes import Session
from shared.contracts.engine import BookChanged, CancelledAll, Instrument, Matched
from shared.contracts.events import (
    Accepted,
    Amended,
    Closed,
    Delisted,
    Listed,
    SessionChanged,
    Trade,
    Triggered,
    Waiting,
)
from shared.contracts.operations import Refused
from shared.ids import COUNTER_BITS, EPOCH_MS, NODE_BITS

LISTED = [Instrument(symbol=s, name=s, tick_size=100, lot_size=1, reference_price=1_000_000) for s in ("AAPL", "MSFT")]
START_US = EPOCH_MS * 1000 + 10**12


def order_id(number: int, time_us: int = START_US) -> int:
    return ((time_us // 1000 - EPOCH_MS) << (NODE_BITS + COUNTER_BITS)) + number


def place(number: int, side: int, price: int = 1_000_000, quantity: int = 10, **more: object) -> Place:
    given: dict[str, object] = {
        "time_us": START_US,
        "order_id": order_id(number),
        "user_id": 1000 + number % 5,
        "symbol": "AAPL",
        "side": side,
        "order_type": 1,
        "time_in_force": 1,
        "price": price,
        "quantity": quantity,
        "traceparent": f"trace-{number}",
    }
    return Place(**(given | more))  # type: ignore[arg-type]


def amend(order: Place, number: int, time_us: int = START_US, **more: object) -> Amend:
    """An order is to be one tick cheaper and one share larger, unless told otherwise."""
    given: dict[str, object] = {
        "time_us": time_us,
        "amend_id": order_id(number, time_us),
        "order_id": order.order_id,
        "user_id": order.user_id,
        "symbol": order.symbol,
        "old_price": order.price,
        "old_quantity": order.quantity,
        "price": order.price - 100,
        "quantity": order.quantity + 1,
        "traceparent": "",
    }
    return Amend(**(given | more))  # type: ignore[arg-type]


def random_commands(seed: int, count: int) -> list[Command]:
    """Orders, cancels and voids in the mix of a busy morning."""
    dice = random.Random(seed)
    commands: list[Command] = []
    for number in range(1, count + 1):
        time_us = START_US + number * 20_000
        kind = dice.random()
        if kind < 0.7:
            commands.append(
                place(
                    number,
                    dice.choice((1, 2)),
                    dice.randrange(9_900, 10_100) * 100,
                    dice.randrange(1, 50),
                    order_id=order_id(number, time_us),
                    time_us=time_us,
                    symbol=dice.choice(("AAPL", "MSFT")),
                    time_in_force=dice.choice((1, 1, 1, 2, 3)),
                )
            )
        elif kind < 0.95 and commands:
            earlier = dice.choice([c for c in commands if isinstance(c, Place)])
            commands.append(Cancel(time_us, earlier.order_id, earlier.user_id, earlier.symbol, ""))
        elif kind < 0.97 and commands:
            commands.append(amend(dice.choice([c for c in commands if isinstance(c, Place)]), number, time_us))
        elif kind < 0.98:
            commands.append(CancelAll(time_us, 1000 + number % 5, dice.choice(("AAPL", "MSFT")), ""))
        else:
            commands.append(Void(time_us, order_id(number, time_us), ""))
    return commands


def test_replaying_gives_the_same_events_and_state() -> None:
    """Same commands, same events, same snapshot, byte for byte."""
    commands = random_commands(seed=1, count=3000)
    first, second = Engine(LISTED), Engine(LISTED)
    assert [first.apply(c) for c in commands] == [second.apply(c) for c in commands]
    assert first.snapshot() == second.snapshot()


def test_a_snapshot_and_the_rest_of_the_journal_give_the_same_state() -> None:
    """An engine restored half-way ends where the one that saw everything ends."""
    commands = random_commands(seed=2, count=3000)
    whole, early = Engine(LISTED), Engine(LISTED)
    for command in commands:
        whole.apply(command)
    for command in commands[:1500]:
        early.apply(command)
    late = Engine(LISTED)
    late.restore(*early.snapshot())
    for command in commands[1500:]:
        late.apply(command)
    assert late.snapshot() == whole.snapshot()


def test_an_order_that_comes_again_gets_its_first_answer() -> None:
    """A repeated order changes nothing, even after it was filled."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=2))
    first, _ = engine.apply(place(2, side=1))
    assert isinstance(first, Matched)
    assert first.status == "FILLED"
    before = engine.snapshot()
    assert engine.apply(place(2, side=1)) == (first, None)
    assert engine.snapshot() == before


def test_a_barred_order_never_gets_in() -> None:
    """Once voided, an order is refused."""
    engine = Engine(LISTED)
    engine.apply(Void(START_US, order_id(1), ""))
    answer, event = engine.apply(place(1, side=1))
    assert isinstance(answer, Refused)
    assert (answer.code, event) == ("order_abandoned", None)


def test_an_order_that_is_there_is_not_barred() -> None:
    """Voiding an order that the engine has leaves it as it is, and says so."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=1))
    answer, event = engine.apply(Void(START_US + 3 * MEMORY_US, order_id(1), ""))
    assert isinstance(answer, Matched)
    assert (answer.status, event) == ("OPEN", None)


def test_an_order_older_than_the_memory_is_refused() -> None:
    """What might have been forgotten can't come in: the id tells its age."""
    engine = Engine(LISTED)
    answer, _ = engine.apply(place(1, side=1, time_us=START_US + MEMORY_US + 1_000_000))
    assert isinstance(answer, Refused)
    assert answer.code == "order_too_old"


def test_only_the_owner_cancels() -> None:
    """Somebody else's order looks like none at all."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=1))
    answer, event = engine.apply(Cancel(START_US, order_id(1), 4242, "AAPL", ""))
    assert isinstance(answer, Refused)
    assert (answer.code, event) == ("order_not_open", None)


def test_a_trade_links_to_the_makers_trace() -> None:
    """The maker's context survives a snapshot and comes back with the trade."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=2))
    later = Engine(LISTED)
    later.restore(*engine.snapshot())
    _, event = later.apply(place(2, side=1))
    assert event is not None
    assert [r.maker_traceparent for r in event.reports if isinstance(r, Trade)] == ["trace-1"]


def test_event_numbers_have_no_gaps() -> None:
    """Every command that changes something gets the next number, refused ones none."""
    engine = Engine(LISTED)
    events = [event for _, event in map(engine.apply, random_commands(seed=3, count=2000)) if event is not None]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_a_damaged_journal_row_is_refused_with_its_position() -> None:
    """One flipped bit is found, and the error says where."""
    commands = random_commands(seed=4, count=50)
    data, checksum = pack(commands)
    assert unpack(101, 150, checksum, data) == commands
    damaged = bytes([data[0]]) + bytes([data[1] ^ 1]) + data[2:]
    with pytest.raises(JournalDamaged, match="101-150"):
        unpack(101, 150, checksum, damaged)
    with pytest.raises(JournalDamaged, match="101-151"):
        unpack(101, 151, checksum, data)


def test_a_journal_from_before_the_options_still_reads() -> None:
    """An order that was journalled without the later fields comes back as a plain order."""
    plain = place(1, side=1)
    old = msgspec.msgpack.encode([("p", *[getattr(plain, name) for name in plain.__struct_fields__[:10]])])
    assert unpack(1, 1, zlib.crc32(old), old) == [plain]


def test_a_dated_order_ends_with_the_first_look_after_its_time() -> None:
    """A GTD order is due once its second has come, ends with a reason, and is then due no more."""
    engine = Engine(LISTED)
    end_s = START_US // 1_000_000 + 60
    engine.apply(place(1, side=1, time_in_force=5, expires_at_s=end_s))
    assert engine.due((end_s - 1) * 1_000_000) == []
    assert engine.due(end_s * 1_000_000) == ["AAPL"]
    _, event = engine.apply(Expire(end_s * 1_000_000, "AAPL", ""))
    assert event is not None
    assert [(r.order_id, r.reason) for r in event.reports if isinstance(r, Closed)] == [(order_id(1), "expired")]
    assert engine.due(end_s * 1_000_000) == []
    assert engine.resting("AAPL") == ()


def test_a_day_order_ends_with_the_day() -> None:
    """A DAY order, restored from a snapshot, still ends at the next midnight (UTC), expired."""
    early = Engine(LISTED)
    early.apply(place(1, side=1, time_in_force=4))
    engine = Engine(LISTED)
    engine.restore(*early.snapshot())
    midnight_us = (START_US // 86_400_000_000 + 1) * 86_400_000_000
    assert engine.due(midnight_us - 1) == []
    assert engine.due(midnight_us) == ["AAPL"]
    _, event = engine.apply(Expire(midnight_us, "AAPL", ""))
    assert event is not None
    assert [r.reason for r in event.reports if isinstance(r, Closed)] == ["expired"]


def test_time_alone_is_no_event() -> None:
    """Where nothing is due the clock stands still, so nothing needs to be journalled."""
    engine = Engine(LISTED)
    before = engine.snapshot()
    answer, event = engine.apply(Expire(START_US, "AAPL", ""))
    assert isinstance(answer, Refused)
    assert (event, engine.snapshot()) == (None, before)


def test_an_order_whose_time_is_over_is_refused() -> None:
    """A GTD order that arrives too late never rests, though the book's own clock stands still."""
    engine = Engine(LISTED)
    answer, _ = engine.apply(place(1, side=1, time_in_force=5, expires_at_s=START_US // 1_000_000))
    assert isinstance(answer, Refused)
    assert answer.code == "invalid_expiry"


def test_a_self_trade_decrements_both_orders() -> None:
    """With DECREMENT both orders lose the smaller quantity, and the answer tells how much."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=2, user_id=7, quantity=4))
    answer, event = engine.apply(place(2, side=1, user_id=7, quantity=10, self_trade=3))
    assert isinstance(answer, Matched)
    assert (answer.status, answer.open_quantity, answer.decremented_quantity, answer.fills) == ("OPEN", 6, 4, ())
    assert event is not None
    assert [type(r).__name__ for r in event.reports] == ["Decremented", "Closed", "Accepted"]


def test_an_amendment_tells_the_new_terms_before_it_trades() -> None:
    """Who settles the trades of an amended order knows its new price and open quantity by then."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=2, quantity=4, price=1_000_100))
    bid = place(2, side=1, quantity=10)
    engine.apply(bid)
    answer, event = engine.apply(amend(bid, 3, price=1_000_100, quantity=12))
    assert isinstance(answer, Matched)
    assert (answer.status, answer.filled_quantity, answer.open_quantity) == ("PARTIALLY_FILLED", 4, 8)
    assert event is not None
    assert (event.amend_id, event.order_id) == (order_id(3), bid.order_id)
    terms, traded, _, rests = event.reports
    assert isinstance(terms, Amended)
    assert (terms.price, terms.order_quantity, terms.quantity, terms.kept_place) == (1_000_100, 12, 12, False)
    assert isinstance(traded, Trade)
    assert isinstance(rests, Accepted)
    assert rests.quantity == 8


def test_less_quantity_keeps_its_place() -> None:
    """An order that only gives up quantity still trades first."""
    engine = Engine(LISTED)
    first = place(1, side=1, quantity=10)
    engine.apply(first)
    engine.apply(place(2, side=1, quantity=10))
    _, event = engine.apply(amend(first, 3, price=first.price, quantity=8))
    assert event is not None
    assert [r.kept_place for r in event.reports if isinstance(r, Amended)] == [True]
    assert [order.order_id for order in engine.resting("AAPL")] == [order_id(1), order_id(2)]


def test_an_amendment_comes_once() -> None:
    """The same amendment again gets its first answer, and a barred one never gets in."""
    engine = Engine(LISTED)
    bid = place(1, side=1)
    engine.apply(bid)
    first, _ = engine.apply(amend(bid, 2))
    before = engine.snapshot()
    assert engine.apply(amend(bid, 2)) == (first, None)
    assert engine.snapshot() == before
    engine.apply(Void(START_US, order_id(3), ""))
    refused, event = engine.apply(amend(bid, 3, old_price=bid.price - 100, old_quantity=bid.quantity + 1))
    assert isinstance(refused, Refused)
    assert (refused.code, event) == ("order_abandoned", None)


def test_an_amendment_of_old_terms_is_refused() -> None:
    """Of two amendments that were reckoned from the same order the second is refused and changes nothing."""
    engine = Engine(LISTED)
    bid = place(1, side=1)
    engine.apply(bid)
    engine.apply(amend(bid, 2))
    before = engine.resting("AAPL")
    refused, event = engine.apply(amend(bid, 3, price=bid.price + 100))
    assert isinstance(refused, Refused)
    assert (refused.code, event) == ("order_changed", None)
    assert engine.resting("AAPL") == before


def test_cancel_all_takes_one_users_orders_of_one_symbol() -> None:
    """Others' orders, and those of other symbols, stay."""
    engine = Engine(LISTED)
    for number, (user_id, symbol) in enumerate([(7, "AAPL"), (7, "MSFT"), (8, "AAPL"), (7, "AAPL")], 1):
        engine.apply(place(number, side=1, user_id=user_id, symbol=symbol))
    answer, event = engine.apply(CancelAll(START_US, 7, "AAPL", ""))
    assert isinstance(answer, CancelledAll)
    assert set(answer.order_ids) == {order_id(1), order_id(4)}
    assert event is not None
    assert len(event.reports) == 2
    assert [o.order_id for o in engine.resting("AAPL") + engine.resting("MSFT")] == [order_id(3), order_id(2)]
    assert engine.apply(CancelAll(START_US, 7, "AAPL", ""))[1] is None


def test_a_stop_waits_out_of_sight_and_comes_in_when_it_is_triggered() -> None:
    """A stop is told as waiting, then as triggered in the event that did it, with where its own trace is."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=1, quantity=5, price=990_000))
    stop = place(2, side=2, quantity=5, price=980_000, order_type=3, trigger=995_000)
    answer, event = engine.apply(stop)
    assert isinstance(answer, Matched)
    assert (answer.status, answer.triggered) == ("OPEN", False)
    assert event is not None
    assert [type(r) for r in event.reports] == [Waiting]
    assert [o.order_id for o in engine.waiting("AAPL")] == [stop.order_id]
    early = engine.snapshot()
    engine = Engine(LISTED)
    engine.restore(*early)
    engine.apply(place(3, side=2, quantity=1, price=995_000))
    answer, event = engine.apply(place(4, side=1, quantity=1, price=995_000))
    assert isinstance(answer, Matched)
    assert (answer.status, [fill.quantity for fill in answer.fills]) == ("FILLED", [1]), "only its own fill"
    assert event is not None
    assert [r.order_traceparent for r in event.reports if isinstance(r, Triggered)] == ["trace-2"]
    assert [r.taker_order_id for r in event.reports if isinstance(r, Trade)] == [order_id(4), stop.order_id]
    assert engine.waiting("AAPL") == ()


def test_one_cancels_the_other() -> None:
    """When one of a linked pair trades, the other ends in the same event."""
    engine = Engine(LISTED)
    engine.apply(place(1, side=2, user_id=7, price=1_010_000))
    engine.apply(place(2, side=2, user_id=7, price=980_000, order_type=4, trigger=985_000, linked_order_id=order_id(1)))
    _, event = engine.apply(place(3, side=1, user_id=8, price=1_010_000, quantity=3))
    assert event is not None
    assert {r.order_id: r.reason for r in event.reports if isinstance(r, Closed)}[order_id(2)] == "linked"
    assert engine.waiting("AAPL") == ()
    assert [o.open_quantity for o in engine.resting("AAPL")] == [7]


def fees(maker_ppm: int | None, taker_ppm: int | None, band: int | None = None) -> Configure:
    return Configure(START_US, 5, "AAPL", maker_ppm, taker_ppm, band, "")


def test_each_side_pays_its_fee() -> None:
    """A trade tells the taker's fee, rounded up, and the maker's rebate, rounded down; the fill tells the taker's."""
    engine = Engine(LISTED)
    engine.apply(fees(-100, 250))
    engine.apply(place(1, side=2, quantity=3, price=1_000_100, fee_ppm=250))
    answer, event = engine.apply(place(2, side=1, quantity=3, price=1_000_100, fee_ppm=250))
    assert event is not None
    trade = next(r for r in event.reports if isinstance(r, Trade))
    assert (trade.taker_fee, trade.maker_fee) == (751, -300), "of 3,000,300"
    assert isinstance(answer, Matched)
    assert [fill.fee for fill in answer.fills] == [751]


def test_fees_change_only_in_an_empty_book() -> None:
    """What resting orders hold was reckoned with the old fees; the price band may change at any time."""
    engine = Engine(LISTED)
    bid = place(1, side=1)
    engine.apply(bid)
    refused, event = engine.apply(fees(0, 250))
    assert isinstance(refused, Refused)
    assert (refused.code, event) == ("book_not_empty", None)
    assert isinstance(engine.apply(fees(None, None, band=50_000))[0], BookChanged)
    engine.apply(Cancel(START_US, bid.order_id, bid.user_id, "AAPL", ""))
    assert isinstance(engine.apply(fees(0, 250))[0], BookChanged)
    later = Engine(LISTED)
    later.restore(*engine.snapshot())
    assert later.terms["AAPL"] == engine.terms["AAPL"]
    assert later.terms["AAPL"].band == 50_000


def test_an_order_that_holds_for_lower_fees_is_refused() -> None:
    """An order that was on its way while fees rose does not come in with too little held."""
    engine = Engine(LISTED)
    engine.apply(fees(0, 250))
    answer, event = engine.apply(place(1, side=1, fee_ppm=249))
    assert isinstance(answer, Refused)
    assert (answer.code, event) == ("fees_changed", None)


@pytest.mark.parametrize(("maker", "taker"), [(-251, 250), (0, -1), (100_001, 0), (0, 100_001)])
def test_a_rebate_is_paid_out_of_the_other_sides_fee(maker: int, taker: int) -> None:
    """Fees by which the exchange would pay for a trade are refused."""
    engine = Engine(LISTED)
    answer, event = engine.apply(fees(maker, taker))
    assert isinstance(answer, Refused)
    assert (answer.code, event) == ("invalid_fees", None)


def turn(session: Session, reference_price: int = 0) -> SetSession:
    return SetSession(START_US, 5, "AAPL", session, reference_price, "")


def test_an_auction_collects_indicates_and_trades_at_one_price() -> None:
    """In a call session events tell the auction as it would be now; going on to trade tells it as it was."""
    engine = Engine(LISTED)
    engine.apply(turn(Session.OPENING_AUCTION, reference_price=1_000_300))
    engine.apply(place(1, side=1, quantity=10, price=1_000_200))
    _, event = engine.apply(place(2, side=2, quantity=6, price=1_000_000))
    assert event is not None
    assert event.indication == (1_000_200, 6, 4)
    later = Engine(LISTED)
    later.restore(*engine.snapshot())
    _, event = later.apply(turn(Session.CONTINUOUS))
    assert event is not None
    changed, traded, *_ = event.reports
    assert isinstance(changed, SessionChanged)
    assert (changed.session, changed.price, changed.volume, changed.imbalance, changed.side) == (1, 1_000_200, 6, 4, 1)
    assert isinstance(traded, Trade)
    assert (traded.price, traded.quantity, event.indication) == (1_000_200, 6, None)


def test_a_halted_symbol_takes_cancels_only() -> None:
    """Orders and amendments are refused by name, a cancel works, and the halt survives a restart."""
    engine = Engine(LISTED)
    bid = place(1, side=1)
    engine.apply(bid)
    engine.apply(turn(Session.HALTED))
    later = Engine(LISTED)
    later.restore(*engine.snapshot())
    for command in (place(2, side=1), amend(bid, 3)):
        answer, event = later.apply(command)
        assert isinstance(answer, Refused)
        assert (answer.code, event) == ("not_in_this_session", None)
    assert later.session("AAPL") == Session.HALTED
    assert later.apply(Cancel(START_US, bid.order_id, bid.user_id, "AAPL", ""))[1] is not None


def test_a_blocked_account_neither_places_nor_amends() -> None:
    """A block holds for all symbols, survives a restart, and ends when the account is let in again."""
    early = Engine(LISTED)
    bid = place(1, side=1, user_id=7)
    early.apply(bid)
    early.apply(Block(START_US, 5, 7, True, ""))
    engine = Engine(LISTED)
    engine.restore(*early.snapshot())
    for command in (place(2, side=1, user_id=7, symbol="MSFT"), amend(bid, 3)):
        answer, event = engine.apply(command)
        assert isinstance(answer, Refused)
        assert (answer.code, event) == ("account_blocked", None)
    assert isinstance(engine.apply(place(4, side=1, user_id=8))[0], Matched)
    engine.apply(Block(START_US, 5, 7, False, ""))
    assert isinstance(engine.apply(place(5, side=1, user_id=7))[0], Matched)


def list_symbol(symbol: str = "ACME", **more: object) -> ListSymbol:
    given: dict[str, object] = {
        "time_us": START_US,
        "user_id": 7,
        "symbol": symbol,
        "name": "Acme Corp.",
        "tick_size": 500,
        "lot_size": 10,
        "reference_price": 200_000,
        "traceparent": "",
    }
    return ListSymbol(**(given | more))  # type: ignore[arg-type]


def test_a_symbol_is_traded_from_its_listing_on() -> None:
    """Before it is listed its orders are refused, afterwards they rest, in its own ticks and lots."""
    engine = Engine(LISTED)
    before, _ = engine.apply(place(1, side=1, symbol="ACME"))
    answer, event = engine.apply(list_symbol())
    assert isinstance(before, Refused)
    assert before.code == "unknown_symbol"
    assert isinstance(answer, BookChanged)
    assert event is not None
    assert [type(report) for report in event.reports] == [Listed, SessionChanged]
    assert [one.symbol for one in engine.listing()] == ["AAPL", "ACME", "MSFT"]
    after, _ = engine.apply(place(2, side=1, symbol="ACME", price=200_000))
    off_tick, _ = engine.apply(place(3, side=1, symbol="ACME", price=200_100))
    assert isinstance(after, Matched)
    assert isinstance(off_tick, Refused)


@pytest.mark.parametrize(
    "wrong",
    [
        {"symbol": "acme"},
        {"symbol": "USD"},
        {"symbol": "A" * 13},
        {"name": ""},
        {"tick_size": 0},
        {"lot_size": -1},
        {"reference_price": 200_001},
        {"reference_price": 0},
        {"reference_price": 500 * (1 << 30)},
    ],
)
def test_what_no_book_can_be_made_for_is_not_listed(wrong: dict[str, object]) -> None:
    """A listing that is not valid changes nothing."""
    answer, event = Engine(LISTED).apply(list_symbol(**wrong))  # type: ignore[arg-type]
    assert isinstance(answer, Refused)
    assert answer.code == "invalid_instrument"
    assert event is None


def test_delisting_ends_every_order_and_lets_no_more_in() -> None:
    """Resting, waiting and linked orders are closed once each, and the symbol is unknown until it is listed again."""
    engine = Engine([])
    engine.apply(list_symbol("AAPL", tick_size=100, lot_size=1))
    orders = [
        place(1, side=1, price=900_000),
        place(2, side=2, price=1_100_000, user_id=1001, linked_order_id=order_id(1)),
        place(3, side=2, price=1_200_000),
        place(4, side=2, order_type=3, trigger=800_000, price=700_000),
    ]
    for order in orders:
        engine.apply(order)
    answer, event = engine.apply(DelistSymbol(START_US, 7, "AAPL", ""))
    assert isinstance(answer, BookChanged)
    assert event is not None
    closed = [(report.order_id, report.reason) for report in event.reports if isinstance(report, Closed)]
    assert sorted(closed) == [(order.order_id, "delisted") for order in orders]
    assert event.reports[-2:] == (SessionChanged(session=Session.CLOSED), Delisted())
    assert (engine.listing(), engine.resting("AAPL"), engine.waiting("AAPL")) == ((), (), ())
    for command in (place(5, side=1), DelistSymbol(START_US, 7, "AAPL", ""), CancelAll(START_US, 1001, "AAPL", "")):
        refused, nothing = engine.apply(command)
        assert isinstance(refused, Refused)
        assert refused.code == "unknown_symbol"
        assert nothing is None
    engine.apply(list_symbol("AAPL", tick_size=100, lot_size=1))
    again, _ = engine.apply(place(6, side=1))
    assert isinstance(again, Matched)


def test_what_is_listed_outlives_a_restart() -> None:
    """From a snapshot, or from the journal alone, the same symbols are traded."""
    commands: list[Command] = [
        list_symbol(),
        place(1, side=1, symbol="ACME", price=200_000),
        DelistSymbol(START_US, 7, "MSFT", ""),
        *random_commands(seed=8, count=200),
        DelistSymbol(START_US, 7, "ACME", ""),
        list_symbol(reference_price=300_000),
    ]
    first, again, restored = Engine(LISTED), Engine(LISTED), Engine(LISTED)
    events = [first.apply(command)[1] for command in commands]
    for command, event in zip(commands, events, strict=True):
        if event is not None:
            again.apply(command)
    restored.restore(*first.snapshot())
    assert again.snapshot() == first.snapshot() == restored.snapshot()
    assert [(one.symbol, one.reference_price) for one in restored.listing()] == [
        ("AAPL", 1_000_000),
        ("ACME", 300_000),
    ]
