"""The two ways to send load.

Closed loop: each connection sends its next request when it has the answer to the last one; this finds the capacity.
Open loop: requests are due at fixed times, whatever the exchange does, and a latency counts from when the request was
due, not from when a connection was free for it. A server that stalls cannot hide by holding the generator up
("coordinated omission").
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence

from benchmarks.connection import Address, Connection
from benchmarks.tally import Tally
from benchmarks.websocket import WebSocket
from benchmarks.workload import Kind, Trader

DRAIN_S = 10.0
"""How long answers may take after the end before their requests are given up."""

RECONNECT_S = 0.05
CONNECT_AT_ONCE = 50

OnStart = Callable[[Tally], None]
"""Is told when the load begins; the tally says from when to when it is measured."""


def ignore(_tally: Tally) -> None:
    """Nobody wants to know."""


async def closed_loop(
    address: Address,
    traders: Sequence[Trader],
    connections: int,
    warm_up_s: float,
    seconds: float,
    batch: int = 0,
    on_start: OnStart = ignore,
) -> Tally:
    """Load by so many connections for ``warm_up_s`` + ``seconds``. ``batch`` > 0: orders per POST /v1/orders.

    The traders take turns, so that no one account meets its limit of orders per second.
    """
    began_s = time.perf_counter() + warm_up_s
    tally = Tally(began_s, began_s + seconds)
    on_start(tally)

    turn = itertools.cycle(traders)

    async def work() -> None:
        async with address.connection() as connection:
            while (start_s := time.perf_counter()) < tally.until_s:
                trader = next(turn)
                kind, message = trader.next_batch(batch) if batch else trader.next()
                await _send(connection, trader, kind, message, start_s, tally)

    await asyncio.gather(*(work() for _ in range(connections)))
    return tally


async def socket_loop(
    address: Address,
    traders: Sequence[Trader],
    connections: int,
    in_flight: int,
    warm_up_s: float,
    seconds: float,
    batch: int = 0,
    on_start: OnStart = ignore,
) -> Tally:
    """Like ``closed_loop`` over WebSockets, each of which has ``in_flight`` requests under way all the time."""
    began_s = time.perf_counter() + warm_up_s
    tally = Tally(began_s, began_s + seconds)
    on_start(tally)

    async def ask(socket: WebSocket, trader: Trader) -> None:
        while (start_s := time.perf_counter()) < tally.until_s:
            kind, name, fields = trader.next_said(batch)
            try:
                answer = await socket.ask(name, fields)
            except OSError as error:
                tally.note_failure(error, time.perf_counter())
                return
            tally.note(kind, answer, start_s, time.perf_counter())
            trader.learn(kind, answer)

    async def work(trader: Trader) -> None:
        async with WebSocket(address) as socket:
            await socket.ask(b"auth", b'"token":"%b","channels":[]' % trader.token.encode())
            await asyncio.gather(*(ask(socket, trader) for _ in range(in_flight)))

    await asyncio.gather(*(work(traders[number % len(traders)]) for number in range(connections)))
    return tally


async def open_loop(
    address: Address,
    traders: Sequence[Trader],
    rate_per_s: float,
    connections: int,
    warm_up_s: float,
    seconds: float,
    on_start: OnStart = ignore,
) -> Tally:
    """Load at ``rate_per_s`` requests a second over at most ``connections`` at once."""
    pool = _Pool(address, traders, connections)
    await pool.open()
    first_s = time.perf_counter() + 0.1
    tally = Tally(first_s + warm_up_s, first_s + warm_up_s + seconds)
    on_start(tally)
    number = 0
    while (due_s := first_s + number / rate_per_s) < tally.until_s:
        if (wait_s := due_s - time.perf_counter()) > 0:
            await asyncio.sleep(wait_s)
        now_s = time.perf_counter()
        while due_s <= now_s and due_s < tally.until_s:
            pool.send(due_s, tally)
            number += 1
            due_s = first_s + number / rate_per_s
        await asyncio.sleep(0)
    tally.not_sent = pool.forget_waiting()
    await pool.close()
    return tally


class _Pool:
    """Connections that are free, and requests that wait for one."""

    def __init__(self, address: Address, traders: Sequence[Trader], connections: int) -> None:
        self._free = deque((address.connection(), traders[number % len(traders)]) for number in range(connections))
        self._all = [connection for connection, _ in self._free]
        self._waiting: deque[float] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Opens all connections, a few at a time, so that the run does not begin with a storm of them."""
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)

        async def connect(connection: Connection) -> None:
            async with gate:
                await connection.open()

        await asyncio.gather(*map(connect, self._all))

    def send(self, due_s: float, tally: Tally) -> None:
        """Sends a request that was due at ``due_s``, now or as soon as a connection is free."""
        self._waiting.append(due_s)
        if self._free:
            task = asyncio.create_task(self._work(*self._free.popleft(), tally))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def forget_waiting(self) -> int:
        """Drops the requests that found no connection, and says how many they were."""
        count = len(self._waiting)
        self._waiting.clear()
        return count

    async def close(self) -> None:
        """Waits for what is under way, for ``DRAIN_S`` at most."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=DRAIN_S)
        for connection in self._all:
            connection.close()
        await asyncio.gather(*self._tasks)

    async def _work(self, connection: Connection, trader: Trader, tally: Tally) -> None:
        while self._waiting:
            due_s = self._waiting.popleft()
            kind, message = trader.next()
            await _send(connection, trader, kind, message, due_s, tally)
        self._free.append((connection, trader))


async def _send(
    connection: Connection, trader: Trader, kind: Kind, message: bytes, start_s: float, tally: Tally
) -> None:
    try:
        reply = await connection.request(message)
    except OSError as error:
        tally.note_failure(error, time.perf_counter())
        await asyncio.sleep(RECONNECT_S)
        return
    tally.note(kind, reply, start_s, time.perf_counter())
    trader.learn(kind, reply)
