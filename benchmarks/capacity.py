"""How many machines carry a number of orders per second: `python -m benchmarks.capacity 5000 --cores 8`.

The model: an order costs a process ``each + per_batch / items`` of CPU, where ``items`` is how many orders share one
internal call. Both are fitted, process by process, to a benchmark's scenarios, whose batches differ. Cores are what
that costs at the rate asked for, over how busy a core may be; a process that cannot be doubled and would need more
than one core is the limit, and is said. Disk is bytes per order, measured, times rate and time. What it leaves out:
locks and the disk's flushes, which grow with the load, and the network. So it is a first figure to measure against.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

MEASURED = Path(__file__).parent / "capacity.json"
BUSY_MAX = 0.6
"""How busy a core may be on average: beyond it, queues make latency grow steeply."""

ITEMS = 8.0
"""Orders that share a call at a moderate load of single orders, as measured; clients' own batches make it far more."""

BY_SHARD = ("matching-engine",)
SPREAD = ("client-gateway", "user-service", "jaegerlite")
"""May run more than once (traces: a Jaeger with several collectors in jaegerlite's place)."""

MANY_CORES = ("postgres",)
"""One server that uses as many cores as there are."""

NOT_SIZED = ("(generator)", "outcry")
MACHINES_MIN = 3
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True)
class Cost:
    """CPU of one process, in ms per order: ``each`` for itself, ``per_batch`` for a call, shared by those in it."""

    each: float
    per_batch: float

    def ms(self, items: float) -> float:
        """Per order, where ``items`` share a call."""
        return self.each + self.per_batch / items


@dataclass(frozen=True)
class Need:
    """What one part takes: busy cores, processes, and the rate at which one process of it is full (orders/s)."""

    cores: float
    processes: int
    full_at: float


@dataclass(frozen=True)
class Plan:
    """What a rate takes. ``limits`` names parts that would need more than one process, and cannot have it."""

    needs: Mapping[str, Need]
    cores: int
    machines: int
    memory_gb: float
    disk_gb: Mapping[str, float]
    limits: Sequence[str] = field(default=())


def fit(points: Sequence[tuple[float, float]]) -> Cost:
    """The cost that fits best to (items in a batch, ms per order); neither part of it is negative."""
    items = np.array([items for items, _ in points])
    cost = np.array([ms for _, ms in points])
    # Relative errors count alike: a scenario that costs a tenth must not vanish beside one that costs ten times more.
    basis = np.stack([np.ones_like(items), 1 / items], axis=1) / cost[:, None]
    each, per_batch = np.linalg.lstsq(basis, np.ones_like(cost), rcond=None)[0]
    if each < 0:
        each, per_batch = 0.0, float(np.mean(cost * items))
    elif per_batch < 0:
        each, per_batch = float(np.mean(cost)), 0.0
    return Cost(float(each), float(per_batch))


def costs(measured: Mapping[str, Any]) -> dict[str, Cost]:
    """Every process' cost, from the scenarios of a benchmark's file."""
    points: dict[str, list[tuple[float, float]]] = {}
    for scenario in measured["results"]:
        items = scenario["items_per_batch"].get("match_order")
        if not items:
            continue
        for process, ms in scenario["cpu_ms_per_order"].items():
            if process != "total" and process not in NOT_SIZED and ms:
                points.setdefault(process, []).append((items, ms))
    return {process: fit(found) for process, found in points.items() if len(found) > 1}


def plan(
    measured: Mapping[str, Any], orders_per_s: float, cores: int, items: float = ITEMS, shards: int = 1, days: int = 7
) -> Plan:
    """What ``orders_per_s`` take on machines of so many ``cores``, with traces and history kept for ``days``."""
    needs, limits = {}, []
    for process, cost in costs(measured).items():
        busy = orders_per_s * cost.ms(items) / 1000 / BUSY_MAX
        full_at = 1000 * BUSY_MAX / cost.ms(items)
        processes = math.ceil(busy)
        if process in BY_SHARD:
            processes = 2 * shards  # each with its standby
            limit = full_at * shards
        else:
            limit = math.inf if process in SPREAD + MANY_CORES else full_at
            processes = processes if process in SPREAD else 1
        if orders_per_s > limit:
            limits.append(f"{process} is full at {limit:,.0f} orders/s")
        needs[process] = Need(busy, max(1, processes), full_at)
    total = math.ceil(sum(need.cores for need in needs.values()))
    memory = measured["results"][-1]["resident_mb"]
    memory_gb = sum(need.processes * memory.get(process, 100) for process, need in needs.items()) / 1000
    per_day = orders_per_s * SECONDS_PER_DAY / 1e9
    disk_gb = {part: size * per_day * days for part, size in measured["bytes_per_order"].items()}
    return Plan(needs, total, max(MACHINES_MIN, math.ceil(total / cores)), memory_gb, disk_gb, tuple(limits))


def main(
    orders_per_s: Annotated[float, typer.Argument(min=1)],
    cores: Annotated[int, typer.Option(min=1, help="of one machine")] = 8,
    items: Annotated[float, typer.Option(min=1, help="orders that share an internal call")] = ITEMS,
    shards: Annotated[int, typer.Option(min=1, help="engines that share the symbols")] = 1,
    days: Annotated[int, typer.Option(min=1, help="how long traces and history are kept")] = 7,
    measured: Annotated[Path, typer.Option(exists=True, help="a benchmark's file with bytes_per_order")] = MEASURED,
) -> None:
    """Compute machines from orders per second; how, stands at the head of benchmarks/capacity.py."""
    found = plan(json.loads(measured.read_text()), orders_per_s, cores, items, shards, days)
    print(f"{orders_per_s:,.0f} orders/s, {items:g} in a call: {found.cores} cores at {BUSY_MAX:.0%}")
    print(f"machines of {cores} cores: {found.machines} (three at least: a database, its replica, and room to fail)")
    print(f"memory of the processes: {found.memory_gb:.1f} GB; disk for {days} days:", end=" ")
    print(", ".join(f"{part} {size:,.0f} GB" for part, size in found.disk_gb.items()))
    for process, need in sorted(found.needs.items(), key=lambda entry: -entry[1].cores):
        full = f"a core is full at {need.full_at:7,.0f} orders/s"
        print(f"  {process:16} {need.cores:6.2f} cores  {need.processes:3} x  {full}")
    for limit in found.limits:
        print(f"LIMIT: {limit}")


if __name__ == "__main__":
    typer.run(main)
