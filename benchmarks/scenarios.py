"""What is run against one exchange, in which order, and what each run gives back."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from benchmarks.connection import Address
from benchmarks.fanout import READERS, Fanout
from benchmarks.loops import OnStart, closed_loop, open_loop, socket_loop
from benchmarks.metrics import mean_batches, read_batches
from benchmarks.processes import GENERATOR, Processes, Usage
from benchmarks.tally import Tally
from benchmarks.workload import Trader
from outcry.home import Home

CONNECTIONS = (1, 8, 32, 64)
BATCH_SIZE = 100
BATCH_CONNECTIONS = 4
SOCKETS = 4
SOCKET_IN_FLIGHT = 16
OPEN_RATE_PER_S = 750.0
"""Half of the capacity that is claimed."""

OPEN_CONNECTIONS = 256
OVERLOAD_CONNECTIONS = 3000
"""More than the gateway lets in at once, so that it has to shed."""

OVERLOAD_FACTOR = 2.0
OVERLOAD_S_MIN = 10.0
"""Long enough for more requests to pile up than the gateway lets in."""

IDLE_S = 5.0
PROBE_CONNECTIONS = 64
PROBE_S = 3.0


@dataclass(frozen=True)
class Plan:
    """How long to measure, after how much warm-up, in seconds; how many connections the closed loops have."""

    warm_up_s: float = 2.0
    seconds: float = 10.0
    connections: Sequence[int] = CONNECTIONS


@dataclass
class Result:
    """One scenario's figures, ready for JSON. CPU in ms per placed order, memory in MB."""

    name: str
    figures: dict[str, Any]
    cpu_ms_per_order: dict[str, float] = field(default_factory=dict)
    resident_mb: dict[str, float] = field(default_factory=dict)
    items_per_batch: dict[str, float] = field(default_factory=dict)
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Bench:
    """Where load goes, whose it is, and whose CPU is read."""

    address: Address
    traders: list[Trader]
    home: Home | None
    """Where the exchange tells of its processes; None: it is not on this machine."""

    plan: Plan

    @property
    def processes(self) -> Processes:
        return Processes(self.home)

    async def measure(self, name: str, run: Callable[[OnStart], Awaitable[Tally]]) -> Result:
        """Runs a load and reads the processes when its measured part begins and when it ends."""
        readings: list[asyncio.Task[tuple[Usage, float]]] = []

        def on_start(tally: Tally) -> None:
            readings.extend(asyncio.create_task(self._read_at(when_s)) for when_s in (tally.began_s, tally.until_s))

        batches = await read_batches(self.home)
        tally = await run(on_start)
        (before, began_s), (after, ended_s) = await asyncio.gather(*readings)
        means = mean_batches(batches, await read_batches(self.home))
        return Result(name, tally.figures(), *_costs(before, after, tally, ended_s - began_s), means)

    async def _read_at(self, when_s: float) -> tuple[Usage, float]:
        """The processes at a time of the performance counter, and when they were really read."""
        await asyncio.sleep(when_s - time.perf_counter())
        return self.processes.read(), time.perf_counter()

    async def idle(self) -> dict[str, dict[str, float]]:
        """What the exchange takes when nobody asks anything of it: per cent of one core, MB resident."""
        before, began_s = self.processes.read(), time.perf_counter()
        await asyncio.sleep(IDLE_S)
        after, elapsed_s = self.processes.read(), time.perf_counter() - began_s
        cpu = {
            name: seconds / elapsed_s * 100 for name, seconds in after.cpu_since(before).items() if name != GENERATOR
        }
        resident = {name: size / 1e6 for name, size in after.resident.items() if name != GENERATOR}
        cpu["total"], resident["total"] = sum(cpu.values()), sum(resident.values())
        return {"cpu_percent": _rounded(cpu, 2), "resident_mb": _rounded(resident, 1)}

    async def closed(self, connections: int) -> Result:
        """``POST /v1/order`` and cancels, as fast as so many connections go."""
        return await self._closed(f"closed loop, {connections} connections", connections)

    async def batch(self) -> Result:
        """``POST /v1/orders`` with 100 orders each."""
        name = f"batches of {BATCH_SIZE}, {BATCH_CONNECTIONS} connections"
        return await self._closed(name, BATCH_CONNECTIONS, BATCH_SIZE)

    async def socket_batch(self) -> Result:
        """``place_many`` with 100 orders each: to be held against ``batch``."""
        name = f"WebSocket, batches of {BATCH_SIZE}, {BATCH_CONNECTIONS} connections"
        return await self._socket(name, BATCH_CONNECTIONS, 1, BATCH_SIZE)

    async def socket_single(self) -> Result:
        """``place`` and ``cancel``, many in flight: to be held against ``closed`` with as many connections."""
        name = f"WebSocket, {SOCKETS} connections, {SOCKET_IN_FLIGHT} in flight"
        return await self._socket(name, SOCKETS, SOCKET_IN_FLIGHT)

    async def open(self, rate_per_s: float = OPEN_RATE_PER_S) -> Result:
        """The mix at a set rate, latency from the time that each request was due."""
        return await self._open(f"open loop, {rate_per_s:.0f} requests/s", rate_per_s, OPEN_CONNECTIONS, self.plan)

    async def fanout(self) -> Result:
        """1,000 readers of one book that takes 1,000 orders a second."""
        fanout = Fanout(self.address, self.plan.warm_up_s, self.plan.seconds)
        result = await self.measure(f"fan-out, {READERS} readers", fanout.run)
        result.figures["readers"] = fanout.found
        result.note = fanout.note()
        return result

    async def _closed(self, name: str, connections: int, batch: int = 0) -> Result:
        def run(on_start: OnStart) -> Awaitable[Tally]:
            plan = self.plan
            return closed_loop(
                self.address, self.traders, connections, plan.warm_up_s, plan.seconds, batch, on_start=on_start
            )

        return await self.measure(name, run)

    async def _socket(self, name: str, connections: int, in_flight: int, batch: int = 0) -> Result:
        def run(on_start: OnStart) -> Awaitable[Tally]:
            plan = self.plan
            return socket_loop(
                self.address,
                self.traders,
                connections,
                in_flight,
                plan.warm_up_s,
                plan.seconds,
                batch,
                on_start=on_start,
            )

        return await self.measure(name, run)

    async def _open(self, name: str, rate_per_s: float, connections: int, plan: Plan) -> Result:
        def run(on_start: OnStart) -> Awaitable[Tally]:
            return open_loop(
                self.address, self.traders, rate_per_s, connections, plan.warm_up_s, plan.seconds, on_start=on_start
            )

        return await self.measure(name, run)

    async def overload(self) -> Result:
        """Twice what it can take: does it shed, and does it go on placing orders as fast as before?"""
        probe = await closed_loop(self.address, self.traders, PROBE_CONNECTIONS, 1.0, PROBE_S)
        capacity = sum(probe.by_kind.values()) / PROBE_S
        rate_per_s = capacity * OVERLOAD_FACTOR
        plan = replace(self.plan, seconds=max(self.plan.seconds, OVERLOAD_S_MIN))
        result = await self._open(f"overload, {rate_per_s:.0f} requests/s", rate_per_s, OVERLOAD_CONNECTIONS, plan)
        shed = sum(n for outcome, n in result.figures["outcomes"].items() if outcome[:3] in ("429", "503"))
        before = probe.placed / PROBE_S
        kept = result.figures["orders_per_s"] / before if before else 0.0
        result.figures |= {"shed": shed, "orders_per_s_before": round(before, 1), "throughput_kept": round(kept, 3)}
        result.note = f"keeps {kept:.0%} of {before:.0f} orders/s, shed {shed} with 429/503"
        return result


def _costs(before: Usage, after: Usage, tally: Tally, elapsed_s: float) -> tuple[dict[str, float], dict[str, float]]:
    """CPU per order by process. A busy machine reads the processes a little late, so CPU is taken as a rate."""
    measured = tally.until_s - tally.began_s
    orders = max(1, tally.placed) * elapsed_s / measured
    cpu = {name: seconds * 1000 / orders for name, seconds in after.cpu_since(before).items()}
    cpu["total"] = sum(cpu.values())
    resident = {name: size / 1e6 for name, size in after.resident.items()}
    resident["total"] = sum(size for name, size in resident.items() if name != GENERATOR)
    return _rounded(cpu, 4), _rounded(resident, 1)


def _rounded(values: dict[str, float], digits: int) -> dict[str, float]:
    ordered = sorted(values.items(), key=lambda item: -item[1])
    return {name: round(value, digits) for name, value in ordered}


Scenario = Callable[[], Awaitable[Result]]


def scenarios(bench: Bench) -> dict[str, list[Scenario]]:
    """All of them, by the name that ``--only`` knows them under."""

    def closed_with(connections: int) -> Scenario:
        return lambda: bench.closed(connections)

    return {
        "closed": [closed_with(count) for count in bench.plan.connections],
        "batch": [bench.batch],
        "socket": [bench.socket_batch, bench.socket_single],
        "open": [bench.open],
        "overload": [bench.overload],
        "fanout": [bench.fanout],
    }
