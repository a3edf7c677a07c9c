"""The gateway's one subscription to Valkey: what is published on a channel goes to the one who hears it here."""

import asyncio
from typing import Any, Protocol

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.errors import Unavailable

log = structlog.get_logger()

RETRY_S = 0.5
CONFIRM_S = 5.0


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
        # Set once Valkey has confirmed the channel: what is published after that is heard.
        self._confirmed: dict[str, asyncio.Event] = {}
        self._interrupted: set[str] = set()
        self._wanted = asyncio.Event()
        self._pubsub: Any = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self, channel: str, hearer: Hearer) -> None:
        """Returns once everything that is published on the channel will be heard. Raises Unavailable without Valkey."""
        self._hearers[channel] = hearer
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        self._wanted.set()
        try:
            if self._pubsub is not None and not confirmed.is_set():
                await self._pubsub.subscribe(channel)
            await asyncio.wait_for(confirmed.wait(), CONFIRM_S)
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable("valkey", type(error).__name__) from error

    def leave(self, channel: str) -> None:
        """Nobody hears this channel any more."""
        self._hearers.pop(channel, None)
        self._confirmed.pop(channel, None)
        self._interrupted.discard(channel)
        task = asyncio.create_task(self._unsubscribe(channel))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _unsubscribe(self, channel: str) -> None:
        if channel in self._hearers or self._pubsub is None:
            return
        try:
            await self._pubsub.unsubscribe(channel)
        except (RedisError, OSError) as error:
            # A subscription too many costs little; the loop notices a Valkey that is gone by itself.
            log.info("channel not left", channel=channel, error=str(error))

    async def run(self) -> None:
        """Passes on what Valkey publishes, for ever."""
        while True:
            await self._wanted.wait()
            try:
                async with self._redis.pubsub() as self._pubsub:
                    await self._listen()
            except (RedisError, OSError, RuntimeError) as error:
                log.warning("live messages are interrupted", error=str(error))
                self._pubsub = None
                self._interrupt()
                await asyncio.sleep(RETRY_S)
            self._pubsub = None
            if not self._hearers:
                self._wanted.clear()

    async def _listen(self) -> None:
        """Returns when there is nothing to listen to any more."""
        await self._pubsub.subscribe(*self._hearers)
        async for message in self._pubsub.listen():
            channel = message["channel"].decode()
            hearer = self._hearers.get(channel)
            if hearer is None:
                continue
            if message["type"] == "message":
                hearer.hear(message["data"])
            elif message["type"] == "subscribe":
                self._confirm(channel, hearer)

    def _confirm(self, channel: str, hearer: Hearer) -> None:
        confirmed = self._confirmed[channel]
        if confirmed.is_set():
            # Confirmed once more: there was another connection in between.
            hearer.interrupted()
            hearer.resumed()
        elif channel in self._interrupted:
            self._interrupted.discard(channel)
            hearer.resumed()
        confirmed.set()

    def _interrupt(self) -> None:
        for channel, hearer in list(self._hearers.items()):
            confirmed = self._confirmed[channel]
            if confirmed.is_set():
                confirmed.clear()
                self._interrupted.add(channel)
                hearer.interrupted()
