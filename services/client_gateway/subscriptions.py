"""Market data on ``/ws``: ``subscribe`` to a channel of a symbol, ``unsubscribe``. See docs/market-data.md."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from services.client_gateway.connection import Connection
from services.client_gateway.instruments import Listing
from services.client_gateway.live import Live
from services.client_gateway.socket import Message, Sockets, answer_frame
from services.client_gateway.topics import Topic
from shared.batching import Clients
from shared.contracts.market import (
    GET_SNAPSHOT,
    HEARTBEAT_S,
    INTERVALS_S,
    Channel,
    Snapshot,
    SnapshotQuery,
    TopicKey,
)
from shared.contracts.operations import Refused
from shared.errors import Problem, Unavailable
from shared.tracing import current_traceparent

SUBSCRIPTIONS_MAX = 100
"""Topics that one connection may follow."""

SILENCE_MAX_S = 3 * HEARTBEAT_S
LOOK_EVERY_S = 1.0


class Subscribe(Message, frozen=True, kw_only=True, tag="subscribe"):
    """Follow a topic, or start one over that is followed already. ``interval`` is for candles, "1m" if left out."""

    channel: str
    symbol: str
    interval: str = ""


class Unsubscribe(Message, frozen=True, kw_only=True, tag="unsubscribe"):
    """Follow it no more."""

    channel: str
    symbol: str
    interval: str = ""


class Subscriptions:
    """Which connection follows which topic."""

    def __init__(self, clients: Clients, live: Live, listing: Listing) -> None:
        self._clients = clients
        self._live = live
        self._listing = listing
        self._topics: dict[TopicKey, Topic] = {}
        self._followed: dict[Connection, set[TopicKey]] = {}

    def install(self, sockets: Sockets) -> None:
        sockets.on(Subscribe, self.subscribe)
        sockets.on(Unsubscribe, self.unsubscribe)

    async def run(self) -> None:
        """Looks, for ever, for topics that have fallen silent: their hearts should beat."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            for topic in self._topics.values():
                if time.monotonic() - topic.heard_at_s > SILENCE_MAX_S:
                    topic.refresh()

    async def subscribe(self, connection: Connection, message: Subscribe) -> None:
        """``subscribed``, a snapshot, and from there every message."""
        key = self._key(message)
        followed = self._follows(connection)
        if key not in followed and len(followed) >= SUBSCRIPTIONS_MAX:
            raise Problem(422, "too_many_subscriptions", f"One connection may have {SUBSCRIPTIONS_MAX}.")
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(key, self._ask)
        followed.add(key)
        greeting = answer_frame(message, {"type": "subscribed", **key.named()})
        topic.claims += 1
        try:
            await self._live.follow(key.valkey_channel, topic)
            await topic.join(connection, greeting)
        finally:
            topic.claims -= 1
            if connection not in topic.readers:
                self._forget(connection, key)

    async def unsubscribe(self, connection: Connection, message: Unsubscribe) -> Mapping[str, Any]:
        """Harmless where it was not followed."""
        key = self._key(message)
        self._forget(connection, key)
        return {"type": "unsubscribed", **key.named()}

    def _key(self, message: Subscribe | Unsubscribe) -> TopicKey:
        try:
            channel = Channel(message.channel)
        except ValueError:
            raise Problem(422, "unknown_channel", f"channel must be one of {', '.join(Channel)}.") from None
        if message.symbol not in self._listing.instruments:
            raise Problem(422, "unknown_symbol", "GET /marketdata/symbols lists what is traded here.")
        if channel is not Channel.CANDLES:
            if message.interval:
                raise Problem(422, "invalid_interval", "Only candles have an interval.")
            return TopicKey(channel, message.symbol)
        interval = message.interval or "1m"
        if interval not in INTERVALS_S:
            raise Problem(422, "invalid_interval", f"interval must be one of {', '.join(INTERVALS_S)}.")
        return TopicKey(channel, message.symbol, interval)

    async def _ask(self, key: TopicKey) -> Snapshot:
        query = SnapshotQuery(
            channel=key.channel, symbol=key.symbol, interval=key.interval, traceparent=current_traceparent()
        )
        answer = await self._clients.call(GET_SNAPSHOT, query)
        if isinstance(answer, Refused):
            raise Unavailable("market-data", answer.detail)
        return answer

    def _follows(self, connection: Connection) -> set[TopicKey]:
        if connection not in self._followed:
            self._followed[connection] = set()
            connection.at_end(lambda: self._end(connection))
        return self._followed.get(connection, set())

    def _end(self, connection: Connection) -> None:
        for key in self._followed.pop(connection):
            self._leave(connection, key)

    def _forget(self, connection: Connection, key: TopicKey) -> None:
        self._followed.get(connection, set()).discard(key)
        self._leave(connection, key)

    def _leave(self, connection: Connection, key: TopicKey) -> None:
        topic = self._topics.get(key)
        if topic is None:
            return
        topic.readers.pop(connection, None)
        if topic.idle:
            del self._topics[key]
            self._live.leave(key.valkey_channel)
