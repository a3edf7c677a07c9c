"""One book, a thousand subscribers: orders come at a set rate, and every reader gets every update of L2.

The orders are placed through the public API in small batches at fixed times, so the whole way is in the figures: from
the engine's clock through journal, outbox, market-data, Valkey and gateway to each reader's socket.
"""

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from benchmarks.connection import Address
from benchmarks.loops import OnStart
from benchmarks.tally import Tally
from benchmarks.users import make_traders
from benchmarks.workload import Trader

READERS = 1000
UPDATES_PER_S = 1000
BATCH = 20
CONNECTIONS = 8
SYMBOL = "AAPL"


class Fanout:
    """The load of the scenario, and what the readers found."""

    def __init__(self, address: Address, warm_up_s: float, seconds: float) -> None:
        self._address = address
        self._warm_up_s = warm_up_s
        self._seconds = seconds
        self.found: dict[str, Any] = {}

    async def run(self, on_start: OnStart) -> Tally:
        """Readers first, then updates; measured once they flow."""
        traders = await make_traders(self._address, CONNECTIONS, only=SYMBOL)
        readers = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.readers", self._address.host, str(self._address.port)),
            *(str(READERS), "L2", SYMBOL),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert readers.stdin is not None
        assert readers.stdout is not None
        try:
            if await readers.stdout.readline() != b"ready\n":
                raise OSError("the readers did not get their snapshots")
            began_s = time.perf_counter() + self._warm_up_s
            tally = Tally(began_s, began_s + self._seconds)
            on_start(tally)
            places = [asyncio.create_task(self._place(trader, n, tally)) for n, trader in enumerate(traders)]
            await asyncio.sleep(self._warm_up_s)
            readers.stdin.write(b"begin\n")
            await asyncio.sleep(self._seconds)
            readers.stdin.write(b"end\n")
            self.found = json.loads(await readers.stdout.readline())
            await asyncio.gather(*places)
            return tally
        finally:
            with contextlib.suppress(ProcessLookupError):  # it ends by itself once it has told
                readers.kill()
            await readers.wait()

    async def _place(self, trader: Trader, number: int, tally: Tally) -> None:
        """One connection's share of the orders, each batch at its time."""
        async with self._address.connection() as connection:
            every_s = BATCH * CONNECTIONS / UPDATES_PER_S
            due_s = tally.began_s - self._warm_up_s + number * BATCH / UPDATES_PER_S
            while due_s < tally.until_s:
                await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
                kind, message = trader.next_batch(BATCH)
                tally.note(kind, await connection.request(message), due_s, time.perf_counter())
                due_s += every_s

    def note(self) -> str:
        """The readers' side in words."""
        found, delay, oldest = self.found, self.found["delay_ms"], self.found["delay_of_oldest_ms"]
        return (
            f"readers: {found['received'] / self._seconds:,.0f} messages/s in all, "
            f"{found['updates'] / self._seconds:.0f} to each; delay of the last change in a message "
            f"p50 {delay['p50']:.1f} ms, p99 {delay['p99']:.1f} ms, of the first at most p50 {oldest['p50']:.1f} ms, "
            f"p99 {oldest['p99']:.1f} ms; {found['gaps']} gaps, {found['dropped']} readers dropped"
        )
