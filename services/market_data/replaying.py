"""``python -m services.market_data.replaying FILE SPEED SEED DROPPED``: market-data, with a recorded day for an engine.

It stands in for market-data and, as far as a list of what is traded goes, for the engine; a gateway that is told so
serves the day to its clients as it would a running one. The day begins with the first snapshot that is asked for, and
goes ``SPEED`` times as fast as it was. A share of ``DROPPED`` of the batches gets lost before it is published, by the
seed: what the gateway and its clients do about it is what they would do about a loss.
"""

import asyncio
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import structlog
from fastapi import FastAPI
from opentelemetry.trace import Span
from redis.exceptions import RedisError

from services.market_data.book import BookFaultError
from services.market_data.feed import Feed
from services.market_data.queries import BookQueries
from services.market_data.replay import ReplayedMarket, Row, batches
from shared.contracts import market as contract
from shared.contracts.engine import LIST_INSTRUMENTS, Instrument, InstrumentList, Instruments
from shared.contracts.operations import MARKET, Refused
from shared.service import Service, run
from shared.settings import ServiceSettings, load

log = structlog.get_logger()

ROWS_AT_ONCE = 5000
REFUSED_STATUS = 2
TICK_SIZE = 100
"""The file does not tell the tick; a cent is what it usually is."""

ROWS = """
    SELECT seq, epoch_us(time), symbol, kind, order_id, side, (price * 10000)::BIGINT, quantity, trade_id, session,
           imbalance
    FROM read_parquet(?)"""

SYMBOLS = """
    SELECT symbol, coalesce(min(price) FILTER (kind IN ('trade', 'add')) * 10000, 10000)::BIGINT
    FROM read_parquet(?) GROUP BY symbol ORDER BY symbol"""


class Replay:
    """The day, and how far it is."""

    def __init__(self, file: Path, speed: float, seed: int, dropped: float) -> None:
        """Raises duckdb.Error for what is no such file."""
        self._connection = duckdb.connect()
        self._file = str(file)
        self._speed = speed
        self._seed = seed
        self._dropped = dropped
        self._asked = asyncio.Event()
        symbols = self._connection.execute(SYMBOLS, [self._file]).fetchall()
        self._instruments = tuple(
            [
                Instrument(symbol=symbol, name=symbol, tick_size=TICK_SIZE, lot_size=1, reference_price=price)
                for symbol, price in symbols
            ]
        )
        self.market = ReplayedMarket([symbol for symbol, _ in symbols])
        self._queries = BookQueries(self.market)

    def create_app(self, settings: ServiceSettings) -> FastAPI:
        """What market-data serves, as far as a file can tell it."""
        service = Service(MARKET, settings)
        self._feed = Feed(self.market, service.valkey)
        service.keep_running(self.run)
        service.keep_running(self._feed.run)
        service.serve(contract.GET_ORDER_BOOK, self._queries.order_book)
        service.serve(contract.GET_SNAPSHOT, self.snapshot)
        service.serve(contract.GET_TICKERS, self._queries.tickers)
        service.serve(contract.GET_TRADES, self.history)
        service.serve(contract.GET_CANDLES, self.history)
        service.stand_in(LIST_INSTRUMENTS, self.instruments)
        return service.app

    async def run(self) -> None:
        """Plays the day once, and then stays where it ended."""
        await self._asked.wait()
        loop = asyncio.get_running_loop()
        dice = random.Random(self._seed)  # noqa: S311 - it is to be repeated
        began_s, began_us = loop.time(), 0
        for batch in batches(self._rows(), self._seed):
            began_us = began_us or batch[0].time_us
            due_s = began_s + (batch[-1].time_us - began_us) / 1e6 / self._speed
            await asyncio.sleep(max(0.0, due_s - loop.time()))
            try:
                self.market.apply(batch)
            except BookFaultError as fault:
                log.error("the file contradicts itself", seq=batch[0].seq, fault=str(fault))
                return
            if dice.random() < self._dropped:
                self.market.messages.clear()
            try:
                await self._feed.publish()
            except (RedisError, OSError) as error:
                log.warning("market data not published", error=str(error))
        log.info("the day is over", position=self.market.position)

    async def snapshot(
        self, items: Sequence[contract.SnapshotQuery], spans: Sequence[Span]
    ) -> list[contract.Snapshot | Refused]:
        """The first one begins the day."""
        answers = await self._queries.snapshot(items, spans)
        self._asked.set()
        return answers

    async def history(self, items: Sequence[Any], _spans: Sequence[Span]) -> list[Any]:
        """There is none beside the file itself."""
        return [Refused(code="not_in_a_replay", detail="A replay has no history. Read the file.") for _ in items]

    async def instruments(self, items: Sequence[Instruments], _spans: Sequence[Span]) -> list[InstrumentList]:
        """What is in the file."""
        return [InstrumentList(instruments=self._instruments) for _ in items]

    def _rows(self) -> Iterator[Row]:
        found = self._connection.execute(ROWS, [self._file])
        while rows := found.fetchmany(ROWS_AT_ONCE):
            for row in rows:
                yield Row(*row)


if __name__ == "__main__":
    _, path, speed, seed, dropped = sys.argv
    try:
        replay = Replay(Path(path), float(speed), int(seed), float(dropped))
    except duckdb.Error as error:
        print(f"{path} is no file of a day's events: {error}", file=sys.stderr)
        sys.exit(REFUSED_STATUS)
    loaded = load(ServiceSettings)
    run(MARKET, lambda: replay.create_app(loaded), loaded)
