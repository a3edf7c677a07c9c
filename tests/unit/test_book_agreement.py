"""The book agrees with the reference book, with itself in its other build, and with its own snapshots."""

import random
from array import array
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from services.matching_engine import kernel_layout as layout
from shared.contracts.codes import CommandKind, OrderType, ReportKind, Session, Side, TimeInForce
from tests.unit.book_agreement import LOT, MIDDLE, MIXES, TICK, Command, Commands, Mix, Pair, run
from tests.unit.kernel_builds import BUILDS, COMPILED, PLAIN


def build_name(build: ModuleType) -> str:
    return str(build.__file__).rpartition(".")[2]


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
@pytest.mark.parametrize("mix", MIXES)
def test_agrees_with_the_reference(build: ModuleType, mix: str) -> None:
    """Every report and the whole book are what the rules say, command by command, over restarts from snapshots."""
    for seed in range(3):
        run(build, mix, seed, count=500, restart_every=50)


class BookMachine(RuleBasedStateMachine):
    """Hypothesis looks for commands on which the two books part, and shrinks what it finds."""

    @initialize()
    def start(self) -> None:
        self.pair = Pair(BUILDS[0])
        self.last_id = 0

    @rule(
        account=st.integers(1, 3),
        side=st.sampled_from(Side),
        kind=st.sampled_from(OrderType),
        force=st.sampled_from([f for f in TimeInForce if f != TimeInForce.GTD]),
        ticks=st.integers(-4, 4),
        lots=st.integers(1, 6),
        display=st.sampled_from((0, 0, LOT)),
        trigger=st.integers(0, 3),
        linked=st.integers(0, 4),
        self_trade=st.integers(0, 3),
        post_only=st.sampled_from((0, 0, 1)),
    )
    def place(
        self, account: int, side: int, kind: int, force: int, ticks: int, lots: int, display: int, trigger: int,
        linked: int, self_trade: int, post_only: int,
    ) -> None:  # fmt: skip
        self.last_id += 1
        price = MIDDLE + ticks * TICK
        distance = trigger * TICK if kind == OrderType.TRAILING_STOP else price + trigger * TICK
        linked_id = self.last_id - linked if linked else 0
        head = (self.last_id, account, side, kind, force, price, lots * LOT)
        options = (display, 0 if kind <= OrderType.MARKET else distance, 0, linked_id, self_trade, post_only)
        self.pair.give(("place", (*head, *options)))

    @rule(back=st.integers(0, 8))
    def cancel(self, back: int) -> None:
        self.pair.give(("cancel", (self.last_id - back,)))

    @rule(back=st.integers(0, 8), ticks=st.integers(-4, 4), lots=st.integers(0, 8))
    def amend(self, back: int, ticks: int, lots: int) -> None:
        self.pair.give(("amend", (self.last_id - back, MIDDLE + ticks * TICK, lots * LOT)))

    @rule(session=st.sampled_from(Session), ticks=st.integers(-4, 4))
    def set_session(self, session: int, ticks: int) -> None:
        self.pair.give(("set_session", (session, MIDDLE + ticks * TICK)))
        if session in (Session.HALTED, Session.CLOSED):
            self.pair.give(("set_session", (Session.CONTINUOUS, 0)))

    @rule(band=st.sampled_from((0, 2 * TICK, 5 * TICK)))
    def configure(self, band: int) -> None:
        self.pair.give(("configure", (band, -300, 900)))

    @rule()
    def restart(self) -> None:
        self.pair.restart()


TestBookMachine = BookMachine.TestCase
TestBookMachine.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def packed(commands: list[Command]) -> "array[int]":
    """Return commands as `Book.run` takes them."""
    words = array("q")
    for name, figures in commands:
        record = [0] * layout.COMMAND_WORDS
        record[layout.C_CODES] = int(CommandKind[name.upper()])
        if name == "place":
            order_id, account, side, kind, force, price, quantity, *options, self_trade, post_only = figures
            record[layout.C_CODES] |= side << 8 | kind << 16 | force << 24 | self_trade << 32 | post_only << 40
            record[layout.C_ORDER : layout.C_QUANTITY + 1] = [order_id, account, price, quantity]
            record[layout.C_DISPLAY : layout.C_LINKED + 1] = options
        elif name == "amend":
            record[layout.C_ORDER], record[layout.C_PRICE], record[layout.C_QUANTITY] = figures
        elif name == "set_session":
            record[layout.C_QUANTITY], record[layout.C_PRICE] = figures
        elif name == "configure":
            record[layout.C_PRICE], record[layout.C_QUANTITY], record[layout.C_DISPLAY] = figures
        else:
            place = {"cancel": layout.C_ORDER, "cancel_all": layout.C_ACCOUNT, "advance_clock": layout.C_PRICE}[name]
            record[place] = figures[0]
        words.extend(record)
    return words


def some_commands(seed: int, count: int) -> list[Command]:
    commands = Commands(seed, Mix(wrong=0))
    return [commands.next() for _ in range(count)]


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
def test_batch_is_one_by_one(build: ModuleType) -> None:
    """A batch gives the reports and the book that its commands give alone."""
    commands = some_commands(7, 1500)
    alone, batched = build.Book("TEST", TICK, LOT), build.Book("TEST", TICK, LOT)
    expected = [report.as_tuple() for name, figures in commands for report in getattr(alone, name)(*figures)]
    words = array("q", batched.run(packed(commands)))
    records = [words[at : at + layout.REPORT_WORDS] for at in range(0, len(words), layout.REPORT_WORDS)]
    unpacked = [(r[0] & 255, (r[0] >> 8) & 255, r[0] >> 16, *r[1:]) for r in records]
    assert unpacked == expected
    assert batched.digest() == alone.digest()


@pytest.mark.skipif(COMPILED is None, reason="this installation has no compiled kernel to compare with")
def test_both_builds_are_the_same() -> None:
    """The compiled kernel and the Python one give the same reports and the same digest."""
    assert COMPILED is not None
    commands = packed(some_commands(11, 3000))
    compiled, plain = COMPILED.Book("TEST", TICK, LOT), PLAIN.Book("TEST", TICK, LOT)
    assert compiled.run(commands) == plain.run(commands)
    assert compiled.snapshot() == plain.snapshot()
    assert PLAIN.Book.restore(compiled.snapshot()).digest() == compiled.digest()


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
def test_half_a_command_is_refused(build: ModuleType) -> None:
    """A buffer that is not a whole number of commands changes nothing."""
    book = build.Book("TEST", TICK, LOT)
    before = book.digest()
    with pytest.raises(ValueError, match="not a whole number of commands"):
        book.run(packed(some_commands(1, 3))[:-1])
    assert book.digest() == before


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
def test_unknown_command_is_refused(build: ModuleType) -> None:
    """A packed command of no known kind is refused and the ones after it are applied."""
    book = build.Book("TEST", TICK, LOT)
    words = array("q", book.run(array("q", [99, *[0] * 9]) + packed([("cancel", (1,))])))
    assert [word & 255 for word in words[:: layout.REPORT_WORDS]] == [ReportKind.REJECTED, ReportKind.REJECTED]


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
def test_damaged_snapshot_is_refused(build: ModuleType) -> None:
    """A snapshot with any one bit changed, or cut short, is never restored."""
    book = build.Book("TEST", TICK, LOT)
    book.run(packed(some_commands(3, 200)))
    good = book.snapshot()
    rnd = random.Random(3)
    for _ in range(200):
        bad = bytearray(good)
        bad[rnd.randrange(len(bad))] ^= 1 << rnd.randrange(8)
        with pytest.raises(ValueError, match="snapshot"):
            build.Book.restore(bytes(bad))
    with pytest.raises(ValueError, match="snapshot"):
        build.Book.restore(good[:-1])


@pytest.mark.parametrize("build", BUILDS, ids=build_name)
def test_grows_without_losing_an_order(build: ModuleType) -> None:
    """A book made for four orders takes thousands, at prices far apart, and gives each of them back."""
    book: Any = build.Book("TEST", 1, 1, 4)
    rnd = random.Random(5)
    prices = {order_id: rnd.randint(1, 2**30 - 1) for order_id in rnd.sample(range(1, 2**40), 3000)}
    for order_id, price in prices.items():
        book.place(order_id, order_id % 700 + 1, Side.BUY, OrderType.LIMIT, TimeInForce.GTC, price, 1)
    assert [row[3] for row in book.orders()] == sorted(prices.values(), reverse=True)
    for order_id in rnd.sample(sorted(prices), len(prices)):
        assert book.cancel(order_id)[0].kind == ReportKind.DONE
    assert book.depth(10) == ([], [])
    assert book.order_count() == 0
