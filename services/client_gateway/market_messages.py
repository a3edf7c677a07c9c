"""Market data on ``/ws``: subscribe to a channel of a symbol, and its messages come.

Messages come ready encoded from Valkey and go out as they are, one frame for all. A book begins with a snapshot; deltas
follow without a gap in their sequence numbers; after a ``book_reset`` the client subscribes again.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from services.client_gateway.connection import CLOSE_RESTART, Connection
from services.client_gateway.frames import text_frame
from services.client_gateway.instruments import Listing
from services.client_gateway.live import Live
from services.client_gateway.market_routes import book_view
from services.client_gateway.socket import Message, Sockets
from shared.batching import Clients
from shared.contracts.market import GET_ORDER_BOOK, BookView, MarketQuery, market_channel
from shared.errors import Problem

SUBSCRIPTIONS_MAX = 100
DEPTH = 1000
CHANNELS = ("book", "trades")


class Subscribe(Message, frozen=True, kw_only=True, tag="subscribe"):
    channel: str
    symbol: str


class Unsubscribe(Message, frozen=True, kw_only=True, tag="unsubscribe"):
    channel: str
    symbol: str


class _Place(msgspec.Struct):
    """A book message, as far as it tells its place. A reset has no ``first_sequence``."""

    first_sequence: int = 0
    sequence: int = 0


class Topic:
    """The readers of one symbol's channel, and what came for those whose snapshot is being fetched."""

    def __init__(self) -> None:
        self.book: dict[Connection, list[bytes] | None] = {}
        self.trades: dict[Connection, None] = {}

    def hear(self, data: bytes) -> None:
        frame = text_frame(data)
        if data.startswith(b'{"type":"book'):
            for connection, waiting in list(self.book.items()):
                if waiting is None:
                    connection.write(frame)
                else:
                    waiting.append(data)
        else:
            for connection in list(self.trades):
                connection.write(frame)

    def interrupted(self) -> None:
        """Messages are missed: a fresh start is the only honest answer."""
        for connection in {**self.book, **self.trades}:
            connection.end(CLOSE_RESTART, "Market data is interrupted. Connect again and start from a snapshot.")

    def resumed(self) -> None:
        """Whoever is here came after the interruption."""


class MarketMessages:
    """Answers ``subscribe`` and ``unsubscribe``."""

    def __init__(self, clients: Clients, live: Live, listing: Listing) -> None:
        self._clients = clients
        self._live = live
        self._listing = listing
        self._topics: dict[str, Topic] = {}
        self._counts: dict[Connection, set[tuple[str, str]]] = {}
        self._decode = msgspec.json.Decoder(_Place).decode

    def install(self, sockets: Sockets) -> None:
        sockets.on(Subscribe, self.subscribe)
        sockets.on(Unsubscribe, self.unsubscribe)

    async def subscribe(self, connection: Connection, message: Subscribe) -> Mapping[str, Any] | None:
        if message.channel not in CHANNELS:
            raise Problem(422, "unknown_channel", f"channel must be one of {', '.join(CHANNELS)}.")
        if message.symbol not in self._listing.instruments:
            raise Problem(422, "unknown_symbol", "GET /marketdata/symbols lists what is traded here.")
        follows = self._follows(connection)
        if len(follows) >= SUBSCRIPTIONS_MAX:
            raise Problem(422, "too_many_subscriptions", f"One connection may have {SUBSCRIPTIONS_MAX}.")
        follows.add((message.channel, message.symbol))
        topic = self._topics.setdefault(message.symbol, Topic())
        if message.channel == "book":
            topic.book[connection] = []
        else:
            topic.trades[connection] = None
        await self._live.follow(market_channel(message.symbol), topic)
        connection.send({"type": "subscribed", "channel": message.channel, "symbol": message.symbol})
        if message.channel == "book":
            await self._snapshot(connection, topic, message.symbol)
        return None

    async def unsubscribe(self, connection: Connection, message: Unsubscribe) -> Mapping[str, Any]:
        self._follows(connection).discard((message.channel, message.symbol))
        self._forget(connection, message.symbol, message.channel)
        return {"type": "unsubscribed", "channel": message.channel, "symbol": message.symbol}

    async def _snapshot(self, connection: Connection, topic: Topic, symbol: str) -> None:
        """The book as it is, then what came while it was fetched and is newer."""
        view = await self._clients.call(GET_ORDER_BOOK, MarketQuery(symbol=symbol, depth=DEPTH))
        waiting = topic.book.get(connection) or []
        if connection in topic.book:
            topic.book[connection] = None
        if isinstance(view, BookView):
            connection.send({"type": "book_snapshot", **book_view(view)})
            for data in waiting:
                place = self._decode(data)
                if (place.first_sequence or place.sequence) > view.sequence:
                    connection.write(text_frame(data))

    def _follows(self, connection: Connection) -> set[tuple[str, str]]:
        if connection not in self._counts:
            self._counts[connection] = set()
            connection.at_end(lambda: self._end(connection))
        return self._counts[connection]

    def _end(self, connection: Connection) -> None:
        for channel, symbol in self._counts.pop(connection):
            self._forget(connection, symbol, channel)

    def _forget(self, connection: Connection, symbol: str, channel: str) -> None:
        topic = self._topics.get(symbol)
        if topic is None:
            return
        if channel == "book":
            topic.book.pop(connection, None)
        else:
            topic.trades.pop(connection, None)
        if not topic.book and not topic.trades:
            del self._topics[symbol]
            self._live.leave(market_channel(symbol))
