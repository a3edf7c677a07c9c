"""What the services say of themselves on ``/metrics``: how well batching works, how far the followers are behind."""

import asyncio
import re
from collections import defaultdict
from collections.abc import Mapping

import aiohttp

from outcry.home import Home

POSITION = re.compile(r'^outcry_stream_position\{stream="([^"]+)"\} (\S+)$', re.MULTILINE)
BATCHES = re.compile(r'^outcry_batch_items_(count|sum)\{operation="([^"]+)"\} (\S+)$', re.MULTILINE)
TIMEOUT_S = 5.0

Batches = Mapping[str, tuple[float, float]]
"""Operation -> batches served and items in them, since the service started."""


async def read_batches(home: Home | None) -> Batches:
    """How many batches of how many items every operation has served so far."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for page in await _pages(home):
        for what, operation, value in BATCHES.findall(page):
            found[operation][what] = float(value)
    return {operation: (values["count"], values["sum"]) for operation, values in found.items()}


def mean_batches(before: Batches, after: Batches) -> dict[str, float]:
    """Items per batch of every operation that was used between two readings: 1 is no batching at all."""
    means = {}
    for operation, (batches, items) in after.items():
        batches_before, items_before = before.get(operation, (0.0, 0.0))
        if batches > batches_before:
            means[operation] = round((items - items_before) / (batches - batches_before), 2)
    return means


async def backlog(home: Home | None) -> dict[str, int]:
    """Per stream, how many events the slowest consumer is behind the fastest."""
    positions: dict[str, list[int]] = defaultdict(list)
    for page in await _pages(home):
        for stream, position in POSITION.findall(page):
            positions[stream].append(int(float(position)))
    return {stream: max(found) - min(found) for stream, found in positions.items()}


async def _pages(home: Home | None) -> list[str]:
    entries = home.read_state().get("processes", []) if home is not None else []
    urls = [f"http://127.0.0.1:{entry['port']}/metrics" for entry in entries if entry["port"]]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
        return await asyncio.gather(*(_page(session, url) for url in urls))


async def _page(session: aiohttp.ClientSession, url: str) -> str:
    """Empty from what has no such page, as the trace backend, and PostgreSQL and Valkey, which are no HTTP servers."""
    try:
        async with session.get(url) as response:
            return await response.text() if response.status == 200 else ""
    except (aiohttp.ClientError, TimeoutError):
        return ""
