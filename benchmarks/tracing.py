"""What tracing costs: the same exchange with it off and on, turn by turn (A B C A B C), so that drift hits all alike.

Off: ``OTEL_SDK_DISABLED=true``. On: every order is one whole trace, recorded, exported and stored by jaegerlite, which
takes its CPU from the same cores. Away: all the same, but the backend is elsewhere, as in production: the spans go to a
receiver that throws them away, so that what is left is the price that the services pay.
"""

from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.connection import Address
from benchmarks.exchange import Exchange
from benchmarks.receiver import running_receiver
from benchmarks.scenarios import Bench, Plan, Result
from benchmarks.users import make_traders

ROUNDS = 2
CONNECTIONS = 64
BACKEND = "jaegerlite"
SIDES = ("off", "on", "away")


@dataclass
class Comparison:
    """The rounds of all sides, each a closed loop at 64 connections and one at a single connection."""

    busy: dict[str, list[Result]] = field(default_factory=lambda: {side: [] for side in SIDES})
    alone: dict[str, list[Result]] = field(default_factory=lambda: {side: [] for side in SIDES})

    def figures(self) -> dict[str, Any]:
        """Means over the rounds, and what tracing adds, in per cent."""
        sides: dict[str, Any] = {side: self._side(side) for side in SIDES}
        off = sides["off"]
        added = {
            side: {name: round((value / off[name] - 1) * 100, 2) for name, value in sides[side].items() if off[name]}
            for side in ("on", "away")
        }
        rounds = {"busy": _as_json(self.busy), "alone": _as_json(self.alone)}
        return sides | {"added_percent": added, "rounds": rounds}

    def _side(self, side: str) -> dict[str, float]:
        busy, alone = self.busy[side], self.alone[side]
        backend = mean(result.cpu_ms_per_order.get(BACKEND, 0.0) for result in busy)
        return {
            "orders_per_s": mean(result.figures["orders_per_s"] for result in busy),
            "p50_ms": mean(result.figures["latency_ms"]["p50"] for result in busy),
            "p50_alone_ms": mean(result.figures["latency_ms"]["p50"] for result in alone),
            "cpu_ms_per_order": mean(result.cpu_ms_per_order["total"] for result in busy) - backend,
            "backend_cpu_ms_per_order": backend,
        }


async def compare(exchange: Exchange, plan: Plan, console: Console) -> Comparison:
    """Runs the rounds. The exchange must not be running; it is started for each, and stopped after it."""
    comparison = Comparison()
    traders = None
    for _ in range(ROUNDS):
        for side in SIDES:
            with running_receiver() as receiver:
                started_with = {
                    "off": {"OTEL_SDK_DISABLED": "true"},
                    "on": {},
                    "away": {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url},
                }[side]
                exchange.start(**started_with)
                try:
                    address = Address(exchange.url)
                    traders = traders or await make_traders(address)
                    bench = Bench(address, traders, exchange.home, plan)
                    comparison.busy[side].append(await bench.closed(CONNECTIONS))
                    comparison.alone[side].append(await bench.closed(1))
                finally:
                    exchange.stop()
            assert (receiver.received_bytes > 0) == (side == "away"), "spans went where they should not, or did not go"
            busy = comparison.busy[side][-1].figures
            console.print(
                f"tracing {side}: {busy['orders_per_s']:.0f} orders/s, p50 {busy['latency_ms']['p50']:.2f} ms"
            )
    return comparison


def show(console: Console, figures: dict[str, Any]) -> None:
    """The comparison as a table."""
    table = Table(title="Tracing on, and with its backend away, against off", title_justify="left", box=None)
    for column in ("figure", "off", "on", "added %", "away", "added %"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, value in figures["off"].items():
        row = [name, f"{value:.3f}"]
        for side in ("on", "away"):
            added = figures["added_percent"][side].get(name)
            row += [f"{figures[side][name]:.3f}", "" if added is None else f"{added:+.2f}"]
        table.add_row(*row)
    console.print(table)


def _as_json(rounds: dict[str, list[Result]]) -> dict[str, list[dict[str, Any]]]:
    return {side: [result.as_json() for result in results] for side, results in rounds.items()}
