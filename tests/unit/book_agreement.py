"""Random commands of all kinds, and a pair of books (kernel and reference) that must agree on each of them.

``python -m tests.unit.book_agreement --commands 5000000`` gives the pair that many, in runs of a seed and a mix each.
"""

import argparse
import random
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from shared.contracts.codes import OrderType, ReportKind, SelfTrade, Session, Side, TimeInForce
from tests.unit.reference_book import ReferenceBook

TICK = 100
LOT = 5
MIDDLE = 50_000
Command = tuple[str, tuple[int, ...]]


@dataclass
class Mix:
    """How wild the commands are: shares of 1, each for commands of its kind; what is left are plain orders."""

    cancels: float = 0.15
    amends: float = 0.15
    rare: float = 0.05
    wrong: float = 0.03
    options: float = 0.4
    spread_ticks: int = 8
    accounts: int = 5


MIXES = {
    "everything": Mix(),
    "plain orders": Mix(options=0, rare=0, wrong=0),
    "few accounts": Mix(accounts=2, options=0.7),
    "one price": Mix(spread_ticks=0, options=0.6),
    "sessions": Mix(rare=0.25),
    "deep": Mix(cancels=0.05, amends=0.1, rare=0, spread_ticks=60, accounts=50),
}

RUN = 2_000
"""Commands that one pair gets. Some mixes fill their books, and then every look at all of it takes its time."""

RESTART_EVERY = 250


class Commands:
    """Random commands, the same for the same seed."""

    def __init__(self, seed: int, mix: Mix) -> None:
        self.random = random.Random(seed)
        self.mix = mix
        self.next_id = 1
        self.clock = 0

    def next(self) -> Command:
        draw = self.random.random()
        mix = self.mix
        if draw < mix.cancels:
            return "cancel", (self._known_id(),)
        if draw < mix.cancels + mix.amends:
            return "amend", (self._known_id(), self.random.choice((0, self._price())), self._quantity(or_zero=True))
        if draw < mix.cancels + mix.amends + mix.rare:
            return self._rare()
        if draw < mix.cancels + mix.amends + mix.rare + mix.wrong:
            return self._wrong()
        return "place", self._order()

    def _order(self) -> tuple[int, ...]:
        rnd = self.random
        plain = rnd.random() >= self.mix.options
        order_type = int(OrderType.LIMIT) if plain else rnd.choice(list(map(int, OrderType)))
        force = int(TimeInForce.GTC) if plain else rnd.choice(list(map(int, TimeInForce)))
        limit = order_type in (OrderType.LIMIT, OrderType.STOP_LIMIT)
        may_rest = force not in (TimeInForce.IOC, TimeInForce.FOK)
        quantity = self._quantity()
        display = rnd.choice((0, 5, 10)) if not plain and limit and may_rest and quantity > 10 else 0
        trigger = 0 if order_type <= OrderType.MARKET else self._price()
        if order_type == OrderType.TRAILING_STOP:
            trigger = rnd.randint(1, 6) * TICK
        expires_at = self.clock + rnd.randint(1, 30) if force == TimeInForce.GTD else 0
        linked = self._known_id() if not plain and may_rest and rnd.random() < 0.3 else 0
        post_only = int(not plain and may_rest and order_type == OrderType.LIMIT and rnd.random() < 0.3)
        price = self._price() + (0 if limit else rnd.randint(-40, 40))
        account, side = rnd.randint(1, self.mix.accounts), rnd.choice((Side.BUY, Side.SELL))
        self_trade = int(rnd.choice(list(SelfTrade)))
        self.next_id += 1
        head = (self.next_id, account, int(side), order_type, force, price, quantity)
        return (*head, display, trigger, expires_at, linked, self_trade, post_only)

    def _rare(self) -> Command:
        rnd = self.random
        kind = rnd.choice(("cancel_all", "advance_clock", "set_session", "set_session", "configure"))
        if kind == "cancel_all":
            return kind, (rnd.randint(0, self.mix.accounts),)
        if kind == "advance_clock":
            self.clock += rnd.randint(-2, 12)
            return kind, (self.clock,)
        if kind == "set_session":
            session = int(Session.CONTINUOUS) if rnd.random() < 0.6 else rnd.randint(0, 8)
            return kind, (session, rnd.choice((0, 0, MIDDLE, self._price(), -1)))
        band = rnd.choice((0, 0, 0, 300, 550))
        return kind, (band, rnd.choice((0, -1500, 700)), rnd.choice((0, 3000, 1_000_001)))

    def _wrong(self) -> Command:
        """Return an order with a few figures replaced by bad ones."""
        figures = list(self._order())
        for _ in range(self.random.randint(1, 3)):
            figures[self.random.randrange(13)] = self.random.choice(
                (0, -1, 1, 3, 7, 99, 101, 2**31, 2**40, 2**62, 254, 300)
            )
        figures[12] = int(bool(figures[12]))
        return "place", tuple(figures)

    def _known_id(self) -> int:
        return max(0, self.next_id - int(self.random.expovariate(1 / 12)))

    def _price(self) -> int:
        spread = self.mix.spread_ticks
        return MIDDLE + self.random.randint(-spread, spread) * TICK

    def _quantity(self, *, or_zero: bool = False) -> int:
        return LOT * self.random.randint(0 if or_zero else 1, 12)


class Pair:
    """A kernel book and the reference book, given the same commands."""

    def __init__(self, build: ModuleType) -> None:
        self.build = build
        self.book: Any = build.Book("TEST", TICK, LOT, 4)
        self.reference = ReferenceBook(TICK, LOT)
        self.original: dict[int, int] = {}
        self.gone: dict[int, int] = {}

    def give(self, command: Command) -> list[tuple[int, ...]]:
        """Give both a command, check that they agree in everything that can be seen, and return the reports."""
        name, figures = command
        reports = [report.as_tuple() for report in getattr(self.book, name)(*figures)]
        assert reports == getattr(self.reference, name)(*figures), command
        self._check_state(command)
        self._count(command, reports)
        return reports

    def restart(self) -> None:
        """Go on with a book restored from the kernel's snapshot."""
        restored = self.build.Book.restore(self.book.snapshot())
        assert restored.digest() == self.book.digest()
        self.book = restored

    def _check_state(self, command: Command) -> None:
        rows = list(self.book.orders())
        assert rows == self.reference.rows_by_priority(), command
        bids, asks = self.book.depth(10**6)
        assert (bids, asks) == (_levels(rows, Side.BUY), _levels(rows, Side.SELL)), "levels add up"
        state = self.book.state()
        if state["session"] == Session.CONTINUOUS and bids and asks:
            assert bids[0][0] < asks[0][0], "best bid below best ask"
        ref = self.reference
        assert (state["session"], state["last_price"], state["sequence"]) == (ref.session, ref.last_price, ref.sequence)
        assert state["reference_price"] == ref.reference_price
        assert self.book.order_count() == len(ref.orders)
        assert self.book.indication() == ref.auction()

    def _count(self, command: Command, reports: list[tuple[int, ...]]) -> None:
        """Hold filled + open + cancelled = original for every order."""
        if command[0] == "place" and reports[0][0] != ReportKind.REJECTED:
            self.original[command[1][0]], self.gone[command[1][0]] = command[1][6], 0
        for kind, _, _, order_id, _, _, quantity, remaining, _, maker_id, *_ in reports:
            if kind in (ReportKind.TRADE, ReportKind.DECREMENTED):
                self.gone[order_id] += quantity
                self.gone[maker_id] += quantity
            elif kind == ReportKind.AMENDED:
                self.original[order_id] = quantity
            elif kind == ReportKind.DONE and command[0] != "amend":
                assert self.gone.pop(order_id) + remaining == self.original.pop(order_id), "quantities add up"
            elif kind == ReportKind.DONE:
                self.gone.pop(order_id)
                self.original.pop(order_id)
        open_by_id = {order.order_id: order.left for order in self.reference.orders}
        assert open_by_id.keys() == self.original.keys(), "one DONE for each order that is gone"
        assert all(self.gone[i] + left == self.original[i] for i, left in open_by_id.items()), "quantities add up"


def _levels(rows: list[tuple[int, ...]], side: Side) -> list[tuple[int, int, int]]:
    levels: dict[int, list[int]] = {}
    for row in rows:
        if row[2] == side:
            levels.setdefault(row[3], []).append(row[5])
    return [(price, sum(shown), len(shown)) for price, shown in levels.items()]


def run(build: ModuleType, mix: str, seed: int, count: int = RUN, restart_every: int = RESTART_EVERY) -> None:
    """Give a pair commands of a mix. Raises AssertionError at the first on which the two part."""
    commands, pair = Commands(seed, MIXES[mix]), Pair(build)
    for step in range(1, count + 1):
        pair.give(commands.next())
        if step % restart_every == 0:
            pair.restart()


def main() -> None:
    """The long run: each seed goes through all mixes, and what fails is told by its seed and its mix."""
    from tests.unit.kernel_builds import BUILDS

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--commands", type=int, default=1_000_000)
    options.add_argument("--seed", type=int, default=1, help="the first; the next runs take the next ones")
    chosen = options.parse_args()
    started_s, given, seed = time.monotonic(), 0, chosen.seed
    while given < chosen.commands:
        for mix in MIXES:
            try:
                run(BUILDS[0], mix, seed)
            except AssertionError as error:
                raise SystemExit(f"seed {seed}, mix {mix!r}: the books part at {error}") from error
            given += RUN
        seed += 1
    took_s = time.monotonic() - started_s
    print(f"{given:,} commands, seeds {chosen.seed} to {seed - 1}, {took_s:.0f} s: the books agree on every report")


if __name__ == "__main__":
    main()
