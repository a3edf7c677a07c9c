"""A client of ``/ws`` for tests: says something, and waits for what it means to hear."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.e2e.exchange import Exchange, User

WAIT_S = 15


class Client:
    """A connection. ``heard`` are all messages in their order; answers are found by the ``id`` of what was said."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.heard: list[dict[str, Any]] = []
        self._ids = count(1)
        self._news = asyncio.Event()

    async def listen(self) -> None:
        async for text in self.socket:
            self.heard.append(json.loads(text))
            self._news.set()

    async def say(self, **message: Any) -> str:
        """Sends a message; the ``id`` that its answer will have."""
        name = str(next(self._ids))
        await self.socket.send(json.dumps({"id": name, **message}))
        return name

    async def ask(self, **message: Any) -> dict[str, Any]:
        """The answer to a message, an error included."""
        return await self.answer(await self.say(**message))

    async def answer(self, name: str) -> dict[str, Any]:
        return (await self.until(lambda m: m.get("id") == name))[-1]

    async def until(self, wanted: Any, number: int = 1) -> list[dict[str, Any]]:
        """All messages of a kind, once there are so many."""
        async with asyncio.timeout(WAIT_S):
            while True:
                self._news.clear()
                found = [message for message in self.heard if wanted(message)]
                if len(found) >= number:
                    return found
                await self._news.wait()

    async def ended(self) -> tuple[int | None, str | None]:
        """Code and reason with which the exchange closed the connection, once it has."""
        async with asyncio.timeout(WAIT_S):
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason

    async def sign_in(self, user: User, **more: Any) -> dict[str, Any]:
        answer = await self.ask(type="auth", token=user.token, **more)
        assert answer["type"] == "authenticated", answer
        return answer


@asynccontextmanager
async def connected(exchange: Exchange) -> AsyncIterator[Client]:
    """A client that listens for as long as the block runs."""
    async with connect(exchange.url.replace("http", "ws") + "/ws", max_size=None) as socket:
        client = Client(socket)
        listening = asyncio.create_task(client.listen())
        try:
            yield client
        finally:
            listening.cancel()
