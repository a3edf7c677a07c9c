"""The one outbox of all engines: each writes to it, and one of them relays.

Numbers are given out under the lock of the outbox's head, so events get into the table in their order, whoever wrote.
Who relays hears over Valkey that others wrote something, and finds it in the table.
"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.contracts.events import EXECUTIONS
from shared.outbox import Outbox
from shared.postgres import Database
from shared.service import stop_tasks
from shared.valkey import Valkey

WRITTEN_CHANNEL = "matching-engine:written"
LISTEN_S = 5.0
RETRY_S = 0.2


class SharedOutbox(Outbox):
    """An ``Outbox`` whose ``run`` is for one process at a time; ``committed`` is for all.

    ``redis`` is None where there is only one engine: it has nobody to hear from.
    """

    def __init__(self, database: Database, valkey: Valkey, redis: Redis | None = None) -> None:
        super().__init__(database, valkey, EXECUTIONS)
        self._redis = redis
        self._relays = False
        self._untold = False
        self._telling: asyncio.Task[None] | None = None

    def committed(self, entries: Sequence[tuple[int, bytes, str]]) -> None:
        """These are in the table: they are relayed now, here or elsewhere."""
        if self._relays or self._redis is None:
            super().committed(entries)
        else:
            self.look()

    def look(self) -> None:
        """There is something in the table."""
        if self._relays:
            super().look()
            return
        self._untold = True
        if self._telling is None:
            self._telling = asyncio.create_task(self._tell())

    async def run(self) -> None:
        """Relays for ever what all engines write."""
        self._relays = True
        tasks = [asyncio.create_task(super().run())]
        if self._redis is not None:
            tasks.append(asyncio.create_task(self._listen(self._redis)))
        try:
            for ended in (await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED))[0]:
                ended.result()  # none ends but by an error
        finally:
            self._relays = False
            await stop_tasks(tasks)

    async def _listen(self, redis: Redis) -> None:
        while True:
            try:
                async with redis.pubsub(ignore_subscribe_messages=True) as heard:
                    await heard.subscribe(WRITTEN_CHANNEL)
                    while True:
                        self.look()
                        await heard.get_message(timeout=LISTEN_S)
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_S)

    async def _tell(self) -> None:
        try:
            while self._untold:
                self._untold = False
                await self._valkey.call("PUBLISH", WRITTEN_CHANNEL, b"")
        except (RedisError, OSError):
            pass  # the relay looks into the table once a second all the same
        finally:
            self._telling = None
