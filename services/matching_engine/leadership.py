"""Which of a shard's engines leads: the one that holds its lock in PostgreSQL. The others follow its journal and wait.

The lock belongs to a connection, and goes with it when its process dies. It only says whose turn it is to write; what
keeps two writers apart is the journal itself, which takes the next number once (``INSERT_JOURNAL``).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from prometheus_client import Gauge

from services.matching_engine import locks
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import Writer
from shared.errors import Unavailable
from shared.service import Service, stop_tasks

log = structlog.get_logger()

FOLLOW_S = 0.1
PING_S = 0.5
RETRY_S = 0.2
SILENT_MAX_S = 5.0

LEADS = Gauge("outcry_engine_leads", "1 in the engine that matches, 0 in one that waits to take over", ["shard"])

Loop = Callable[[], Coroutine[Any, Any, None]]


class Leadership:
    """``run`` is to be kept running.

    ``loops`` are those that only the one that leads its shard may run; ``relay`` is for one of all that lead.
    """

    def __init__(
        self, service: Service, writer: Writer, store: JournalStore, loops: Sequence[Loop], relay: Loop
    ) -> None:
        self._service = service
        self._writer = writer
        self._store = store
        self._loops = loops
        self._relay = relay
        self._heard_s = float("-inf")
        self._set(leads=False)

    async def ready(self) -> None:
        """Raises Unavailable while this engine neither leads nor follows."""
        if time.monotonic() - self._heard_s > SILENT_MAX_S:
            raise Unavailable("journal", "it can't be followed; the log says why")

    async def run(self) -> None:
        """Follows and leads for ever, in turn. Ends with JournalDamaged where the journal can't be followed."""
        while True:
            try:
                await self._term()
            except Unavailable as error:
                log.warning("engine does not lead", error=str(error))
                await asyncio.sleep(RETRY_S)
            # What this one had matched when it lost the lead may not be in the journal.
            await self._writer.reload()

    async def _term(self) -> None:
        """Waits for the lock and leads until it is lost. Raises Unavailable, then."""
        async with self._service.database.own_connection() as connection:
            while not await locks.take(connection, self._store.shard):
                await self._writer.follow()
                self._heard_s = time.monotonic()
                await asyncio.sleep(FOLLOW_S)
            await self._store.check_layout()
            await self._writer.follow()
            tasks = [asyncio.create_task(loop()) for loop in self._loops]
            self._set(leads=True)
            log.info("engine leads", seq=self._writer.engine.seq, shard=self._store.shard)
            relays = False
            try:
                while True:
                    if relays:
                        await connection.execute("SELECT 1")
                    elif await locks.take(connection, locks.RELAY):
                        relays = True
                        tasks.append(asyncio.create_task(self._relay()))
                    self._heard_s = time.monotonic()
                    ended, _ = await asyncio.wait(tasks, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        task.result()  # none ends but by an error
            finally:
                self._set(leads=False)
                await stop_tasks(tasks)

    def _set(self, *, leads: bool) -> None:
        self._service.leads = leads
        LEADS.labels(str(self._store.shard)).set(leads)
