"""``WS /ws``: market data and a user's own messages, live.

A client sends ``{"type": "subscribe", "channel": "book", "symbol": "AAPL"}`` (or "trades"), and ``{"type": "auth",
"token": "..."}`` to get its own orders and trades. A book begins with a snapshot; deltas follow without a gap in their
sequence numbers; after a ``book_reset`` the client subscribes again for a fresh snapshot. Messages come ready encoded
from Valkey and go out as they are, once encoded for all.
"""

import asyncio
import contextlib
from collections import defaultdict
from typing import Any

import msgspec
import structlog
from fastapi import WebSocket, WebSocketDisconnect
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.client_gateway.api import Api
from services.client_gateway.instruments import Listing
from services.client_gateway.market_routes import book_view
from shared.batching import Clients
from shared.contracts.events import user_channel
from shared.contracts.market import GET_ORDER_BOOK, BookView, MarketQuery, market_channel
from shared.errors import Problem, Unavailable

log = structlog.get_logger()

WAITING_MAX = 1000
"""Messages that may wait for one reader. A reader further behind is told and dropped; the others do not feel it."""

SUBSCRIPTIONS_MAX = 100
MESSAGE_BYTES_MAX = 4096
RETRY_S = 0.5
SUBSCRIBE_S = 5.0
DEPTH = 1000

CLOSE_SLOW = 4008
CLOSE_RESTART = 1012

CHANNELS = ("book", "trades")


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What a client may say."""

    type: str
    channel: str = ""
    symbol: str = ""
    token: str = ""


class Reader:
    """One connected client: what it follows and what waits for it."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self.queue: asyncio.Queue[str | None] = asyncio.Queue(WAITING_MAX)
        self.slow = False
        self.follows: set[tuple[str, str]] = set()
        # Books whose snapshot is being fetched: what comes meanwhile waits here and is sorted out against it.
        self.before_snapshot: dict[str, list[str]] = {}

    def send(self, message: str) -> None:
        """Puts a message in the reader's queue; where that is full, the reader is done."""
        try:
            self.queue.put_nowait(message)
        except asyncio.QueueFull:
            self.slow = True

    async def pump(self) -> None:
        """Sends what waits until the reader is dropped."""
        while not self.slow:
            message = await self.queue.get()
            if message is None:
                return
            await self.socket.send_text(message)
        await self.socket.close(CLOSE_SLOW, "You read too slowly. Connect again and start from a snapshot.")


class Sockets:
    """All connected clients, and the one subscription to Valkey that feeds them."""

    def __init__(self, api: Api, clients: Clients, redis: Redis, listing: Listing) -> None:
        self._api = api
        self._clients = clients
        self._redis = redis
        self._listing = listing
        self._readers: dict[str, dict[Reader, str]] = defaultdict(dict)
        self._pubsub: Any = None
        # Set once Valkey has confirmed the channel: what happens after that is heard.
        self._subscribed: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self._wanted = asyncio.Event()
        self._decode = msgspec.json.Decoder(Said).decode
        self._decode_delta = msgspec.json.Decoder(_Delta).decode

    async def run(self) -> None:
        """Passes on what Valkey publishes. When Valkey is lost all readers are asked to connect again."""
        while True:
            await self._wanted.wait()
            try:
                self._pubsub = self._redis.pubsub()
                await self._pubsub.subscribe(*self._readers)
                async for message in self._pubsub.listen():
                    channel = message["channel"].decode()
                    if message["type"] == "message":
                        self._spread(channel, message["data"].decode())
                    elif message["type"] == "subscribe":
                        self._subscribed[channel].set()
            except (RedisError, OSError, RuntimeError) as error:
                log.warning("live messages are interrupted", error=str(error))
            self._drop_all()
            await asyncio.sleep(RETRY_S)

    def _drop_all(self) -> None:
        """Messages were missed: a fresh start is the only honest answer."""
        self._wanted.clear()
        self._pubsub = None
        self._subscribed.clear()
        for readers in self._readers.values():
            for reader in readers:
                reader.slow = True
                with contextlib.suppress(asyncio.QueueFull):
                    reader.queue.put_nowait("")
        self._readers.clear()

    def _spread(self, channel: str, text: str) -> None:
        kind = "book" if text.startswith('{"type":"book') else "trades"
        for reader, follows in list(self._readers.get(channel, {}).items()):
            if follows == "own":
                reader.send(text)
            elif kind in follows:
                waiting = reader.before_snapshot.get(channel) if kind == "book" else None
                if waiting is not None:
                    waiting.append(text)
                else:
                    reader.send(text)

    async def serve(self, socket: WebSocket) -> None:
        """One client, from its connection to its end."""
        await socket.accept()
        reader = Reader(socket)
        pump = asyncio.create_task(reader.pump())
        try:
            while True:
                await self._hear(reader, await socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            pass  # the client has gone, or was dropped by the pump: either way this is the end of it
        finally:
            await self._forget(reader)
            pump.cancel()
            await asyncio.gather(pump, return_exceptions=True)

    async def _hear(self, reader: Reader, text: str) -> None:
        try:
            if len(text) > MESSAGE_BYTES_MAX:
                raise Problem(413, "message_too_large", f"Send at most {MESSAGE_BYTES_MAX} bytes.")
            said = self._decode(text)
            if said.type == "auth":
                await self._auth(reader, said.token)
            elif said.type == "subscribe":
                await self._subscribe(reader, said)
            elif said.type == "unsubscribe":
                await self._unsubscribe(reader, said)
            elif said.type == "ping":
                reader.send('{"type":"pong"}')
            else:
                raise Problem(422, "unknown_type", "type must be one of auth, subscribe, unsubscribe, ping.")
        except msgspec.DecodeError as error:
            reader.send(_error("malformed_message", str(error)))
        except Problem as problem:
            reader.send(_error(problem.code, problem.detail))
        except Unavailable as error:
            reader.send(_error("service_unavailable", f"The {error.what} does not answer right now. Try again."))

    async def _auth(self, reader: Reader, token: str) -> None:
        identity = await self._api.identify(f"Bearer {token}")
        await self._join(reader, user_channel(identity.user_id), "own")
        reader.send(_text({"type": "authenticated", "user_id": str(identity.user_id)}))

    async def _subscribe(self, reader: Reader, said: Said) -> None:
        if said.channel not in CHANNELS:
            raise Problem(422, "unknown_channel", f"channel must be one of {', '.join(CHANNELS)}.")
        if said.symbol not in self._listing.instruments:
            raise Problem(422, "unknown_symbol", "GET /marketdata/symbols lists what is traded here.")
        if len(reader.follows) >= SUBSCRIPTIONS_MAX:
            raise Problem(422, "too_many_subscriptions", f"One connection may have {SUBSCRIPTIONS_MAX}.")
        reader.follows.add((said.channel, said.symbol))
        channel = market_channel(said.symbol)
        if said.channel == "book":
            reader.before_snapshot[channel] = []
        await self._join(reader, channel, self._kinds(reader, said.symbol))
        reader.send(_text({"type": "subscribed", "channel": said.channel, "symbol": said.symbol}))
        if said.channel == "book":
            await self._snapshot(reader, said.symbol)

    async def _snapshot(self, reader: Reader, symbol: str) -> None:
        """The book as it is, then what came while it was fetched and is newer."""
        channel = market_channel(symbol)
        try:
            view = await self._clients.call(GET_ORDER_BOOK, MarketQuery(symbol=symbol, depth=DEPTH))
        finally:
            waiting = reader.before_snapshot.pop(channel, [])
        if isinstance(view, BookView):
            reader.send(_text({"type": "book_snapshot", **book_view(view)}))
            for text in waiting:
                delta = self._decode_delta(text)
                if (delta.first_sequence or delta.sequence) > view.sequence:
                    reader.send(text)

    async def _unsubscribe(self, reader: Reader, said: Said) -> None:
        reader.follows.discard((said.channel, said.symbol))
        channel, kinds = market_channel(said.symbol), self._kinds(reader, said.symbol)
        if kinds:
            self._readers[channel][reader] = kinds
        else:
            await self._leave(reader, channel)
        reader.send(_text({"type": "unsubscribed", "channel": said.channel, "symbol": said.symbol}))

    def _kinds(self, reader: Reader, symbol: str) -> str:
        return ",".join(channel for channel in CHANNELS if (channel, symbol) in reader.follows)

    async def _join(self, reader: Reader, channel: str, kinds: str) -> None:
        new = not self._readers[channel]
        self._readers[channel][reader] = kinds
        self._wanted.set()
        try:
            if new and self._pubsub is not None:
                await self._pubsub.subscribe(channel)
            await asyncio.wait_for(self._subscribed[channel].wait(), SUBSCRIBE_S)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("valkey", type(error).__name__) from error

    async def _leave(self, reader: Reader, channel: str) -> None:
        readers = self._readers.get(channel)
        if readers is None or readers.pop(reader, None) is None or readers:
            return
        del self._readers[channel]
        self._subscribed.pop(channel, None)
        if self._pubsub is not None:
            # A subscription too many costs little; the loop notices a Valkey that is gone by itself.
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.unsubscribe(channel)

    async def _forget(self, reader: Reader) -> None:
        for channel in [channel for channel, readers in self._readers.items() if reader in readers]:
            await self._leave(reader, channel)


class _Delta(msgspec.Struct):
    """A book message, as far as it tells its place. A reset has no ``first_sequence``."""

    first_sequence: int = 0
    sequence: int = 0


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()


def _error(code: str, detail: str) -> str:
    return _text({"type": "error", "code": code, "detail": detail})
