"""Says on the channels of users that what they own has changed, where no event of the engine says it.

It is only a hint, for those who are connected: they ask for the balances then. One that is lost costs that much.
"""

import asyncio
from collections.abc import Sequence

import structlog
from redis.exceptions import RedisError

from shared.contracts.events import FundsEvent, user_channel
from shared.contracts.notifications import FUNDS_MOVED
from shared.valkey import Valkey

log = structlog.get_logger()


class Announcer:
    """Tells without keeping anybody waiting."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._tasks: set[asyncio.Task[None]] = set()

    def moved(self, events: Sequence[FundsEvent]) -> None:
        """These have been committed."""
        users = {user for event in events for user in (event.user_id, event.to_user_id) if user}
        if users:
            task = asyncio.create_task(self._tell(users))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _tell(self, users: set[int]) -> None:
        try:
            await self._valkey.pipeline([("PUBLISH", user_channel(user), FUNDS_MOVED) for user in users])
        except (RedisError, OSError) as error:
            log.info("balances are not announced", error=str(error))
