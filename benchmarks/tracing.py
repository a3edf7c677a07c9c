"""What tracing costs: three exchanges side by side, off, on and away, that are measured in turn in short slices.

Off: ``OTEL_SDK_DISABLED=true``. On: every order is one whole trace, recorded, exported and stored by jaegerlite, which
takes its CPU from the same cores. Away: all the same, but the backend is elsewhere, as in production: the spans go to a
receiver that throws them away, so that what is left is the price that the services pay.

A restart alone moves the figures by more than tracing does. So all three run all the time, each cycle measures them
within seconds of each other, in an order that is drawn anew, with a pause for what a slice leaves behind. Three times
they are stopped and change roles, so that no side has the luck of one folder, one database or one process.
"""

import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.connection import Address
from benchmarks.exchange import Exchange, own_exchange
from benchmarks.paired import Added, added
from benchmarks.receiver import Receiver, running_receiver
from benchmarks.scenarios import Bench, Plan, Result
from benchmarks.users import make_traders
from benchmarks.workload import Trader

SIDES = ("off", "on", "away")
CYCLES = 6
"""Of each of the three allotments of roles."""

CONNECTIONS = 64
BUSY, ALONE = Plan(warm_up_s=0.4, seconds=2.0), Plan(warm_up_s=0.2, seconds=0.8)
PAUSE_S = 0.8
"""For events that are still followed, and spans that are still stored: more than one flush of jaegerlite."""

BACKEND = "jaegerlite"
BOUND_PERCENT = 2.0
PROMISED = ("orders_per_s", "p50_ms", "p50_alone_ms")


@dataclass
class Comparison:
    """The slices of all sides, cycle by cycle: a closed loop at 64 connections and one at a single connection."""

    busy: dict[str, list[Result]] = field(default_factory=lambda: {side: [] for side in SIDES})
    alone: dict[str, list[Result]] = field(default_factory=lambda: {side: [] for side in SIDES})
    audits: list[tuple[bool | None, str]] = field(default_factory=list)

    def figures(self) -> dict[str, Any]:
        """Medians over the cycles, and what tracing adds, in per cent with its interval."""
        measured = {side: self._side(side) for side in SIDES}
        medians = {side: {name: median(values) for name, values in measured[side].items()} for side in SIDES}
        more = {
            side: {name: added(off, measured[side][name]) for name, off in measured["off"].items() if all(off)}
            for side in SIDES[1:]
        }
        shown = {side: {name: one.as_json() for name, one in more[side].items()} for side in more}
        slices = {"busy": _as_json(self.busy), "alone": _as_json(self.alone)}
        return medians | {"added_percent": shown, "verdict": _verdicts(more), "slices": slices}

    def _side(self, side: str) -> dict[str, list[float]]:
        busy, alone = self.busy[side], self.alone[side]
        backend = [result.cpu_ms_per_order.get(BACKEND, 0.0) for result in busy]
        total = [result.cpu_ms_per_order["total"] for result in busy]
        return {
            "orders_per_s": [result.figures["orders_per_s"] for result in busy],
            "p50_ms": [result.figures["latency_ms"]["p50"] for result in busy],
            "p50_alone_ms": [result.figures["latency_ms"]["p50"] for result in alone],
            "cpu_ms_per_order": [whole - part for whole, part in zip(total, backend, strict=True)],
            "backend_cpu_ms_per_order": backend,
        }


async def compare(console: Console) -> Comparison:
    """Starts three exchanges of its own and measures them. Raises StartFailed, SetupError, OSError."""
    comparison = Comparison()
    order = random.Random(len(SIDES))
    with ExitStack() as stack:
        exchanges = [stack.enter_context(own_exchange()) for _ in SIDES]
        traders: dict[str, list[Trader]] = {}
        for allotment in range(len(SIDES)):
            roles = {SIDES[(place + allotment) % len(SIDES)]: one for place, one in enumerate(exchanges)}
            with _started(roles) as receiver:
                for exchange in exchanges:
                    if exchange.url not in traders:
                        traders[exchange.url] = await make_traders(Address(exchange.url))
                for _ in range(CYCLES):
                    for side in order.sample(SIDES, len(SIDES)):
                        await _measure(comparison, side, roles[side], traders[roles[side].url])
                _tell(console, comparison)
                if allotment == len(SIDES) - 1:
                    comparison.audits = [await asyncio.to_thread(exchange.audit) for exchange in exchanges]
            assert receiver.received_bytes > 0, "the spans of the side whose backend is away did not go there"
    return comparison


@contextmanager
def _started(roles: dict[str, Exchange]) -> Iterator[Receiver]:
    """All of them running, each in its role; the receiver of the one whose backend is away."""
    with running_receiver() as receiver, ExitStack() as stack:
        settings: dict[str, dict[str, str]] = {
            "off": {"OTEL_SDK_DISABLED": "true"},
            "on": {},
            "away": {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
        }
        for side, exchange in roles.items():
            stack.callback(exchange.stop)
            exchange.start(**settings[side])
        yield receiver


async def _measure(comparison: Comparison, side: str, exchange: Exchange, traders: list[Trader]) -> None:
    """One side's part of a cycle."""
    address = Address(exchange.url)
    comparison.busy[side].append(await Bench(address, traders, exchange.home, BUSY).closed(CONNECTIONS))
    await asyncio.sleep(PAUSE_S)
    comparison.alone[side].append(await Bench(address, traders, exchange.home, ALONE).closed(1))
    await asyncio.sleep(PAUSE_S)


def _tell(console: Console, comparison: Comparison) -> None:
    """How far it is, for who waits."""
    speeds = {side: median(one.figures["orders_per_s"] for one in results) for side, results in comparison.busy.items()}
    told = ", ".join(f"{side} {speed:.0f} orders/s" for side, speed in speeds.items())
    console.print(f"{len(comparison.busy['off'])} cycles: {told}", style="dim")


def _verdicts(more: dict[str, dict[str, Added]]) -> dict[str, str]:
    """For each side whether what was promised is kept."""
    words = {True: "within", False: "not within", None: "undecided at"}
    return {
        side: ", ".join(
            f"{name} {words[more[side][name].within(BOUND_PERCENT)]} {BOUND_PERCENT} %" for name in PROMISED
        )
        for side in more
    }


def show(console: Console, figures: dict[str, Any]) -> None:
    """The comparison as a table."""
    table = Table(title="Tracing on, and with its backend away, against off", title_justify="left", box=None)
    for column in ("median", "off", "on", "added % (95 %)", "away", "added % (95 %)"):
        table.add_column(column, justify="left" if column == "median" else "right")
    for name, value in figures["off"].items():
        row = [name, f"{value:.3f}"]
        for side in SIDES[1:]:
            one = figures["added_percent"][side].get(name)
            spread = "" if one is None else f"{one['percent']:+.2f} ({one['low']:+.2f} to {one['high']:+.2f})"
            row += [f"{figures[side][name]:.3f}", spread]
        table.add_row(*row)
    console.print(table)
    for side, verdict in figures["verdict"].items():
        console.print(f"{side}: {verdict}")


def _as_json(slices: dict[str, list[Result]]) -> dict[str, list[dict[str, Any]]]:
    return {side: [result.as_json() for result in results] for side, results in slices.items()}
