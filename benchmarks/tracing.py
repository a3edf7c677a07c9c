"""What tracing costs: the same exchange with tracing on and off, turn by turn (A B A B), so that drift hits both alike.

On: every order is one whole trace, recorded, exported and stored. Off: ``OTEL_SDK_DISABLED=true``. The trace backend's
own CPU is shown apart: in production it runs on another machine.
"""

from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.connection import Address
from benchmarks.exchange import Exchange
from benchmarks.scenarios import Bench, Plan, Result
from benchmarks.users import make_traders

PAIRS = 2
CONNECTIONS = 64
BACKEND = "jaegerlite"


@dataclass
class Comparison:
    """The rounds of both sides, each a closed loop at 64 connections and one at a single connection."""

    busy: dict[str, list[Result]] = field(default_factory=lambda: {"on": [], "off": []})
    alone: dict[str, list[Result]] = field(default_factory=lambda: {"on": [], "off": []})

    def figures(self) -> dict[str, Any]:
        """Means over the rounds, and what tracing adds, in per cent."""
        sides = {side: self._side(side) for side in ("on", "off")}
        added = {
            name: round((sides["on"][name] / sides["off"][name] - 1) * 100, 2) if sides["off"][name] else None
            for name in sides["off"]
            if name != "backend_cpu_ms_per_order"
        }
        rounds = {"busy": _as_json(self.busy), "alone": _as_json(self.alone)}
        return {"on": sides["on"], "off": sides["off"], "added_percent": added, "rounds": rounds}

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
    """Runs the pairs. The exchange must not be running; it is started for every round, and stopped after it."""
    comparison = Comparison()
    traders = None
    for _ in range(PAIRS):
        for side in ("on", "off"):
            exchange.start(OTEL_SDK_DISABLED="false" if side == "on" else "true")
            try:
                address = Address(exchange.url)
                traders = traders or await make_traders(address)
                bench = Bench(address, traders, exchange.home, plan)
                comparison.busy[side].append(await bench.closed(CONNECTIONS))
                comparison.alone[side].append(await bench.closed(1))
            finally:
                exchange.stop()
            busy = comparison.busy[side][-1].figures
            console.print(
                f"tracing {side}: {busy['orders_per_s']:.0f} orders/s, p50 {busy['latency_ms']['p50']:.2f} ms"
            )
    return comparison


def show(console: Console, figures: dict[str, Any]) -> None:
    """The comparison as a table."""
    table = Table(title="Tracing on against off", title_justify="left", box=None, pad_edge=False)
    for column in ("figure", "on", "off", "added %"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, value in figures["on"].items():
        added = figures["added_percent"].get(name)
        table.add_row(name, f"{value:.3f}", f"{figures['off'][name]:.3f}", "" if added is None else f"{added:+.2f}")
    console.print(table)


def _as_json(rounds: dict[str, list[Result]]) -> dict[str, list[dict[str, Any]]]:
    return {side: [result.as_json() for result in results] for side, results in rounds.items()}
