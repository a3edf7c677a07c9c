"""A client of market data that knows docs/market-data.md and nothing else: it keeps books and says when it is lost."""

import asyncio
import json
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException


class Lost(Exception):
    """What came does not follow on what is known, or the checksum is another: subscribe again."""


class FollowedBook:
    """An L2 or L3 book, kept by the recipe."""

    def __init__(self) -> None:
        self.sequence = -1
        """-1: waits for a snapshot."""
        self.levels: dict[str, dict[str, tuple[str, int]]] = {"bids": {}, "asks": {}}
        """L2: price -> quantity and number of orders."""
        self.orders: dict[str, tuple[str, str, str]] = {}
        """L3: order id -> side, price, quantity; in order of time within each price."""

    def hear(self, message: dict[str, Any]) -> None:
        """One message of the topic. Raises Lost, after which only a snapshot helps."""
        sequence = message.get("sequence", -1)
        try:
            if message["type"] == "snapshot":
                self._begin(message)
            elif message["type"] == "update" and self.sequence >= 0 and sequence > self.sequence:
                if sequence != self.sequence + 1:
                    raise Lost(f"{sequence} came after {self.sequence}")
                self._change(message)
            elif message["type"] == "heartbeat" and 0 <= self.sequence < sequence:
                raise Lost(f"the heart beats at {sequence}, this book is at {self.sequence}")
            else:
                return
            self.sequence = sequence
            if message["checksum"] != self.checksum() if "checksum" in message else False:
                raise Lost(f"the checksum of {sequence} is {message['checksum']}, not {self.checksum()}")
        except Lost:
            self.sequence = -1
            raise

    def checksum(self) -> int:
        """CRC-32 over the ten best levels of each side."""
        sides = [",".join(f"{price}:{quantity}" for price, quantity, _ in self.side(side)[:10]) for side in self.levels]
        return zlib.crc32("|".join(sides).encode())

    def side(self, side: str) -> list[tuple[str, str, int]]:
        """The levels of "bids" or "asks" from the best one on: price, quantity, number of orders."""
        levels = dict(self.levels[side])
        for name, price, quantity in self.orders.values():
            if name == side:
                sum_before, count = levels.get(price, ("0", 0))
                levels[price] = (str(int(sum_before) + int(quantity)), count + 1)
        rows = [(price, quantity, count) for price, (quantity, count) in levels.items()]
        return sorted(rows, key=lambda row: Decimal(row[0]), reverse=side == "bids")

    def queue(self) -> list[tuple[str, str, str, str]]:
        """L3: id, side, price, quantity of every order, bids before asks, each in the order in which they trade."""
        rows = [(order_id, *order) for order_id, order in self.orders.items()]
        bids = sorted((row for row in rows if row[1] == "bids"), key=lambda row: -Decimal(row[2]))
        return bids + sorted((row for row in rows if row[1] == "asks"), key=lambda row: Decimal(row[2]))

    def _begin(self, message: dict[str, Any]) -> None:
        self.levels, self.orders = {"bids": {}, "asks": {}}, {}
        for side in self.levels:
            for row in message[side]:
                if message["channel"] == "L2":
                    self.levels[side][row[0]] = (row[1], row[2])
                else:
                    self.orders[row[0]] = (side, row[1], row[2])

    def _change(self, message: dict[str, Any]) -> None:
        for kind, order_id, *rest in message.get("changes", ()):
            if kind == "add":
                self.orders[order_id] = ("bids" if rest[0] == "BUY" else "asks", rest[1], rest[2])
            elif kind == "quantity":
                side, price, _ = self.orders[order_id]
                self.orders[order_id] = (side, price, rest[0])
            else:
                del self.orders[order_id]
        if message["channel"] == "L2":
            for side, levels in self.levels.items():
                for price, quantity, count in message[side]:
                    levels.pop(price, None)
                    if quantity != "0":
                        levels[price] = (quantity, count)


class RecipeClient:
    """Follows L2 and L3 of a symbol for ever, through whatever happens to messages and connections."""

    def __init__(self, url: str, symbol: str, drops: Callable[[], bool] = lambda: False) -> None:
        """``url``: of the socket. ``drops`` says of each update whether it gets lost on its way."""
        self._url = url
        self._symbol = symbol
        self._drops = drops
        self._socket: ClientConnection | None = None
        self.books = {"L2": FollowedBook(), "L3": FollowedBook()}
        self.seen: Counter[str] = Counter()
        """Messages by type, and "lost", "connected", "dropped"."""

    async def run(self) -> None:
        while True:
            try:
                async with connect(self._url, max_size=None) as self._socket:
                    self.seen["connected"] += 1
                    self.books = {channel: FollowedBook() for channel in self.books}
                    await self._subscribe(self.books)
                    async for text in self._socket:
                        await self._hear(json.loads(text))
            except (OSError, WebSocketException):
                pass
            await asyncio.sleep(0.1)

    def cut(self) -> None:
        """Loses the connection, without a word."""
        assert self._socket is not None
        self._socket.transport.abort()

    async def _subscribe(self, channels: Iterable[str]) -> None:
        assert self._socket is not None
        for channel in channels:
            await self._socket.send(json.dumps({"type": "subscribe", "channel": channel, "symbol": self._symbol}))

    async def _hear(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        assert kind != "error" or message["code"] == "service_unavailable", message
        if kind == "error":
            # The one error that passes by itself: the client asks again.
            await asyncio.sleep(0.2)
            await self._subscribe([channel for channel, book in self.books.items() if book.sequence < 0])
            return
        if kind == "update" and self._drops():
            self.seen["dropped"] += 1
            return
        self.seen[kind] += 1
        try:
            if "channel" in message:
                self.books[message["channel"]].hear(message)
        except Lost:
            self.seen["lost"] += 1
            await self._subscribe([message["channel"]])
