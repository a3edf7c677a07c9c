"""The fault VALKEY_STALLS: a script that does nothing for long, as a carelessly written one may."""

import asyncio

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

STALL_S = 0.25
EVERY_S = 0.5
SCRIPT = f"local began = os.clock() while os.clock() - began < {STALL_S} do end"


async def stall(redis: Redis) -> None:
    """Keeps Valkey busy half of the time, for ever."""
    while True:
        try:
            await redis.eval(SCRIPT, 0)
        except (RedisError, OSError) as error:
            log.warning("Valkey can't be stalled", error=str(error))
        await asyncio.sleep(EVERY_S - STALL_S)
