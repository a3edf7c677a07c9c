"""What is left of the traces that matter when 1 % is sampled: with retroactive sampling, without it, and what it costs.

    python -m benchmarks.retroactive [--seconds 20] [--rate 200]

Three times a fresh exchange takes the same load at the same rate while one order in twenty fails (the fault
``risk_failures``): with everything sampled, with 1 % at the head, and with 1 % and ``TRACING_RETROACTIVE``. Then each
order that failed, and the slowest 1 % of the others as the clients measured them, are looked for in the backend. Whole
is a trace that is one tree, no span's parent missing, with a span of each service that had part in it.
"""

import argparse
import asyncio
import itertools
import time
from dataclasses import dataclass, field
from typing import Any

import httpx
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.connection import Address
from benchmarks.exchange import Exchange, own_exchange
from benchmarks.processes import GENERATOR, Processes, Usage
from benchmarks.users import make_traders
from benchmarks.workload import Kind, Trader
from shared.fault_file import change_flags

ONE_PERCENT = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
SIDES: dict[str, dict[str, str]] = {
    "all sampled": {},
    "1 %": ONE_PERCENT,
    "1 %, retroactive": ONE_PERCENT | {"TRACING_RETROACTIVE": "true"},
}
FAULT = "risk_failures"
BACKEND = "jaegerlite"
CONNECTIONS = 32
LEARN_S = 6.0
"""The first hundred requests of each operation are kept whatever they are: none of these is counted."""

SETTLE_S = 8.0
"""For followers, rings and the backend, after the last order."""

STARTED = {"client-gateway", "user-service", "wallet-service", "risk-manager"}
DONE = STARTED | {"order-manager", "matching-engine", "market-data", "reporting", "notification"}


@dataclass
class Load:
    """What came of the orders: trace ids of those that failed, latency (s) and trace id of the others."""

    failed: list[str] = field(default_factory=list)
    answered: list[tuple[float, str]] = field(default_factory=list)

    @property
    def slowest(self) -> list[str]:
        """The trace ids of the slowest 1 %."""
        return [trace_id for _, trace_id in sorted(self.answered)[-max(1, len(self.answered) // 100) :]]


async def drive(address: Address, traders: list[Trader], rate_per_s: float, seconds: float) -> Load:
    """Requests at a steady rate; orders are noted once the first seconds are over."""
    load, turn, began_s = Load(), itertools.cycle(traders), time.perf_counter()
    until_s = began_s + LEARN_S + seconds

    async def work(number: int) -> None:
        due_s = began_s + number / rate_per_s
        async with address.connection() as connection:
            while due_s < until_s:
                await asyncio.sleep(due_s - time.perf_counter())
                trader = next(turn)
                kind, message = trader.next()
                sent_s = time.perf_counter()
                reply = await connection.request(message)
                took_s = time.perf_counter() - sent_s
                trader.learn(kind, reply)
                if kind is not Kind.CANCEL and due_s > began_s + LEARN_S:
                    if reply.status >= 500:
                        load.failed.append(reply.trace_id)
                    elif reply.status == 201:
                        load.answered.append((took_s, reply.trace_id))
                due_s = max(due_s + CONNECTIONS / rate_per_s, time.perf_counter())

    await asyncio.gather(*(work(number) for number in range(CONNECTIONS)))
    return load


async def whole(jaeger: str, trace_ids: list[str], services: set[str]) -> float:
    """The share of some traces that are in the backend, whole; 0 to 1."""
    async with httpx.AsyncClient(base_url=jaeger, trust_env=False, timeout=30) as client:
        found = [is_whole(await client.get(f"/api/traces/{trace_id}"), services) for trace_id in trace_ids]
    return sum(found) / max(1, len(found))


def is_whole(answer: httpx.Response, services: set[str]) -> bool:
    """Whether an answer holds one tree, with spans of these services."""
    if answer.status_code != 200:
        return False
    trace: dict[str, Any] = answer.json()["data"][0]
    ids = {span["spanID"] for span in trace["spans"]}
    parents = [[r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF"] for span in trace["spans"]]
    roots = sum(not parent or parent[0] not in ids for parent in parents)
    return roots == 1 and services <= {process["serviceName"] for process in trace["processes"].values()}


async def measure(exchange: Exchange, side: str, rate_per_s: float, seconds: float) -> dict[str, float]:
    """One side's figures: shares in per cent, CPU in ms per request."""
    assert exchange.home is not None
    faults = exchange.home.folder / "faults.json"
    await asyncio.to_thread(exchange.start, FAULTS_FILE=str(faults), **SIDES[side])
    address, processes = Address(exchange.url), Processes(exchange.home)
    traders = await make_traders(address)
    change_flags(faults, {FAULT: True})
    before = processes.read()
    traces_url = f"http://127.0.0.1:{exchange.port('jaegerlite_query_port')}"
    load = await drive(address, traders, rate_per_s, seconds)
    await asyncio.sleep(SETTLE_S)
    services_ms, backend_ms = _cost(before, processes.read(), rate_per_s * (LEARN_S + seconds))
    figures = {
        "orders": len(load.answered) + len(load.failed),
        "failed": len(load.failed),
        "failed, whole in the backend %": 100 * await whole(traces_url, load.failed, STARTED),
        "slowest 1 %": len(load.slowest),
        "slowest 1 %, whole in the backend %": 100 * await whole(traces_url, load.slowest, DONE),
        "services' CPU ms per request": services_ms,
        "backend's CPU ms per request": backend_ms,
    }
    await asyncio.to_thread(exchange.stop)
    return figures


def _cost(before: Usage, after: Usage, requests: float) -> tuple[float, float]:
    spent = {name: 1000 * seconds / requests for name, seconds in after.cpu_since(before).items()}
    return sum(ms for name, ms in spent.items() if name not in (GENERATOR, BACKEND)), spent.get(BACKEND, 0.0)


async def run(rate_per_s: float, seconds: float) -> None:
    """All sides, and a table."""
    table = Table(box=None)
    found: dict[str, dict[str, float]] = {}
    for side in SIDES:
        with own_exchange() as exchange:
            found[side] = await measure(exchange, side, rate_per_s, seconds)
    for column in ("", *SIDES):
        table.add_column(column, justify="right" if column else "left")
    for name in found["1 %"]:
        table.add_row(name, *(f"{found[side][name]:,.2f}".removesuffix(".00") for side in SIDES))
    Console(highlight=False, width=140).print(table)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Which traces that matter are kept at 1 %.")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=200.0, help="requests per second")
    asked = parser.parse_args()
    uvloop.run(run(asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
