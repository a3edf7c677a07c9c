"""The load generator against a small HTTP server of which all is known: what it reports must be what happened."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from benchmarks.connection import Address, with_body
from benchmarks.loops import closed_loop, open_loop
from benchmarks.metrics import mean_batches
from benchmarks.tally import TOO_LATE, percentile
from benchmarks.workload import Instrument, Kind, Mids, Trader

AAPL = Instrument("AAPL", tick=100, reference_ticks=15_000)
Respond = Callable[[str, bytes], Awaitable[tuple[int, bytes]]]


@asynccontextmanager
async def server(respond: Respond, cut: int = 0) -> AsyncIterator[Address]:
    """An HTTP server that answers as told. ``cut``: an answer comes in pieces of so many bytes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            length = next((int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.startswith(b"Content-Length:")), 0)
            status, body = await respond(head.split(b"\r\n")[0].decode(), await reader.readexactly(length))
            answer = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nx-trace-id: abc\r\n\r\n%b" % (status, len(body), body)
            step = cut or len(answer)
            for start in range(0, len(answer), step):
                writer.write(answer[start : start + step])
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    async with running:
        yield Address(f"http://127.0.0.1:{port}")


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""


def traders(address: Address, count: int = 1) -> list[Trader]:
    mids = Mids([AAPL], seed=1)
    return [Trader(address, "token", mids, seed) for seed in range(count)]


async def rest(_line: str, _body: bytes) -> tuple[int, bytes]:
    return 201, b'{"order_id":"7","status":"OPEN"}'


@pytest.mark.parametrize("cut", [0, 1, 7])
async def test_answers_are_read_whole(cut: int) -> None:
    """An answer is read whole, however many pieces it arrives in, and the next one on the same connection too."""

    async def echo(_line: str, body: bytes) -> tuple[int, bytes]:
        return 201, body

    async with server(echo, cut) as address, address.connection() as connection:
        for text in (b'{"a":1}', b"", b"x" * 5000):
            reply = await connection.request(with_body(address.head("POST", "/", {}), text))
            assert (reply.status, reply.body, reply.trace_id) == (201, text, "abc")


async def test_open_loop_counts_from_due_time() -> None:
    """A server that stalls once for 0.4 s makes all requests that were due meanwhile slow, not only the one it held."""
    stalled = asyncio.Event()

    async def respond(line: str, body: bytes) -> tuple[int, bytes]:
        if not stalled.is_set():
            stalled.set()
            await asyncio.sleep(0.4)
        return await rest(line, body)

    async with server(respond) as address:
        tally = await open_loop(address, traders(address), 100.0, connections=1, warm_up_s=0.0, seconds=0.8)
    latencies = sorted(value for values in tally.latencies_s.values() for value in values)
    slow = [value for value in latencies if value > 0.1]
    assert len(slow) >= 20
    assert 0.35 < latencies[-1] < 0.8


async def test_closed_loop_measures_after_warm_up_only() -> None:
    """What ends during the warm-up is not counted, and the rate is that of the measured time."""
    ends: list[float] = []

    async def respond(line: str, body: bytes) -> tuple[int, bytes]:
        await asyncio.sleep(0.01)
        ends.append(time.perf_counter())
        return await rest(line, body)

    async with server(respond) as address:
        tally = await closed_loop(address, traders(address), 2, warm_up_s=0.2, seconds=0.4)
    inside = sum(tally.began_s <= end < tally.until_s for end in ends)
    assert inside < len(ends)
    assert abs(sum(tally.by_kind.values()) - inside) <= 4  # those on their way at either end
    assert tally.figures()["orders_per_s"] == round(tally.placed / 0.4, 1)


async def test_outcomes_are_told_apart() -> None:
    """Refusals, late cancels and broken connections are counted each under its own name; late cancels are no errors."""
    turns = iter(range(10**6))

    async def respond(line: str, body: bytes) -> tuple[int, bytes]:
        if line.startswith("DELETE"):
            return 409, b'{"code":"order_not_open"}'
        if next(turns) % 3 == 0:
            return 503, b'{"code":"overloaded"}'
        return await rest(line, body)

    async with server(respond) as address:
        tally = await closed_loop(address, traders(address), 1, warm_up_s=0.0, seconds=0.5)
    assert tally.outcomes["503 overloaded"] == tally.errors > 0
    assert tally.outcomes[TOO_LATE] > 0
    assert tally.outcomes["201"] == tally.placed


async def test_batches_count_their_orders() -> None:
    """Of a batch, the orders that were placed count as orders, and those refused inside it as errors."""

    async def respond(_line: str, body: bytes) -> tuple[int, bytes]:
        placed = [{"status": 201, "order": {}}] * (len(json.loads(body)["orders"]) - 1)
        refused = [{"status": 422, "problem": {"code": "price_collar"}}]
        return 200, json.dumps({"results": placed + refused}, separators=(",", ":")).encode()

    async with server(respond) as address:
        tally = await closed_loop(address, traders(address), 1, warm_up_s=0.0, seconds=0.2, batch=10)
    batches = tally.by_kind[Kind.BATCH]
    assert tally.placed == 9 * batches > 0
    assert tally.errors == batches


def test_the_mix_is_the_stated_one() -> None:
    """Of many requests 45 % rest, 40 % cross and 15 % cancel, and the same seed draws the same ones."""

    def drawn() -> tuple[Counter[Kind], list[bytes]]:
        trader = traders(Address("http://127.0.0.1:1"))[0]
        counts: Counter[Kind] = Counter()
        messages = []
        for _ in range(10_000):
            trader._resting.append(b"1")
            kind, message = trader.next()
            counts[kind] += 1
            messages.append(message)
        return counts, messages

    counts, messages = drawn()
    assert [round(counts[kind] / 100) for kind in (Kind.RESTING, Kind.CROSSING, Kind.CANCEL)] == pytest.approx(
        [45, 40, 15], abs=2
    )
    assert drawn()[1] == messages


def test_resting_orders_do_not_cross_and_crossing_ones_do() -> None:
    """Resting orders stand behind the mid, crossing ones are priced through it by the whole depth."""
    trader = traders(Address("http://127.0.0.1:1"))[0]
    for _ in range(2000):
        trader._resting.clear()
        before = list(trader._mids._offsets)
        kind, message = trader.next()
        order = json.loads(message.split(b"\r\n\r\n")[1])
        behind = round(order["price"] * 100) - AAPL.reference_ticks - trader._mids._offsets[0]
        behind = -behind if order["side"] == "BUY" else behind
        assert (1 <= behind <= 20) if kind is Kind.RESTING else behind == -20
        assert abs(before[0] - trader._mids._offsets[0]) <= 1


def test_percentiles_and_batch_means() -> None:
    """Percentiles are values that occurred, and means of batches are those between two readings."""
    values = [float(number) for number in range(1, 101)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([], 99) == 0.0
    assert mean_batches({"a": (10, 20)}, {"a": (20, 60), "b": (0, 0)}) == {"a": 4.0}
