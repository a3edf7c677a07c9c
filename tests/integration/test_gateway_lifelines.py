"""Lifelines on the real Valkey: what a gateway that died leaves is cut by another, whatever happens to Valkey."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis as redis_sync
from redis.asyncio import Redis

from services.client_gateway.lifelines import GATEWAYS, LEASE_S, Lifeline, Lifelines
from shared.errors import Unavailable

ANNA = Lifeline(user_id=1001, node=0)
BEN = Lifeline(user_id=1002, node=0, since_us=7)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    yield client
    await client.aclose()


class Gateway:
    """A gateway as far as its lifelines go, and those that it cut."""

    def __init__(self, redis: Redis) -> None:
        self.cuts: list[tuple[Lifeline, int]] = []
        self.away = False
        self.lifelines = Lifelines(redis, self.cut)

    async def cut(self, lifeline: Lifeline, until_us: int) -> None:
        if self.away:
            raise Unavailable("matching-engine")
        self.cuts.append((lifeline, until_us))


async def die(redis: Redis) -> int:
    """All gateways that there are have been silent for as long as it takes; when they were heard last, in ms."""
    last_ms = time.time_ns() // 1_000_000 - int(LEASE_S * 1000) - 1
    names: list[Any] = await redis.zrange(GATEWAYS, 0, -1)
    for name in names:
        await redis.zadd(GATEWAYS, {name: last_ms})
    return last_ms


async def test_what_a_dead_gateway_leaves_is_cut_once(redis: Redis) -> None:
    """Another gateway cuts it, as of when the dead one was last alive, and leaves those of living gateways alone."""
    dead, living = Gateway(redis), Gateway(redis)
    await dead.lifelines.keep("a", ANNA)
    await dead.lifelines.keep("b", BEN)
    await dead.lifelines.keep("c", ANNA)
    await dead.lifelines.forget("c")
    last_ms = await die(redis)
    await living.lifelines.keep("d", ANNA)
    living.away = True
    with pytest.raises(Unavailable):
        await living.lifelines.look()
    living.away = False
    for _ in range(2):
        await living.lifelines.look()
    cut = sorted(living.cuts, key=lambda one: one[0].user_id)
    assert [lifeline for lifeline, _ in cut] == [ANNA, BEN]
    assert all(0 < until_us - last_ms * 1000 < 2_000_000 for _, until_us in cut)


async def test_a_lost_valkey_is_told_again(redis: Redis, valkey_server: Any) -> None:
    """With the next beat after Valkey lost everything the lifelines are there again."""
    gateway, other = Gateway(redis), Gateway(redis)
    await gateway.lifelines.keep("a", ANNA)
    beating = asyncio.create_task(gateway.lifelines.beat())
    with redis_sync.Redis.from_url(valkey_server.server.url()) as admin:
        admin.flushall()
    async with asyncio.timeout(5):
        while not await redis.zcard(GATEWAYS):
            await asyncio.sleep(0.02)
    beating.cancel()
    await die(redis)
    await other.lifelines.look()
    assert [lifeline for lifeline, _ in other.cuts] == [ANNA]
