"""The generator's own users: registered, and funded well enough that no run ends for lack of money."""

import json
import secrets
from collections.abc import Sequence
from typing import Any

from benchmarks.connection import Address, Connection, with_body
from benchmarks.workload import Instrument, Mids, Trader

USERS = 32
CASH_USD = 100_000_000
SHARES = 900_000
"""Of each symbol, per user: below the default position limit."""

SEED = 8347


class SetupError(Exception):
    """The exchange refused a step of the set-up. The text says which, with its own words."""


async def make_traders(address: Address, count: int = USERS, seed: int = SEED, only: str = "") -> list[Trader]:
    """Registers and funds ``count`` users and gives back who trades for them, ``only`` one symbol or all.

    Raises SetupError, OSError.
    """
    async with address.connection() as connection:
        listed = await _instruments(address, connection)
        mids = Mids([one for one in listed if only in ("", one.symbol)], seed)
        run = secrets.token_hex(4)
        traders = []
        for number in range(count):
            token = await _register(address, connection, f"bench_{run}_{number}", mids.instruments)
            traders.append(Trader(address, token, mids, seed + 1 + number))
    return traders


async def _instruments(address: Address, connection: Connection) -> list[Instrument]:
    listed = await _ask(connection, address.head("GET", "/marketdata/symbols", {}) + b"\r\n", "GET /marketdata/symbols")
    return [
        Instrument(row["symbol"], _units(row["tick_size"]), _units(row["reference_price"]) // _units(row["tick_size"]))
        for row in listed["symbols"]
    ]


async def _register(address: Address, connection: Connection, name: str, instruments: Sequence[Instrument]) -> str:
    async def post(path: str, body: dict[str, Any], headers: dict[str, str]) -> dict[str, Any]:
        message = with_body(address.head("POST", path, headers), json.dumps(body).encode())
        return await _ask(connection, message, f"POST {path}")

    session = await post("/auth/register", {"username": name, "password": secrets.token_urlsafe(16)}, {})
    token: str = session["token"]
    mine = {"Authorization": f"Bearer {token}"}
    await post("/wallet/create", {}, mine)
    await post("/wallet/add-funds", {"amount": CASH_USD}, mine)
    for instrument in instruments:
        await post("/wallet/add-funds", {"asset": instrument.symbol, "amount": SHARES}, mine)
    return token


async def _ask(connection: Connection, message: bytes, what: str) -> dict[str, Any]:
    reply = await connection.request(message)
    if reply.status not in (200, 201):
        raise SetupError(f"{what} was answered {reply.status}: {reply.body[:300].decode(errors='replace')}")
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


def _units(text: str) -> int:
    """Dollars with up to four decimals as 1/10,000 dollar."""
    dollars, _, decimals = text.partition(".")
    return int(dollars) * 10_000 + int(decimals.ljust(4, "0"))
