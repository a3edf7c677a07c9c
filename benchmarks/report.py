"""The figures as tables for people and as a file for machines."""

import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.scenarios import Result
from benchmarks.workload import CROSSING_SHARE, QUANTITY, RESTING_SHARE

RESULTS = Path("bench-results")
WORKLOAD = (
    f"{RESTING_SHARE:.0%} resting and {CROSSING_SHARE:.0%} crossing limit orders of {QUANTITY} shares, "
    f"{1 - RESTING_SHARE - CROSSING_SHARE:.0%} cancels, over all symbols, prices 1 to 20 ticks around a seeded mid"
)
SHOWN_OUTCOMES = 6


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "cpus": len(os.sched_getaffinity(0)),
        "model": _cpu_model(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def show(console: Console, results: Sequence[Result]) -> None:
    """The tables: speed, then what it cost."""
    speed = Table(title="Speed", title_justify="left", box=None, pad_edge=False)
    speed.add_column("scenario", no_wrap=True)
    for column in ("orders/s", "requests/s", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors", "CPU ms/order"):
        speed.add_column(column, justify="right")
    for result in results:
        figures, latency = result.figures, result.figures["latency_ms"]
        errors = figures["errors"]
        speed.add_row(
            result.name,
            f"{figures['orders_per_s']:,.0f}",
            f"{figures['requests_per_s']:,.0f}",
            *(f"{latency[name]:.1f}" for name in ("p50", "p95", "p99", "max")),
            f"[red]{errors}[/]" if errors else "0",
            f"{result.cpu_ms_per_order.get('total', 0):.2f}",
        )
    console.print(speed)
    console.print()
    console.print(_costs(results))
    for result in results:
        _details(console, result)


def _costs(results: Sequence[Result]) -> Table:
    table = Table(title="CPU ms per order, by process", title_justify="left", box=None, pad_edge=False)
    names = list(dict.fromkeys(name for result in results for name in result.cpu_ms_per_order if name != "total"))
    names.sort(key=lambda name: -max(result.cpu_ms_per_order.get(name, 0) for result in results))
    table.add_column("process")
    for result in results:
        table.add_column(
            result.name.replace(", ", "\n").replace(" connections", " conn."), justify="right", no_wrap=True
        )
    table.add_column("RSS MB\nat the end", justify="right")
    for name in [*names, "total"]:
        cells = [f"{result.cpu_ms_per_order.get(name, 0):.3f}" for result in results]
        resident = results[-1].resident_mb.get(name, 0) if results else 0
        table.add_row(name, *cells, f"{resident:.0f}", style="bold" if name == "total" else "")
    return table


def _details(console: Console, result: Result) -> None:
    outcomes = list(result.figures["outcomes"].items())[:SHOWN_OUTCOMES]
    console.print(f"\n[bold]{result.name}[/]  " + "  ".join(f"{outcome}: {count}" for outcome, count in outcomes))
    if result.note:
        console.print(f"  {result.note}")
    if result.items_per_batch:
        shown = sorted(result.items_per_batch.items(), key=lambda item: -item[1])
        console.print("  items per batch: " + "  ".join(f"{name} {mean:.1f}" for name, mean in shown), style="dim")
    if result.figures["not_sent"]:
        console.print(f"  {result.figures['not_sent']} requests found no free connection before the end")
    if result.figures["slowest_trace"]:
        console.print(f"  slowest trace: {result.figures['slowest_trace']}", style="dim")
    for outcome, trace in result.figures["example_traces"].items():
        console.print(f"  a trace of {outcome}: {trace}", style="dim")


def write(path: Path | None, content: dict[str, Any]) -> Path:
    """Writes the JSON file, by default a new one in ``bench-results/``, and says where."""
    if path is None:
        path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json", time.gmtime())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
