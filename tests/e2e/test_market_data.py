"""Market data as clients see it: the recipe of docs/market-data.md leads through every gap to the engine's own book."""

import asyncio
import contextlib
import json
import random
import re
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, BookQuery, BookState
from shared.contracts.money import money_text
from shared.contracts.operations import GATEWAY
from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.faults import metrics
from tests.e2e.load import Load, traders
from tests.market_client import FollowedBook, RecipeClient

SYMBOL = "MSFT"


def socket_url(exchange: Exchange) -> str:
    return exchange.url.replace("http", "ws") + "/ws"


async def engines_queue(exchange: Exchange) -> list[tuple[str, str, str, str]]:
    """The engine's own book, order by order: id, side, price, quantity that shows."""
    secret = json.loads((exchange.home / "secrets" / "secrets.json").read_text())["services"][GATEWAY]
    clients = Clients(secret, lambda _: f"http://127.0.0.1:{exchange.ports['MATCHING_ENGINE_PORT']}")
    state = await clients.call(GET_BOOK, BookQuery(symbol=SYMBOL))
    clients.close()
    assert isinstance(state, BookState)
    sides = {1: "bids", 2: "asks"}
    rows = [
        (str(one.order_id), sides[one.side], money_text(one.price), str(one.open_quantity - one.hidden_quantity))
        for one in state.orders
    ]
    bids = sorted((row for row in rows if row[1] == "bids"), key=lambda row: -float(row[2]))
    return bids + sorted((row for row in rows if row[1] == "asks"), key=lambda row: float(row[2]))


@contextlib.asynccontextmanager
async def following(client: RecipeClient) -> AsyncIterator[None]:
    task = asyncio.create_task(client.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def said(feed: ClientConnection) -> AsyncIterator[dict[str, Any]]:
    """What comes, one after the other."""
    async for text in feed:
        yield json.loads(text)


async def until(found: Any, wait_s: float = 30.0) -> None:
    """Returns once ``found()`` is true. Raises TimeoutError if that takes too long."""
    async with asyncio.timeout(wait_s):
        while not found():
            await asyncio.sleep(0.02)


async def restarted(exchange: Exchange, part: str) -> None:
    """Kills a part and returns once it, and the exchange with it, is back."""
    before = exchange.pid(part)
    exchange.kill(part)
    await until(lambda: exchange.pid(part) not in (0, before))
    assert await asyncio.to_thread(eventually, exchange.ready, bool, 60)


async def test_the_recipe_leads_through_every_gap(exchange: Exchange) -> None:
    """Dropped messages, lost connections, Valkey and market-data killed: in the end the book is the engine's."""
    dice = random.Random(5)
    client = RecipeClient(socket_url(exchange), SYMBOL, drops=lambda: dice.random() < 0.05)
    careful = RecipeClient(socket_url(exchange), SYMBOL)
    users = await asyncio.to_thread(traders, exchange, 2)
    async with following(client), following(careful):
        load = Load(exchange, users, seed=3)
        with load:
            await until(lambda: client.seen["lost"] >= 3)
            client.cut()
            await until(lambda: client.seen["connected"] == 2)
            for part in ("valkey", "market-data"):
                snapshots = careful.seen["snapshot"]
                await restarted(exchange, part)
                await until(lambda before=snapshots: careful.seen["snapshot"] >= before + 2)
                await asyncio.to_thread(load.wait_for_orders, 10)
        assert careful.seen["connected"] == 1, "the gateway healed itself, its client stayed connected"
        assert careful.seen["interrupted"] >= 2, "and was told"
        assert careful.seen["lost"] == 0
        expected = await engines_queue(exchange)
        assert expected, "the load left orders behind"
        for one in (client, careful):
            with contextlib.suppress(TimeoutError):
                await until(lambda one=one: one.books["L3"].queue() == expected)
            assert one.books["L3"].queue() == expected
            assert one.books["L2"].side("bids") == one.books["L3"].side("bids")
            assert one.books["L2"].side("asks") == one.books["L3"].side("asks")


SHOUTS = 1000
"""Are sent at a time: so few that a gateway which no longer reads them keeps nobody waiting."""


def slow_readers(exchange: Exchange) -> float:
    """How many readers the gateway has dropped for being slow."""
    (count,) = re.findall(r"^outcry_slow_readers_total (\S+)$", metrics(exchange.ports["CLIENT_GATEWAY_PORT"]), re.M)
    return float(count)


async def test_a_slow_reader_is_told_and_dropped(exchange: Exchange) -> None:
    """A client that makes the exchange talk and does not listen is told so and ended; others go on as before."""
    ask = json.dumps({"type": "shout", "id": "x" * 64})
    heard: list[str] = []
    before, shouts = slow_readers(exchange), 0
    async with asyncio.timeout(60), AsyncExitStack() as stack:
        plain = stack.enter_context(socket.socket())
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        plain.connect(("127.0.0.1", exchange.ports["CLIENT_GATEWAY_PORT"]))
        deaf = await stack.enter_async_context(connect(socket_url(exchange), sock=plain, max_queue=1))
        other = await stack.enter_async_context(connect(socket_url(exchange)))
        # Nothing is read before the gateway has had enough: who shouts faster than it answers, and only then reads, is
        # not slow. The library takes in one answer by itself, and no more.
        with contextlib.suppress(ConnectionClosed):
            while await asyncio.to_thread(slow_readers, exchange) == before:
                for _ in range(SHOUTS):
                    await deaf.send(ask)
                shouts += SHOUTS
        await other.send('{"type":"ping"}')
        assert json.loads(await other.recv()) == {"type": "pong"}
        with contextlib.suppress(ConnectionClosed):
            async for text in deaf:
                heard.append(json.loads(text)["code"])
        assert (heard[-1], deaf.close_code) == ("slow_reader", 4008)
        assert len(heard) < shouts


async def test_rest_and_socket_say_the_same(exchange: Exchange) -> None:
    """L1, L2, L3 and the session over REST are what a subscriber gets first, and no user's id is in any of it."""
    seller: User = await asyncio.to_thread(exchange.user, AMZN=30)
    order = await asyncio.to_thread(
        lambda: seller.placed(symbol="AMZN", side="SELL", quantity=30, price="190.25", display_quantity=10)
    )

    def get(path: str) -> Any:
        answer = exchange.http.get(path)
        assert answer.status_code == 200, answer.text
        assert "user" not in answer.text
        return answer.json()

    def shown() -> list[Any]:
        asks: list[Any] = get("/marketdata/orderBook/L3?symbol=AMZN")["asks"]
        return asks

    asks = await asyncio.to_thread(eventually, shown, lambda rows: [order["order_id"], "190.25", "10"] in rows)
    assert [order["order_id"], "190.25", "10"] in asks
    async with connect(socket_url(exchange)) as feed:
        for channel, path in (
            ("L1", "/marketdata/orderBook/L1?symbol=AMZN"),
            ("L2", "/marketdata/orderBook/L2?symbol=AMZN&depth=1000"),
            ("L3", "/marketdata/orderBook/L3?symbol=AMZN"),
            ("session", "/marketdata/session?symbol=AMZN"),
        ):
            await feed.send(json.dumps({"type": "subscribe", "channel": channel, "symbol": "AMZN", "id": channel}))
            # Hearts of the channels before may beat in between.
            heard = (message async for message in said(feed) if message["channel"] == channel)
            subscribed, snapshot = await anext(heard), await anext(heard)
            assert (subscribed["type"], subscribed["id"], len(subscribed["trace_id"])) == ("subscribed", channel, 32)
            answer = await asyncio.to_thread(get, path)
            assert {key: snapshot[key] for key in answer if key in snapshot} == {
                key: value for key, value in answer.items() if key in snapshot
            }
            names = await asyncio.to_thread(
                eventually,
                lambda t=subscribed["trace_id"]: {span["operationName"] for span in exchange.spans(t)},
                lambda found: "WS subscribe" in found,
            )
            assert "WS subscribe" in names, "what a client says is traced"
            if channel in ("L2", "L3"):
                book = FollowedBook()
                book.hear(snapshot)
                assert ("190.25", "10", 1) in book.side("asks")


async def test_tickers_candles_and_trades_follow_a_trade(exchange: Exchange) -> None:
    """One trade moves the last price, the 24 hours, the tape and every candle, over REST and on the socket."""
    seller = await asyncio.to_thread(exchange.user, META=5)
    buyer = await asyncio.to_thread(exchange.user, 10_000)
    wanted = [{"channel": "trades"}, {"channel": "ticker"}, {"channel": "candles", "interval": "1d"}]
    async with connect(socket_url(exchange)) as feed:
        for one in wanted:
            await feed.send(json.dumps({"type": "subscribe", "symbol": "META", **one}))
        await asyncio.to_thread(seller.placed, symbol="META", side="SELL", quantity=5, price="505.5")
        await asyncio.to_thread(buyer.placed, symbol="META", quantity=5, price="505.5")
        heard: dict[str, Any] = {}
        async with asyncio.timeout(10):
            while len(heard) < 3:
                message = json.loads(await feed.recv())
                if message["type"] == "update":
                    heard[message["channel"]] = message
    assert (heard["trades"]["trades"][-1]["price"], heard["ticker"]["last"]) == ("505.50", "505.50")
    assert heard["candles"]["candles"][-1]["close"] == "505.50"
    tickers = await asyncio.to_thread(lambda: exchange.http.get("/marketdata/tickers?symbol=META").json()["tickers"])
    assert [(one["symbol"], one["last"], one["volume"]) for one in tickers] == [
        ("META", "505.50", heard["ticker"]["volume"])
    ]
    candles = await asyncio.to_thread(
        lambda: exchange.http.get("/marketdata/candles?symbol=META&interval=1d&limit=1").json()["candles"]
    )
    assert candles[0]["close"] == "505.50"
