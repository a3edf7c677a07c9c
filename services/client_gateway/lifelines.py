"""Connections whose orders end with them, written down in Valkey so that they do even when the gateway itself dies.

Each gateway says every second that it is alive. One that has not for ``LEASE_S`` is dead to the others, and to the one
that is started in its place: they cancel what its connections asked for. Cancelling twice does no harm, so nobody has
to be chosen for it.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.errors import Unavailable

log = structlog.get_logger()

GATEWAYS = "client-gateway:alive"
"""Sorted set: gateway -> when it was last alive, in ms of Unix time."""

LIFELINES = "client-gateway:lifelines:"
"""With a gateway's name a hash: id -> ``Lifeline``."""

BEAT_S = 1.0
LEASE_S = 5.0


class Lifeline(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of a user that end with a connection to gateway ``node``.

    ``since_us`` above 0: only those that were placed through that gateway from then on.
    """

    user_id: int
    node: int
    since_us: int = 0


Cut = Callable[[Lifeline, int], Awaitable[None]]
"""Cancels a lifeline's orders, of those that were placed before a Unix time in us. Raises Unavailable."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Lifeline).decode


class Lifelines:
    """This gateway's lifelines, and the look at the others'. ``beat`` and ``watch`` are to be kept running."""

    def __init__(self, redis: Redis, cut: Cut) -> None:
        self._redis = redis
        self._cut = cut
        self._name = secrets.token_hex(8)
        self._kept: dict[str, bytes] = {}
        self._alive = False

    async def keep(self, name: str, lifeline: Lifeline) -> None:
        """Writes a lifeline down. Raises Unavailable without Valkey: then it is not kept."""
        self._kept[name] = _encode(lifeline)
        try:
            if not self._alive:
                await self._beat()
            await self._redis.hset(LIFELINES + self._name, name, self._kept[name])
        except (RedisError, OSError) as error:
            del self._kept[name]
            raise Unavailable("valkey", type(error).__name__) from error

    async def forget(self, name: str) -> None:
        """Its orders are cancelled, or nobody wants that any more. Without Valkey it is forgotten once that is back."""
        self._kept.pop(name, None)
        try:
            await self._redis.hdel(LIFELINES + self._name, name)
        except (RedisError, OSError) as error:
            self._alive = False
            log.info("lifeline is forgotten later", error=str(error))

    async def beat(self) -> None:
        """Says for ever that this gateway is alive."""
        while True:
            try:
                await self._beat()
            except (RedisError, OSError) as error:
                self._alive = False
                log.info("nobody can be told that this gateway is alive", error=str(error))
            await asyncio.sleep(BEAT_S)

    async def watch(self) -> None:
        """Looks for ever for gateways that died. Apart from the beat: what they left may take long to cancel."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self.look()
            except (RedisError, OSError, Unavailable) as error:
                log.info("orders of connections to a gateway that died wait", error=str(error))

    async def _beat(self) -> None:
        """Says that this gateway is alive. Where nobody knew, Valkey is another or this gateway was slow: all anew."""
        new = await self._redis.zadd(GATEWAYS, {self._name: time.time_ns() // 1_000_000})
        if new or not self._alive:
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(LIFELINES + self._name)
            if self._kept:
                kept: dict[Any, Any] = {**self._kept}
                pipeline.hset(LIFELINES + self._name, mapping=kept)
            await pipeline.execute()
        self._alive = True

    async def look(self) -> None:
        """Cuts the lifelines of gateways that are dead. Raises Unavailable, RedisError: then again later."""
        dead_before = time.time_ns() // 1_000_000 - int(LEASE_S * 1000)
        dead: list[Any] = await self._redis.zrangebyscore(GATEWAYS, "-inf", dead_before, withscores=True)
        for member, beat_ms in dead:
            name = member.decode()
            found = await self._redis.hgetall(LIFELINES + name)
            if found:
                log.warning("a gateway died with connections whose orders end with them", lifelines=len(found))
            until_us = int((beat_ms / 1000 + BEAT_S) * 1_000_000)
            await asyncio.gather(*(self._cut(_decode(data), until_us) for data in found.values()))
            await self._redis.delete(LIFELINES + name)
            await self._redis.zrem(GATEWAYS, name)
