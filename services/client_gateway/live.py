"""The gateway's one subscription to Valkey: what is published on a channel goes to the one who hears it here."""

import asyncio
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared.errors import Unavailable

log = structlog.get_logger()

RETRY_S = 0.5
CONFIRM_S = 5.0
ALWAYS = "client-gateway:live"
"""A channel on which nobody publishes: the library takes a subscription to nothing for the end."""


class Hearer(Protocol):
    """Who hears a channel."""

    def hear(self, data: bytes) -> None:
        """A message."""

    def interrupted(self) -> None:
        """Valkey is lost: from now on messages are missed."""

    def resumed(self) -> None:
        """From now on messages are heard again."""


class Live:
    """Follows channels through all outages of Valkey. ``run`` is to be kept running."""

    def __init__(self, redis_url: str) -> None:
        # Without the library's own second tries: it would connect again in silence, and nobody knew what was missed.
        retry = Retry(NoBackoff(), 0)
        self._redis: Redis = Redis.from_url(redis_url, socket_connect_timeout=2, health_check_interval=0, retry=retry)
        self._hearers: dict[str, Hearer] = {}
        # Of all channels that Valkey was told of. Set once it has confirmed: what is published after that is heard.
        self._confirmed: dict[str, asyncio.Event] = {}
        self._interrupted: set[str] = set()
        self._changed = asyncio.Event()

    async def follow(self, channel: str, hearer: Hearer) -> None:
        """Returns once everything that is published on the channel will be heard. Raises Unavailable without Valkey."""
        self._hearers[channel] = hearer
        self._changed.set()
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        try:
            await asyncio.wait_for(confirmed.wait(), CONFIRM_S)
        except TimeoutError as error:
            raise Unavailable("valkey", "it does not confirm a subscription") from error

    def leave(self, channel: str) -> None:
        """Nobody hears this channel any more."""
        self._hearers.pop(channel, None)
        self._interrupted.discard(channel)
        self._changed.set()

    async def run(self) -> None:
        """Passes on what Valkey publishes, for ever."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub, asyncio.TaskGroup() as group:
                    await pubsub.subscribe(ALWAYS)
                    group.create_task(self._listen(pubsub))
                    group.create_task(self._steer(pubsub))
            except* Exception as errors:  # whatever it is, those who listen must not be left alone with it
                log.warning("live messages are interrupted", error=[repr(error) for error in errors.exceptions])
            self._interrupt()
            await asyncio.sleep(RETRY_S)

    async def _steer(self, pubsub: Any) -> None:
        """Tells Valkey what is followed, one change after the other, so that the last one counts."""
        told: set[str] = set()
        while True:
            self._changed.clear()
            for channel in told - self._hearers.keys():
                told.discard(channel)
                self._confirmed.pop(channel, None)
                await pubsub.unsubscribe(channel)
            if new := self._hearers.keys() - told:
                told |= new
                await pubsub.subscribe(*new)
            await self._changed.wait()

    async def _listen(self, pubsub: Any) -> None:
        async for message in pubsub.listen():
            channel = message["channel"].decode()
            hearer = self._hearers.get(channel)
            if hearer is None:
                continue
            if message["type"] == "message":
                hearer.hear(message["data"])
            elif message["type"] == "subscribe":
                self._confirm(channel, hearer)
        raise ConnectionError("Valkey ended the subscription")

    def _confirm(self, channel: str, hearer: Hearer) -> None:
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        if channel in self._interrupted:
            self._interrupted.discard(channel)
            hearer.resumed()
        elif confirmed.is_set():
            # Confirmed once more: there was another connection in between.
            hearer.interrupted()
            hearer.resumed()
        confirmed.set()

    def _interrupt(self) -> None:
        for channel in self._confirmed.keys() - self._hearers.keys():
            del self._confirmed[channel]
        for channel, confirmed in self._confirmed.items():
            if confirmed.is_set():
                confirmed.clear()
                self._interrupted.add(channel)
                if hearer := self._hearers.get(channel):  # one hearer's end may be another's
                    hearer.interrupted()
