"""A long run at half the capacity: does anything grow? Memory, backlog and latency, window by window."""

import asyncio
import re
import time
from typing import Any

import aiohttp
from rich.console import Console

from benchmarks.loops import open_loop
from benchmarks.scenarios import OPEN_CONNECTIONS, OPEN_RATE_PER_S, Bench
from outcry.home import Home

WINDOW_S = 60.0
POSITION = re.compile(r'^outcry_stream_position\{stream="([^"]+)"\} ([0-9.e+]+)$', re.MULTILINE)


async def soak(bench: Bench, home: Home | None, seconds: float, console: Console) -> list[dict[str, Any]]:
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
            "backlog": await backlog(home),
            "resident_mb": {name: round(size / 1e6, 1) for name, size in usage.resident.items()},
        }
        total = sum(size for name, size in usage.resident.items() if name != "(generator)") / 1e6
        latency = figures["latency_ms"]
        console.print(
            f"{window['at_s']:5} s  {figures['orders_per_s']:7.0f} orders/s  p50 {latency['p50']:6.1f} ms  "
            f"p99 {latency['p99']:7.1f} ms  errors {figures['errors']}  backlog {window['backlog']}  {total:.0f} MB"
        )
        windows.append(window)
    return windows


async def backlog(home: Home | None) -> dict[str, int]:
    """Per stream, how many events the slowest consumer is behind the fastest, right after the load has paused."""
    positions: dict[str, list[int]] = {}
    entries = home.read_state().get("processes", []) if home is not None else []
    urls = [f"http://127.0.0.1:{entry['port']}/metrics" for entry in entries if entry["port"]]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(5)) as session:
        pages = await asyncio.gather(*(_page(session, url) for url in urls))
    for page in pages:
        for stream, position in POSITION.findall(page):
            positions.setdefault(stream, []).append(int(float(position)))
    return {stream: max(found) - min(found) for stream, found in positions.items()}


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    """A service's metrics; empty from what has none, as PostgreSQL and Valkey, which are no HTTP servers."""
    try:
        async with session.get(url) as response:
            return await response.text() if response.status == 200 else ""
    except aiohttp.ClientError:
        return ""
