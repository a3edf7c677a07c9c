"""Who the bots are and what they own: user names, passwords that only this machine knows, money that lasts."""

import json
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcry.bots.client import Client
from outcry.credentials import write_private

CASH = "USD"
PASSWORD_BYTES = 24


@dataclass(frozen=True)
class Funds:
    """What a bot starts with; it is filled up again when less than a quarter is left. Whole dollars and shares."""

    cash_usd: int
    shares: int

    def wanted(self, asset: str) -> int:
        """How much of an asset it starts with."""
        return self.cash_usd if asset == CASH else self.shares


def names(count: int) -> tuple[list[str], list[str]]:
    """The makers and the takers among ``count`` bots: every fourth one takes, and of two or three the last one."""
    takers = max(1, count // 4) if count > 1 else 0
    makers = count - takers
    return [f"bot_maker_{n + 1}" for n in range(makers)], [f"bot_taker_{n + 1}" for n in range(takers)]


def load_or_create_passwords(folder: Path, usernames: Iterable[str]) -> dict[str, str]:
    """The bots' passwords by user name, out of the folder of secrets; those that are missing are made, and kept."""
    path = folder / "bots.json"
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in usernames if name not in kept]
    if missing:
        kept |= {name: secrets.token_urlsafe(PASSWORD_BYTES) for name in missing}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, json.dumps(kept, indent=1))
    return kept


async def join(client: Client) -> None:
    """Makes the user and its wallet where they are missing. Raises Refused, Away."""
    await client.register()
    await client.post("/wallet/create")


async def fill_up(client: Client, funds: Funds, symbols: Iterable[str]) -> None:
    """Pays in what is missing. The balance is read first, so that a payment whose answer got lost is not made again.

    Raises Refused, Away.
    """
    balance = await client.get("/wallet/balance")
    available = {row["asset"]: _whole(row) for row in balance["balances"]}
    for asset in (CASH, *symbols):
        wanted, there = funds.wanted(asset), available.get(asset, 0)
        if there < wanted // 4:
            body = {"asset": asset, "amount": wanted - there, "request_id": str(uuid.uuid4())}
            await client.post("/wallet/add-funds", body)


def _whole(row: dict[str, Any]) -> int:
    """What is available of an asset, in whole dollars or shares."""
    return int(str(row["available"]).partition(".")[0])
