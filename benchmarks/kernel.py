"""How fast one book takes commands on one core: python -m benchmarks.kernel [--commands N] [--rounds N] [--json FILE].

Two mixes, made from a seed before the clock starts, each as packed batches of 10,000 commands and one call at a time:
(a) one book that holds about 1,000 resting orders within 200 ticks of the middle: 9 % new GTC, 3 % IOC that cross
    (sized to hold the number of orders), 6 % cancel, 6 % reduce, 76 % move to another price;
(b) a middle price that wanders up 25 % and back through a book of 100,000 orders within 2,000 ticks of it: 45 % new
    (which trade with what the middle has passed), 45 % cancel, 10 % move, each resting order hit once, in random order,
    so that nearly every command misses the near caches.
Then (c), what a command costs as the book grows: bids at 10 to 100,000 levels with one order each, and at one level
with 10 to 100,000; 25 % new, 25 % cancel, 25 % reduce, 25 % move, at random. Nothing but the caches may show.
The clock is the CPU time of this process, since what else the machine does is not the kernel's; the best round is given
and the middle one. Beside it stands what a read costs that has to wait for memory, in a table of the size of book (b).
"""

import argparse
import json
import random
import statistics
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from services.matching_engine import book as book_module
from services.matching_engine.book import Book
from services.matching_engine.kernel_layout import COMMAND_WORDS, ORDER_WORDS
from shared.contracts.codes import CommandKind, OrderType, ReportKind, Side, TimeInForce

TICK = 100
MIDDLE = 10_000
ACCOUNTS = 1000
BATCH = 10_000
RESTING_A = 1000
RESTING_B = 100_000
Words: TypeAlias = "array[int]"


class Script:
    """Packed commands in the making. They are applied at once, so that each names an order that is there."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.words = array("q")
        self.book = Book("SCRIPT", TICK, 1)
        self.open: list[tuple[int, int]] = []
        self.places: dict[int, int] = {}
        self.next_id = 1

    def new(self, side: int, tick: int, quantity: int, force: int = TimeInForce.GTC) -> None:
        codes = CommandKind.PLACE | side << 8 | OrderType.LIMIT << 16 | force << 24
        account = 1 + self.next_id % ACCOUNTS
        self._add(codes, self.next_id, account, tick * TICK, quantity)
        reports = self.book.place(self.next_id, account, side, OrderType.LIMIT, force, tick * TICK, quantity)
        self._follow(reports)
        if reports[-1].kind == ReportKind.ACCEPTED:
            self.places[self.next_id] = len(self.open)
            self.open.append((self.next_id, side))
        self.next_id += 1

    def cancel(self, order_id: int) -> None:
        self._add(CommandKind.CANCEL, order_id, 0, 0, 0)
        self._follow(self.book.cancel(order_id))

    def amend(self, order_id: int, tick: int, quantity: int) -> None:
        self._add(CommandKind.AMEND, order_id, 0, tick * TICK, quantity)
        self._follow(self.book.amend(order_id, tick * TICK, quantity))

    def any_side(self) -> int:
        return int(self.random.choice((Side.BUY, Side.SELL)))

    def any_quantity(self) -> int:
        return self.random.randint(2, 100)

    def passive_tick(self, side: int, middle: int, reach: int) -> int:
        """Return a tick on this side's own half."""
        away = self.random.randint(1, reach)
        return middle - away if side == Side.BUY else middle + away

    def pick(self) -> tuple[int, int]:
        return self.open[self.random.randrange(len(self.open))]

    def forget(self, order_id: int) -> None:
        """Never pick this order again."""
        at = self.places.pop(order_id, None)
        if at is not None:
            last = self.open.pop()
            if at < len(self.open):
                self.open[at] = last
                self.places[last[0]] = at

    def _follow(self, reports: list[Any]) -> None:
        for report in reports:
            if report.kind == ReportKind.DONE:
                self.forget(report.order_id)

    def _add(self, codes: int, order_id: int, account: int, price: int, quantity: int) -> None:
        self.words.extend((codes, order_id, account, price, quantity, *[0] * (COMMAND_WORDS - 5)))


def fill(script: Script, orders: int, reach: int) -> Words:
    """Return the commands that fill a book, and begin anew."""
    for _ in range(orders):
        side = script.any_side()
        script.new(side, script.passive_tick(side, MIDDLE, reach), script.any_quantity())
    filling, script.words = script.words, array("q")
    return filling


def small_book(commands: int) -> tuple[Words, Words]:
    """Return the commands that fill book (a), and those to measure."""
    script = Script(seed=1)
    filling = fill(script, RESTING_A, 200)
    kinds = ("new", "ioc", "cancel", "reduce", "move")
    for kind in script.random.choices(kinds, (9, 3, 6, 6, 76), k=commands):
        side = script.any_side()
        if kind == "new":
            script.new(side, script.passive_tick(side, MIDDLE, 200), script.any_quantity())
        elif kind == "ioc":
            quantity = 100 if len(script.open) > RESTING_A else 2
            script.new(side, MIDDLE + 200 if side == Side.BUY else MIDDLE - 200, quantity, TimeInForce.IOC)
        elif kind == "cancel":
            script.cancel(script.pick()[0])
        elif kind == "reduce":
            script.amend(script.pick()[0], 0, 1)
        else:
            order_id, side = script.pick()
            script.amend(order_id, script.passive_tick(side, MIDDLE, 200), 0)
    return filling, script.words


def large_book(commands: int) -> tuple[Words, Words]:
    """Return the commands that fill book (b), and those to measure."""
    script = Script(seed=2)
    filling = fill(script, RESTING_B, 2000)
    for step in range(commands):
        swing = 2 * step / commands
        middle = int(MIDDLE * (1 + 0.25 * min(swing, 2 - swing)))
        draw = script.random.random()
        if draw < 0.45:
            side = script.any_side()
            script.new(side, script.passive_tick(side, middle, 2000), script.any_quantity())
        elif draw < 0.9:
            script.cancel(script.pick()[0])
        else:
            order_id, side = script.pick()
            script.amend(order_id, script.passive_tick(side, middle, 2000), 0)
            script.forget(order_id)
    return filling, script.words


def bids_only(levels: int, per_level: int, commands: int) -> tuple[Words, Words]:
    """Return the commands that fill a book of bids with that many levels and orders at each, and those to measure."""
    script = Script(seed=3)
    best = levels + MIDDLE
    for place in range(levels * per_level):
        script.new(Side.BUY, best - place % levels, 100)
    filling, script.words = script.words, array("q")
    for step in range(commands):
        tick = best - script.random.randrange(levels)
        if step % 4 == 0:
            script.new(Side.BUY, tick, 100)
        elif step % 4 == 1:
            script.cancel(script.pick()[0])
        elif step % 4 == 2:
            script.amend(script.pick()[0], 0, 99)
        else:
            script.amend(script.pick()[0], tick, 100)
    return filling, script.words


def batched(book: Book, words: Words) -> float:
    """Return the seconds that the commands take in batches."""
    batches = [words[at : at + BATCH * COMMAND_WORDS] for at in range(0, len(words), BATCH * COMMAND_WORDS)]
    started = time.process_time()
    for batch in batches:
        book.run(batch)
    return time.process_time() - started


def one_by_one(book: Book, words: Words) -> float:
    """Return the seconds that the commands take as calls, each with its list of report objects."""
    calls: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    for at in range(0, len(words), COMMAND_WORDS):
        codes, order_id, account, price, quantity = words[at : at + 5]
        if codes & 255 == CommandKind.PLACE:
            placed = (order_id, account, codes >> 8 & 255, codes >> 16 & 255, codes >> 24 & 255, price, quantity)
            calls.append((book.place, placed))
        elif codes & 255 == CommandKind.CANCEL:
            calls.append((book.cancel, (order_id,)))
        else:
            calls.append((book.amend, (order_id, price, quantity)))
    started = time.process_time()
    for method, figures in calls:
        method(*figures)
    return time.process_time() - started


def chase_ns(table_bytes: int, reads: int = 500_000) -> float:
    """Return what a step costs in a walk through a table, each place known only from the one before."""
    lines = table_bytes // 64
    order = list(range(lines))
    random.Random(3).shuffle(order)
    table = array("q", bytes(64 * lines))
    for here, there in zip(order, order[1:] + order[:1], strict=True):
        table[8 * here] = 8 * there
    at = 0
    started = time.process_time()
    for _ in range(reads):
        at = table[at]
    return (time.process_time() - started) / reads * 1e9


def memory_wait_ns(table_bytes: int) -> float:
    """Return how much longer a read takes in a table of this size than in one that fits the first cache."""
    return chase_ns(table_bytes) - chase_ns(16 * 1024)


def measure(
    name: str, filling: Words, words: Words, rounds: int, run: Callable[[Book, Words], float]
) -> dict[str, Any]:
    """Run a mix some times on fresh books and return millions of commands per second and nanoseconds per command."""
    seconds = []
    for _ in range(rounds):
        book = Book("BENCH", TICK, 1, 2 * RESTING_B)
        book.run(filling)
        seconds.append(run(book, words))
    count = len(words) // COMMAND_WORDS
    best, middle = min(seconds), statistics.median(seconds)
    print(
        f"  {name:<22} best {count / best / 1e6:6.2f} M/s ({best / count * 1e9:5.0f} ns)"
        f"   median {count / middle / 1e6:6.2f} M/s   {book.order_count():>7,} orders left"
    )
    return {
        "name": name,
        "commands": count,
        "best_per_s": count / best,
        "median_per_s": count / middle,
        "best_ns": best / count * 1e9,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--commands", type=int, default=300_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    build = "compiled" if str(book_module.__file__).endswith((".so", ".pyd")) else "plain Python"
    print(f"The kernel, {build}, {chosen.commands:,} commands, {chosen.rounds} rounds, one core")
    results = []
    for mix, make in (("a", small_book), ("b", large_book)):
        filling, words = make(chosen.commands)
        results.append(measure(f"({mix}) batches", filling, words, chosen.rounds, batched))
        results.append(measure(f"({mix}) one by one", filling, words, chosen.rounds, one_by_one))
    for levels, per_level in ((10, 1), (1000, 1), (100_000, 1), (1, 10), (1, 1000), (1, 100_000)):
        filling, words = bids_only(levels, per_level, chosen.commands)
        results.append(measure(f"(c) {levels:,} x {per_level:,}", filling, words, chosen.rounds, batched))
    wait_ns = memory_wait_ns(RESTING_B * ORDER_WORDS * 8)
    print(f"  one read that misses the near caches waits {wait_ns:.0f} ns (a table of the size of the orders of (b))")
    for result in results:
        print(f"    {result['name']:<20} is {result['best_ns'] / wait_ns:5.1f} such waits")
    if chosen.json is not None:
        chosen.json.write_text(json.dumps({"build": build, "memory_wait_ns": wait_ns, "results": results}, indent=2))


if __name__ == "__main__":
    main()
