"""market-data on the real PostgreSQL and Valkey, with an engine that tells what a test says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from services.market_data.app import MIGRATIONS, create_app
from services.market_data.settings import Settings
from services.market_data.store import forget_trades
from shared.contracts.codes import Side
from shared.contracts.engine import BookState, RestingOrder
from shared.contracts.events import EXECUTIONS, EngineEvent
from shared.contracts.market import (
    GET_CANDLES,
    GET_ORDER_BOOK,
    GET_SNAPSHOT,
    GET_TICKERS,
    GET_TRADES,
    QUOTES_KEY,
    BookView,
    Candle,
    Channel,
    Level,
    MarketQuery,
    SnapshotQuery,
    Ticker,
    TickerQuery,
    TopicKey,
)
from shared.contracts.operations import MARKET, Refused
from shared.errors import Unavailable
from shared.settings import ServiceSettings
from tests.fake_engine import FakeEngine, accepted, closed, event, trade
from tests.market_client import FollowedBook
from tests.services import SECRETS, RunningService, running, service_settings

DatabaseUrl = Callable[[str], str]
ANNA, BEN = 1001, 1002
BUY, SELL = Side.BUY, Side.SELL
P150, P151 = 150_0000, 151_0000
QUOTE: dict[str, Any] = {"symbol": "AAPL", "bid": P150 - 100, "ask": P151, "last": P150}
"""After ``a_morning``."""


@asynccontextmanager
async def market_data(engine: FakeEngine, url: str, redis_url: str) -> AsyncIterator[RunningService]:
    """The service beside a running engine, once it is ready."""
    async with running(engine.create_app, service_settings(ServiceSettings, "", redis_url)) as engine_service:
        settings = service_settings(
            Settings, url, redis_url, matching_engine_url=engine_service.url, service_secret=SECRETS[MARKET]
        )
        async with running(create_app, settings) as service:
            if not engine.away:
                await is_ready(service)
            yield service


async def is_ready(service: RunningService) -> None:
    """Returns once the service says that it can do its work."""
    async with asyncio.timeout(10):
        while True:
            if '"ready":true' in await service.get("/ready"):
                return
            await asyncio.sleep(0.02)


async def view(service: RunningService, position: int = 0, symbol: str = "AAPL", depth: int = 20) -> BookView:
    return await service.answer(GET_ORDER_BOOK, MarketQuery(symbol=symbol, position=position, depth=depth))


def levels(*rows: tuple[int, int, int]) -> tuple[Level, ...]:
    return tuple([Level(price=price, quantity=quantity, order_count=count) for price, quantity, count in rows])


def a_morning(time_us: int) -> list[EngineEvent]:
    """Two bids and an ask come to rest, a sale meets the best bid in part, and that bid's rest is cancelled."""
    return [
        event(1, accepted(1, ANNA, BUY, P150, 10), order_id=1, time_us=time_us),
        event(2, accepted(2, ANNA, BUY, P150 - 100, 7), order_id=2, time_us=time_us),
        event(3, accepted(3, BEN, SELL, P151, 5), order_id=3, time_us=time_us),
        event(4, trade(1, (4, BEN, 0), (1, ANNA, 4), P150, 6, SELL), closed(4, BEN, SELL), order_id=4, time_us=time_us),
        event(5, closed(1, ANNA, BUY, "CANCELLED", 4), order_id=1, time_us=time_us),
    ]


async def test_events_make_the_book_the_trades_and_the_ticker(database_url: DatabaseUrl, redis_url: str) -> None:
    """What the engine tells is what everybody sees: levels, trades, ticker, each no older than asked for."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        empty = await view(service)
        assert (empty.bids, empty.asks) == ((), ())
        events = a_morning(time.time_ns() // 1000)
        await service.send(EXECUTIONS, events)
        book = await view(service, position=5)
        assert (book.bids, book.asks) == (levels((P150 - 100, 7, 1)), levels((P151, 5, 1)))
        assert book.sequence > empty.sequence
        found = await service.answer(GET_TRADES, MarketQuery(symbol="AAPL", position=5))
        assert [(one.trade_id, one.price, one.quantity, one.side) for one in found.trades] == [(1, P150, 6, SELL)]
        tickers = await service.answer(GET_TICKERS, TickerQuery(position=5))
        traded = Ticker(**QUOTE, day_volume=6, open=P150, high=P150, low=P150, volume=6, trade_count=1)
        none = dict.fromkeys(Ticker.__struct_fields__, 0)
        assert tickers.tickers == (traded, Ticker(**none | {"symbol": "MSFT"}))  # type: ignore[arg-type]
        quote = json.loads(await service.redis.hget(QUOTES_KEY, "AAPL") or "null")
        assert quote == QUOTE
        assert service.spans.tree(events[0].traceparent) == {"update_book": {}}
        assert service.spans.tree(events[3].traceparent) == {"update_book": {"INSERT trades": {}, "INSERT candles": {}}}


async def test_unknown_symbols_are_refused(database_url: DatabaseUrl, redis_url: str) -> None:
    """A symbol that the engine does not list has no book, trades or candles here, and that is said."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        query = MarketQuery(symbol="NONE")
        for answer in (
            await service.call(GET_ORDER_BOOK, query),
            await service.call(GET_TRADES, query),
            await service.call(GET_CANDLES, query),
        ):
            assert isinstance(answer, Refused)
            assert answer.code == "unknown_symbol"


class Listener:
    """Follows topics as a gateway does: first the channels in Valkey, then a snapshot of each."""

    def __init__(self, service: RunningService, redis_url: str) -> None:
        self._service = service
        self._redis: Redis = Redis.from_url(redis_url)
        self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        self.snapshots: dict[str, Any] = {}

    async def follow(self, *keys: TopicKey) -> None:
        await self._pubsub.subscribe(*[key.valkey_channel for key in keys])
        for _ in keys:
            await self._pubsub.get_message(timeout=5)
        for key in keys:
            query = SnapshotQuery(channel=key.channel, symbol=key.symbol, interval=key.interval)
            found = await self._service.answer(GET_SNAPSHOT, query)
            self.snapshots[key.channel] = json.loads(bytes(found.message))

    async def hear(self, kind: str, channel: Channel) -> dict[str, Any]:
        """The next message of this kind of a channel; others are passed over."""
        while True:
            message = await self.next()
            if (message["type"], message["channel"]) == (kind, channel):
                return message

    async def next(self) -> dict[str, Any]:
        """The next message, once it is sure that it says in front what it is."""
        async with asyncio.timeout(10):
            while (heard := await self._pubsub.get_message(timeout=1)) is None:
                pass
        head, _, body = heard["data"].partition(b"\n")
        message: dict[str, Any] = json.loads(body)
        assert head.decode() == f"{message['type']} {message['sequence']}"
        return message

    async def close(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]
        await self._redis.aclose()


async def test_updates_lead_on_from_a_snapshot(database_url: DatabaseUrl, redis_url: str) -> None:
    """Whoever follows the books' channels ends where the book is, without a gap in the numbers."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        listener = Listener(service, redis_url)
        await listener.follow(*[TopicKey(channel, "AAPL") for channel in (Channel.L1, Channel.L2, Channel.L3)])
        books = {Channel.L2: FollowedBook(), Channel.L3: FollowedBook()}
        for channel, book in books.items():
            book.hear(listener.snapshots[channel])
        events = a_morning(time.time_ns() // 1000)
        await service.send(EXECUTIONS, events[:3])
        await service.reached(EXECUTIONS, 3)
        await service.send(EXECUTIONS, events[3:], after=3)
        target = (await view(service, position=5)).sequence
        best = listener.snapshots[Channel.L1]
        while {book.sequence for book in books.values()} != {target}:
            message = await listener.next()
            if message["channel"] in books:
                books[message["channel"]].hear(message)
            elif message["sequence"] == best["sequence"] + 1:
                best = message
        for book in books.values():
            assert (book.side("bids"), book.side("asks")) == ([("149.99", "7", 1)], [("151.00", "5", 1)])
        assert books[Channel.L3].queue() == [("2", "bids", "149.99", "7"), ("3", "asks", "151.00", "5")]
        assert (best["bid"], best["ask"]) == (["149.99", "7", 1], ["151.00", "5", 1])
        await listener.close()


async def test_trades_move_tape_candles_and_ticker(database_url: DatabaseUrl, redis_url: str) -> None:
    """A trade is told once as such, and in its candles and the figures of 24 hours; snapshots have all of it later."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        listener = Listener(service, redis_url)
        minute = TopicKey(Channel.CANDLES, "AAPL", "1m")
        tape, ticker = TopicKey(Channel.TRADES, "AAPL"), TopicKey(Channel.TICKER, "AAPL")
        await listener.follow(tape, ticker, minute)
        assert listener.snapshots[Channel.TRADES]["trades"] == []
        assert listener.snapshots[Channel.TICKER]["last"] is None
        time_us = time.time_ns() // 1000
        await service.send(EXECUTIONS, a_morning(time_us))
        trade = {"trade_id": "1", "price": "150.00", "quantity": "6", "side": "SELL", "time_us": time_us}
        assert (await listener.hear("update", Channel.TRADES))["trades"] == [trade]
        candle = (await listener.hear("update", Channel.CANDLES))["candles"][0]
        assert (candle["start_s"], candle["close"], candle["volume"]) == (time_us // 60_000_000 * 60, "150.00", "6")
        told = await listener.hear("update", Channel.TICKER)
        assert (told["last"], told["high"], told["change"], told["volume"]) == ("150.00", "150.00", "0.00", "6")
        await listener.follow(tape, ticker, minute)
        assert listener.snapshots[Channel.TRADES]["trades"] == [trade]
        assert listener.snapshots[Channel.CANDLES]["candles"] == [candle]
        assert listener.snapshots[Channel.TICKER]["volume"] == "6"
        await listener.close()


async def test_a_quiet_topic_has_a_heartbeat(database_url: DatabaseUrl, redis_url: str) -> None:
    """Who follows a topic in which nothing happens is told its sequence, and so that nothing was missed."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        listener = Listener(service, redis_url)
        await listener.follow(TopicKey(Channel.SESSION, "MSFT"))
        beat = await listener.hear("heartbeat", Channel.SESSION)
        assert beat["sequence"] == listener.snapshots[Channel.SESSION]["sequence"]
        await listener.close()


async def test_a_start_takes_the_engines_book(database_url: DatabaseUrl, redis_url: str) -> None:
    """The book comes from the engine as it stands; events that are in it already only add trades and candles."""
    engine = FakeEngine()
    orders = (RestingOrder(order_id=2, user_id=ANNA, side=BUY, price=P150 - 100, open_quantity=7),)
    engine.books["AAPL"] = BookState(symbol="AAPL", position=4, last_price=P150, orders=orders)
    async with market_data(engine, database_url(MARKET), redis_url) as service:
        assert (await view(service)).bids == levels((P150 - 100, 7, 1))
        events = a_morning(time.time_ns() // 1000)
        await service.send(EXECUTIONS, [*events[:4], event(5, accepted(5, BEN, SELL, P151, 1))])
        book = await view(service, position=5)
        assert (book.bids, book.asks) == (levels((P150 - 100, 7, 1)), levels((P151, 1, 1)))
        found = await service.answer(GET_TRADES, MarketQuery(symbol="AAPL", position=5))
        assert len(found.trades) == 1


async def test_a_restart_keeps_trades_and_starts_a_higher_sequence(database_url: DatabaseUrl, redis_url: str) -> None:
    """After a restart the tape goes on where it was, and no client can take the new numbers for the old."""
    engine, url = FakeEngine(), database_url(MARKET)
    async with market_data(engine, url, redis_url) as service:
        await service.send(EXECUTIONS, a_morning(time.time_ns() // 1000))
        before = await view(service, position=5)
    orders = (RestingOrder(order_id=2, user_id=ANNA, side=BUY, price=P150 - 100, open_quantity=7),)
    engine.books["AAPL"] = BookState(symbol="AAPL", position=5, last_price=P150, orders=orders)
    async with market_data(engine, url, redis_url) as service:
        after = await view(service, position=5)
        assert after.bids == before.bids
        assert after.sequence > before.sequence + 1
        ticker = (await service.answer(GET_TICKERS, TickerQuery(position=5))).tickers[0]
        assert (ticker.last, ticker.day_volume, ticker.volume) == (P150, 6, 6)


@pytest.mark.parametrize(
    "wrong",
    [accepted(9, BEN, SELL, P150 - 100, 1), trade(9, (8, BEN, 0), (77, ANNA, 0), P150, 1)],
    ids=["crossed", "unknown maker"],
)
async def test_a_book_that_can_not_be_is_taken_anew(database_url: DatabaseUrl, redis_url: str, wrong: Any) -> None:
    """Where events contradict the book, it is read from the engine again, and listeners are given it as a snapshot."""
    engine = FakeEngine()
    async with market_data(engine, database_url(MARKET), redis_url) as service:
        listener = Listener(service, redis_url)
        await listener.follow(TopicKey(Channel.L2, "AAPL"))
        await service.send(EXECUTIONS, [event(1, accepted(1, ANNA, BUY, P150, 10))])
        before = await view(service, position=1)
        orders = (RestingOrder(order_id=2, user_id=ANNA, side=BUY, price=P150 - 100, open_quantity=7),)
        engine.books["AAPL"] = BookState(symbol="AAPL", position=2, last_price=P150, orders=orders)
        await service.send(EXECUTIONS, [event(2, wrong)], after=1)
        after = await view(service, position=2)
        assert (after.bids, after.asks) == (levels((P150 - 100, 7, 1)), ())
        assert after.sequence > before.sequence + 1
        pushed = await listener.hear("snapshot", Channel.L2)
        assert (pushed["sequence"], pushed["bids"]) == (after.sequence, [["149.99", "7", 1]])
        await listener.close()


async def test_candles_of_any_interval_add_up_the_trades(database_url: DatabaseUrl, redis_url: str) -> None:
    """Candles of stored and of other intervals, and pages of them, are exactly what the trades say."""
    start_s = 1_700_000_000 - 1_700_000_000 % 7200
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        prints = [(0, 100, 1), (30, 120, 2), (59, 90, 3), (61, 95, 4), (400, 80, 5), (4000, 99, 6)]
        events = [
            event(
                seq,
                accepted(seq, ANNA, BUY, price, size),
                trade(seq, (100 + seq, BEN, 0), (seq, ANNA, 0), price, size, SELL),
                time_us=(start_s + at_s) * 1_000_000,
            )
            for seq, (at_s, price, size) in enumerate(prints, 1)
        ]
        await service.send(EXECUTIONS, events)

        async def candles(interval_s: int, **more: Any) -> list[tuple[int, ...]]:
            query = MarketQuery(symbol="AAPL", position=6, interval_s=interval_s, **more)
            found: tuple[Candle, ...] = (await service.answer(GET_CANDLES, query)).candles
            return [(c.start_s - start_s, c.open, c.high, c.low, c.close, c.volume, c.trade_count) for c in found]

        minutes = [(0, 100, 120, 90, 90, 6, 3), (60, 95, 95, 95, 95, 4, 1), (360, 80, 80, 80, 80, 5, 1)]
        assert await candles(60) == [*minutes, (3960, 99, 99, 99, 99, 6, 1)]
        assert await candles(60, limit=1, before=start_s + 360) == [minutes[1]]
        fives = [(0, 100, 120, 90, 95, 10, 4), (300, 80, 80, 80, 80, 5, 1), (3900, 99, 99, 99, 99, 6, 1)]
        assert await candles(300) == fives
        assert await candles(300, limit=2) == fives[1:]
        assert await candles(300, before=start_s + 301) == fives[:2]
        assert await candles(20, limit=1, before=start_s + 60) == [(40, 90, 90, 90, 90, 3, 1)]
        assert await candles(7200) == [(0, 100, 120, 80, 99, 21, 6)]
        refused = await service.call(GET_CANDLES, MarketQuery(symbol="AAPL", interval_s=0))
        assert isinstance(refused, Refused)


async def test_old_trades_are_forgotten(database_url: DatabaseUrl) -> None:
    """Chunk by chunk, up to the day from which they are kept; a symbol's last trade stays for its price."""
    database = await asyncpg.connect(database_url(MARKET), server_settings={"search_path": "market_data"})
    try:
        await database.execute((MIGRATIONS / "0001_market.sql").read_text())
        await database.execute(
            """INSERT INTO trades SELECT symbol, id, 1, 1, 1, id::bigint * 1000000
               FROM unnest(ARRAY['AAPL', 'MSFT']) AS symbol, generate_series(1, 3500) AS id
               WHERE symbol = 'AAPL' OR id <= 2100"""
        )
        await forget_trades(database, ["AAPL", "MSFT", "NONE"], 3001)
        left = await database.fetch("SELECT symbol, min(trade_id), max(trade_id) FROM trades GROUP BY 1 ORDER BY 1")
    finally:
        await database.close()
    assert [tuple(row) for row in left] == [("AAPL", 3001, 3500), ("MSFT", 2100, 2100)]


async def test_trades_page_downward(database_url: DatabaseUrl, redis_url: str) -> None:
    """Trades come newest first, and the page below the last one seen follows on without a gap."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        events = [
            event(
                seq, accepted(seq, ANNA, BUY, P150, 1), trade(seq, (100 + seq, BEN, 0), (seq, ANNA, 0), P150, 1, SELL)
            )
            for seq in range(1, 8)
        ]
        await service.send(EXECUTIONS, events)
        seen, before = [], 0
        while True:
            query = MarketQuery(symbol="AAPL", position=7, limit=3, before=before)
            page = (await service.answer(GET_TRADES, query)).trades
            if not page:
                break
            seen += [one.trade_id for one in page]
            before = page[-1].trade_id
        assert seen == [7, 6, 5, 4, 3, 2, 1]


async def test_events_that_come_again_change_nothing(database_url: DatabaseUrl, redis_url: str) -> None:
    """Events whose storing was lost by PostgreSQL are stored again, and neither book nor volume moves twice."""
    url = database_url(MARKET)
    async with market_data(FakeEngine(), url, redis_url) as service:
        await service.send(EXECUTIONS, a_morning(time.time_ns() // 1000))
        before = await view(service, position=5)
        connection = await asyncpg.connect(url)
        await connection.execute(
            "UPDATE market_data.positions SET seq = 0; DELETE FROM market_data.trades; DELETE FROM market_data.candles"
        )
        await service.send(EXECUTIONS, [event(6, accepted(6, BEN, SELL, P151, 1))], after=5)
        after = await view(service, position=6)
        assert after.bids == before.bids
        assert after.asks == levels((P151, 6, 2))
        ticker = (await service.answer(GET_TICKERS, TickerQuery(position=6))).tickers[0]
        assert (ticker.day_volume, ticker.volume) == (6, 6)
        assert await connection.fetchval("SELECT sum(volume) FROM market_data.candles WHERE interval_s = 60") == 6
        await connection.close()


async def test_events_without_reports_only_move_the_position(database_url: DatabaseUrl, redis_url: str) -> None:
    """An event that tells of no order, such as a barred id, belongs to no symbol and stops nothing."""
    async with market_data(FakeEngine(), database_url(MARKET), redis_url) as service:
        barred = EngineEvent(seq=1, time_us=1, traceparent="", symbol="", order_id=7, reports=())
        await service.send(EXECUTIONS, [barred, event(2, accepted(1, ANNA, BUY, P150, 10))])
        assert (await view(service, position=2)).bids == levels((P150, 10, 1))


async def test_without_an_engine_nothing_is_shown_and_nothing_is_lost(
    database_url: DatabaseUrl, redis_url: str
) -> None:
    """Until the engine gives its books there is no book to see; events wait for it and then all take effect."""
    engine = FakeEngine()
    engine.away = True
    async with market_data(engine, database_url(MARKET), redis_url) as service:
        await service.send(EXECUTIONS, a_morning(time.time_ns() // 1000))
        with pytest.raises(Unavailable):
            await view(service)
        assert '"ready":false' in await service.get("/ready")
        engine.away = False
        await is_ready(service)
        await service.reached(EXECUTIONS, 5)
        assert (await view(service, position=5)).bids == levels((P150 - 100, 7, 1))
        assert len((await service.answer(GET_TRADES, MarketQuery(symbol="AAPL", position=5))).trades) == 1
