"""A long run at half the capacity: does anything grow? Memory, backlog and latency, window by window."""

import time
from typing import Any

from rich.console import Console

from benchmarks.loops import open_loop
from benchmarks.metrics import backlog
from benchmarks.processes import GENERATOR
from benchmarks.scenarios import OPEN_CONNECTIONS, OPEN_RATE_PER_S, Bench

WINDOW_S = 60.0


async def soak(bench: Bench, seconds: float, console: Console) -> list[dict[str, Any]]:
    """Runs for ``seconds`` in windows of a minute and gives back what each window looked like."""
    windows = []
    left_s, began_s = seconds, time.monotonic()
    while left_s > 0:
        window_s = min(WINDOW_S, left_s)
        left_s -= window_s
        tally = await open_loop(bench.address, bench.traders, OPEN_RATE_PER_S, OPEN_CONNECTIONS, 0.0, window_s)
        usage = bench.processes.read()
        figures = tally.figures()
        window = {
            "at_s": round(time.monotonic() - began_s),
            "orders_per_s": figures["orders_per_s"],
            "latency_ms": figures["latency_ms"],
            "errors": figures["errors"],
            "backlog": await backlog(bench.home),
            "resident_mb": {name: round(size / 1e6, 1) for name, size in usage.resident.items()},
        }
        total = sum(size for name, size in usage.resident.items() if name != GENERATOR) / 1e6
        latency = figures["latency_ms"]
        console.print(
            f"{window['at_s']:5} s  {figures['orders_per_s']:7.0f} orders/s  p50 {latency['p50']:6.1f} ms  "
            f"p99 {latency['p99']:7.1f} ms  errors {figures['errors']}  backlog {window['backlog']}  {total:.0f} MB"
        )
        windows.append(window)
    return windows
