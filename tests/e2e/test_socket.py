"""The WebSocket: a user's own messages, clear errors."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.exchange import Exchange


class Listener:
    """A connected client that can wait for a message of a kind."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; others are passed over."""
        async with asyncio.timeout(10):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.recv())
                if message["type"] == kind:
                    return message


@pytest.fixture
async def listener(exchange: Exchange) -> AsyncIterator[Listener]:
    async with connect(exchange.url.replace("http", "ws") + "/ws") as socket:
        yield Listener(socket)


async def test_a_user_hears_of_own_orders_and_trades(exchange: Exchange, listener: Listener) -> None:
    """After signing in on the socket, a maker hears of the trade that somebody else made happen."""
    seller = await asyncio.to_thread(exchange.user, MSFT=1)
    buyer = await asyncio.to_thread(exchange.user, 1000)
    await listener.say(type="auth", token=seller.token)
    assert (await listener.hear("authenticated"))["user_id"] == str(seller.user_id)
    order = await asyncio.to_thread(seller.placed, symbol="MSFT", side="SELL", quantity=1, price=440)
    heard = await listener.hear("order")
    assert (heard["order_id"], heard["status"]) == (order["order_id"], "OPEN")
    await asyncio.to_thread(buyer.placed, symbol="MSFT", quantity=1, price=440)
    trade = await listener.hear("trade")
    assert (trade["order_id"], trade["role"], trade["price"]) == (order["order_id"], "maker", "440.00")


async def test_who_was_away_reads_what_was_missed(exchange: Exchange) -> None:
    """What the socket would have told can be read afterwards, from the event on that was seen last."""
    user = await asyncio.to_thread(exchange.user, 1000)
    order = await asyncio.to_thread(user.placed, symbol="TSLA", quantity=1, price=200)
    told = await asyncio.to_thread(user.get, "/notifications")
    assert [(m["type"], m["order_id"], m["status"]) for m in told["messages"]] == [("order", order["order_id"], "OPEN")]
    assert (await asyncio.to_thread(user.get, "/notifications", after=told["up_to"]))["messages"] == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "subscribe", "channel": "L2", "symbol": "NOPE"}, "unknown_symbol"),
        ({"type": "subscribe", "channel": "L2", "symbol": "AAPL", "interval": "1m"}, "invalid_interval"),
        ({"type": "subscribe", "channel": "candles", "symbol": "AAPL", "interval": "2m"}, "invalid_interval"),
        ({"type": "unsubscribe", "channel": "gossip", "symbol": "AAPL"}, "unknown_channel"),
        ({"type": "subscribe", "channel": "L2", "symbol": "AAPL", "id": "x" * 65}, "malformed_message"),
        ({"type": "auth", "token": "x" * 300_000}, "message_too_large"),
        ({"type": "subscribe", "channel": "gossip", "symbol": "AAPL"}, "unknown_channel"),
        ({"type": "shout"}, "unknown_type"),
        ({"type": "auth", "token": "a.b.c"}, "invalid_token"),
        ({"colour": "red"}, "malformed_message"),
    ],
)
async def test_a_wrong_message_is_answered_with_an_error(
    listener: Listener, message: dict[str, Any], code: str
) -> None:
    """A mistake is told, and the connection lives on."""
    await listener.say(**message)
    assert (await listener.hear("error"))["code"] == code
    await listener.say(type="ping")
    await listener.hear("pong")
