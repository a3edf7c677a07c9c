"""An order over FIX beside the same order over HTTP: how long each client waits for its answer.

`python -m benchmarks.fix` starts an exchange of its own. One connection of each kind, one order at a time, by turns, so
that whatever else the machine does meets both. FIX is measured from the NewOrderSingle to its first ExecutionReport.
"""

import argparse
import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from importlib.util import find_spec

from benchmarks.connection import Address, Connection, with_body
from benchmarks.exchange import own_exchange
from benchmarks.tally import percentile
from services.fix_gateway.wire import Fields, Framer, Message, message_text

WARM_UP = 100
CANCEL_EVERY = 100
PASSWORD = secrets.token_urlsafe(16)
ORDER = {"symbol": "AMZN", "side": "BUY", "quantity": "1", "price": "170.00", "time_in_force": "GTC"}
FIX_ORDER: Fields = [(55, "AMZN"), (54, "1"), (38, "1"), (40, "2"), (44, "170.00"), (59, "1")]


class FixConnection:
    """A FIX client that counts its own numbers and reads what comes."""

    def __init__(self, user: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._user = user
        self._reader = reader
        self._writer = writer
        self._framer = Framer(1 << 16)
        self._heard: list[str] = []
        self._number = 0

    async def ask(self, kind: str, fields: Fields) -> Message:
        """Says something; the next message that is heard."""
        self._number += 1
        head = [(35, kind), (49, self._user), (56, "OUTCRY"), (34, str(self._number)), (52, now())]
        self._writer.write(message_text([*head, *fields]).encode())
        return await self.hear()

    async def hear(self) -> Message:
        while not self._heard:
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionError("the FIX gateway closed the connection")
            self._heard += self._framer.feed(data)
        return Message(self._heard.pop(0))


def now() -> str:
    return f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]


async def measure(url: str, fix_port: int, orders: int) -> dict[str, list[float]]:
    """Seconds until the answer of each order, by kind."""
    address = Address(url)
    async with address.connection() as http:
        users = {kind: await register(address, http, kind) for kind in ("http", "fix")}
        name, _ = users["fix"]
        reader, writer = await asyncio.open_connection("127.0.0.1", fix_port)
        fix = FixConnection(name, reader, writer)
        answer = await fix.ask("A", [(98, "0"), (108, "30"), (553, name), (554, PASSWORD)])
        assert answer.type == "A", answer.get(58)
        mine = {"Authorization": f"Bearer {users['http'][1]}"}
        message = with_body(address.head("POST", "/v1/order", mine), json.dumps(ORDER).encode())

        async def over_http() -> bool:
            return (await http.request(message)).status == 201

        async def over_fix() -> bool:
            report = await fix.ask("D", [(11, secrets.token_hex(8)), *FIX_ORDER, (60, now())])
            return report.get(150) == "0"

        found: dict[str, list[float]] = {"http": [], "fix": []}
        ways: dict[str, Callable[[], Awaitable[bool]]] = {"http": over_http, "fix": over_fix}
        for number in range(WARM_UP + orders):
            for kind, way in ways.items():
                began_s = time.perf_counter()
                assert await way(), f"an order over {kind} was refused"
                if number >= WARM_UP:
                    found[kind].append(time.perf_counter() - began_s)
            if number % CANCEL_EVERY == CANCEL_EVERY - 1:
                await http.request(address.head("DELETE", "/v1/orders", mine) + b"\r\n")
                await cancel_all(fix)
        writer.close()
        return found


async def cancel_all(fix: FixConnection) -> None:
    """Ends the FIX client's orders, and hears of each."""
    report = await fix.ask("q", [(11, secrets.token_hex(8)), (530, "7"), (60, now())])
    ended = 0
    while report.type != "r":
        ended += 1
        report = await fix.hear()
    for _ in range(int(report.get(533)) - ended):
        await fix.hear()


async def register(address: Address, connection: Connection, kind: str) -> tuple[str, str]:
    """A user with money: name and token."""
    name = f"bench_{kind}_{secrets.token_hex(4)}"
    body = json.dumps({"username": name, "password": PASSWORD}).encode()
    answer = await connection.request(with_body(address.head("POST", "/auth/register", {}), body))
    token: str = json.loads(answer.body)["token"]
    mine = {"Authorization": f"Bearer {token}"}
    for path, more in (("/wallet/create", {}), ("/wallet/add-funds", {"amount": 1_000_000})):
        await connection.request(with_body(address.head("POST", path, mine), json.dumps(more).encode()))
    return name, token


def main() -> int:
    """The figures as a table; 2 where there is no FIX gateway."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=2000, help="of each kind")
    arguments = parser.parse_args()
    if find_spec("quickfix") is None:
        print("The FIX gateway's engine is not installed: make fix", file=sys.stderr)
        return 2
    with own_exchange() as exchange:
        exchange.start()
        found = asyncio.run(measure(exchange.url, exchange.port("fix_port"), arguments.orders))
        right, said = exchange.audit()
    print(f"{'':6}{'orders':>8}{'p50 ms':>9}{'p90 ms':>9}{'p99 ms':>9}")
    for kind, times in found.items():
        spread = [f"{percentile(sorted(times), percent) * 1000:9.2f}" for percent in (50, 90, 99)]
        print(f"{kind:6}{len(times):8}{''.join(spread)}")
    print("audit: right" if right else f"audit: {said}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
