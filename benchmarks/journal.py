"""What a restart of the matching-engine costs: a journal of a million commands in a real PostgreSQL, read back.

    python -m benchmarks.journal                      # a million commands; writing them takes a minute
    python -m benchmarks.journal --commands 100000 --batch 100

The commands are those of a busy day over five symbols: 60 % limit orders that rest 1 to 19 ticks behind the mid, 25 %
that cross it, 15 % cancels, in batches of 1,000, as large as a request may be. Read back twice: from the first command
on, as no engine need do that takes a snapshot every 50,000; and from a snapshot that lies 50,000 commands back.
"""

import argparse
import asyncio
import json
import random
import secrets
import shutil
import socket
import tempfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from outcry import process
from outcry.postgres import EmbeddedPostgres
from outcry.provision import create_database, create_rooms, role_url
from services.matching_engine.app import MIGRATIONS
from services.matching_engine.commands import Cancel, Command, Place
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.state import EngineState
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import Writer
from shared.contracts.codes import OrderType, Side, TimeInForce
from shared.ids import COUNTER_BITS, EPOCH_MS, NODE_BITS
from shared.postgres import Database, migrate
from shared.valkey import Valkey

SYMBOLS = ("AAPL", "AMZN", "GOOGL", "MSFT", "NVDA")
BATCH = 1_000
SNAPSHOT_AGE = 50_000
NEVER = 2**62
START_US = EPOCH_MS * 1000 + 10**12
STEP_US = 500
MID = 1_500_000
TICK = 100


def commands(count: int, seed: int) -> Iterator[Command]:
    """A day of commands, 2,000 to the second."""
    dice = random.Random(seed)
    resting: list[Place] = []
    for number in range(count):
        time_us = START_US + number * STEP_US
        traceparent = f"00-{dice.getrandbits(128):032x}-{dice.getrandbits(64):016x}-01"
        draw = dice.random()
        if draw < 0.15 and resting:
            order = resting.pop(dice.randrange(len(resting)))
            yield Cancel(time_us, order.order_id, order.user_id, order.symbol, traceparent)
            continue
        side, crosses = dice.choice((Side.BUY, Side.SELL)), draw < 0.40
        ticks = 20 if crosses else -dice.randrange(1, 20)
        order = Place(
            time_us,
            order_id=((time_us // 1000 - EPOCH_MS) << (NODE_BITS + COUNTER_BITS)) + number % 1000,
            user_id=1001 + dice.randrange(32),
            symbol=dice.choice(SYMBOLS),
            side=int(side),
            order_type=int(OrderType.LIMIT),
            time_in_force=int(TimeInForce.GTC),
            price=MID + TICK * (ticks if side is Side.BUY else -ticks),
            quantity=10,
            traceparent=traceparent,
        )
        if not crosses:
            resting.append(order)
        yield order


class Journal:
    """The tables of an engine in a PostgreSQL of its own."""

    def __init__(self, url: str) -> None:
        self.database = Database(url, "matching_engine")
        nowhere = Valkey("redis://127.0.0.1:1")  # nothing is relayed here
        self.store = JournalStore(self.database, SharedOutbox(self.database, nowhere))

    async def write(self, count: int, batch_size: int, seed: int) -> tuple[bytes, bytes]:
        """Does ``count`` commands as the writer does. Gives the state after them, and the one SNAPSHOT_AGE before."""
        writer = Writer(self.store, NEVER)
        earlier = b""
        await writer.load()
        running = asyncio.create_task(writer.run())
        await asyncio.sleep(0)  # it takes commands from its first step on
        batch: list[Command] = []
        for command in commands(2 * count, seed):
            batch.append(command)
            if len(batch) == batch_size:
                await writer.submit(batch, ())
                batch = []
                if not earlier and writer.engine.seq >= count - SNAPSHOT_AGE:
                    earlier = writer.engine.snapshot()[0]
                if writer.engine.seq >= count:
                    break
        running.cancel()
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM outbox")
            await connection.execute("VACUUM ANALYZE journal")
        return writer.engine.snapshot()[0], earlier

    async def read(self, name: str, expected: bytes) -> dict[str, Any]:
        """Starts an engine from the tables and says how long it took."""
        writer = Writer(self.store, NEVER)
        started_s, cpu_s = time.perf_counter(), time.process_time()
        await writer.load()
        took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
        engine = writer.engine
        same = engine.snapshot()[0] == expected
        replayed = engine.seq - writer.snapshot_at
        print(
            f"  {name:<28} {took_s:6.2f} s ({cpu_s:.2f} s CPU)  {replayed:>9,} commands done again, "
            f"{(cpu_s / replayed * 1e6 if replayed else 0):5.1f} µs each   {'same state' if same else 'ANOTHER STATE'}"
        )
        return {"name": name, "seconds": took_s, "cpu_seconds": cpu_s, "replayed": replayed, "same": same}


async def measure(url: str, count: int, batch_size: int, seed: int) -> list[dict[str, Any]]:
    """Write, then read back both ways."""
    journal = Journal(url)
    await journal.database.connect()
    await migrate(journal.database, MIGRATIONS)
    started_s = time.perf_counter()
    state, earlier = await journal.write(count, batch_size, seed)
    print(f"{count:,} journalled commands, written in {time.perf_counter() - started_s:.0f} s")
    results = [await journal.read("restart, no snapshot", state)]
    seq = msgspec.msgpack.decode(earlier, type=EngineState).seq
    await journal.store.save_snapshot(seq, earlier, zlib.crc32(earlier))
    results.append(await journal.read("restart, from a snapshot", state))
    await journal.database.close()
    return results


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--commands", type=int, default=1_000_000)
    options.add_argument("--batch", type=int, default=BATCH)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", type=Path)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="outcry-journal-"))
    folder.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = EmbeddedPostgres(folder / "postgres", port, secrets.token_urlsafe(16), durable=False)
    server.prepare()
    running = process.spawn(server.process(), folder / "postgres.log")
    try:
        assert asyncio.run(process.wait_ready(server.process(), running)), (folder / "postgres.log").read_text()
        create_database(server.admin_url("postgres"), "journal")
        password = secrets.token_urlsafe(16)
        create_rooms(server.admin_url("journal"), {"matching_engine": password})
        url = role_url(server.admin_url("journal"), "matching_engine", password)
        results = asyncio.run(measure(url, chosen.commands, chosen.batch, chosen.seed))
    finally:
        asyncio.run(process.stop(server.process(), running))
        shutil.rmtree(folder)
    if chosen.json is not None:
        chosen.json.write_text(
            json.dumps({"commands": chosen.commands, "batch": chosen.batch, "results": results}, indent=2)
        )


if __name__ == "__main__":
    main()
