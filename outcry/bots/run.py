"""`outcry bots`: all bots in one process, until it is told to end. Quotes stay in the book and are taken over again."""

import asyncio
import random
import signal
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import aiohttp
import structlog
import uvloop

from outcry.bots import accounts
from outcry.bots.client import Away, Client, Refused, session
from outcry.bots.fair_price import FairPrices, Instrument
from outcry.bots.maker import Maker, units
from outcry.bots.taker import Taker
from shared.logs import setup_logs

log = structlog.get_logger()

TAKEN_SHARE = 0.2
"""How many of the orders are the takers'."""

PRICE_STEP_S = 1.0
BACK_OFF_FIRST_S, BACK_OFF_MAX_S = 0.5, 10.0


class Bot(Protocol):
    """What all bots can do."""

    async def arrive(self) -> None: ...

    async def turn(self) -> None: ...


def run(url: str, secrets_folder: Path, count: int, seed: int, orders_per_s: float) -> int:
    """Trades until SIGTERM or SIGINT. Answers the exit status: 0, or 1 when the exchange does not want the bots."""
    setup_logs("bots")
    status = 0
    try:
        uvloop.run(_until_told(_trade(url, secrets_folder, count, seed, orders_per_s)))
    except* Refused as group:
        log.error("the bots end", error=str(group.exceptions[0]))
        status = 1
    return status


async def _until_told(work: Coroutine[Any, Any, None]) -> None:
    """Runs until a signal comes. Raises what the work raises."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _trade(url: str, secrets_folder: Path, count: int, seed: int, orders_per_s: float) -> None:
    makers, takers = accounts.names(count)
    passwords = accounts.load_or_create_passwords(secrets_folder, makers + takers)
    async with session() as http, asyncio.TaskGroup() as group:
        instruments = await _instruments(http, url)
        fair = FairPrices(instruments.values(), seed)
        group.create_task(_wander(fair))
        taken_per_s = orders_per_s * TAKEN_SHARE if takers else 0.0
        for number, name in enumerate(makers + takers):
            # Seeded by name: one bot more leaves what the others do as it was.
            draw = random.Random(f"{seed} {name}")  # noqa: S311 - a game, not a secret
            client = Client(http, url, name, passwords[name])
            if number < len(makers):
                bot: Bot = Maker(client, instruments, fair, draw)
                rate_per_s = (orders_per_s - taken_per_s) / len(makers)
            else:
                bot, rate_per_s = Taker(client, instruments, draw), taken_per_s / len(takers)
            group.create_task(_live(bot, name, draw, rate_per_s))


async def _live(bot: Bot, name: str, draw: random.Random, rate_per_s: float) -> None:
    """A bot's life: turns at random times, and patience with an exchange that is away. Raises Refused."""
    back_off_s = BACK_OFF_FIRST_S
    while True:
        try:
            await bot.arrive()
            while True:
                await asyncio.sleep(draw.expovariate(rate_per_s))
                await bot.turn()
                back_off_s = BACK_OFF_FIRST_S
        except Away as away:
            wait_s = max(back_off_s, away.retry_after_s) * draw.uniform(0.5, 1.5)
            back_off_s = min(back_off_s * 2, BACK_OFF_MAX_S)
            log.warning("waits for the exchange", bot=name, reason=str(away), wait_s=round(wait_s, 1))
            await asyncio.sleep(wait_s)


async def _wander(fair: FairPrices) -> None:
    while True:
        await asyncio.sleep(PRICE_STEP_S)
        fair.step()


async def _instruments(http: aiohttp.ClientSession, url: str) -> Mapping[str, Instrument]:
    """What is listed, and where its price is now; waits for an exchange that is away."""
    visitor = Client(http, url, "", "")
    back_off_s = BACK_OFF_FIRST_S
    while True:
        try:
            listed = await visitor.look("/marketdata/symbols")
            return {row["symbol"]: _instrument(row) for row in listed["symbols"]}
        except Away as away:
            log.warning("waits for the exchange", reason=str(away), wait_s=back_off_s)
            await asyncio.sleep(back_off_s)
            back_off_s = min(back_off_s * 2, BACK_OFF_MAX_S)


def _instrument(row: Mapping[str, str | int | None]) -> Instrument:
    tick, reference = units(str(row["tick_size"])), units(str(row["reference_price"]))
    bid, ask, last = (units(str(row[name])) if row[name] else 0 for name in ("bid", "ask", "last"))
    now = (bid + ask) // 2 if bid and ask else last or reference
    return Instrument(str(row["symbol"]), tick, int(row["lot_size"] or 1), reference // tick, now // tick)
