"""Which of several engines leads: the one that holds a lock in PostgreSQL. The others follow its journal and wait.

The lock belongs to a connection, and goes with it when its process dies. It only says whose turn it is to write; what
keeps two writers apart is the journal itself, which takes the next number once (``INSERT_JOURNAL``).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from prometheus_client import Gauge

from services.matching_engine.writer import Writer
from shared.errors import Unavailable
from shared.service import Service, stop_tasks

log = structlog.get_logger()

TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext(current_schema()), 0)"
"""Asked again and again: a statement that waits for the lock would keep PostgreSQL from cleaning up meanwhile."""

FOLLOW_S = 0.1
PING_S = 0.5
RETRY_S = 0.2
SILENT_MAX_S = 5.0

LEADS = Gauge("outcry_engine_leads", "1 in the engine that matches, 0 in one that waits to take over")


class Leadership:
    """``run`` is to be kept running; ``loops`` are those that only the one that leads may run."""

    def __init__(
        self, service: Service, writer: Writer, loops: Sequence[Callable[[], Coroutine[Any, Any, None]]]
    ) -> None:
        self._service = service
        self._writer = writer
        self._loops = loops
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
            while not await connection.fetchval(TRY_LOCK):
                await self._writer.follow()
                self._heard_s = time.monotonic()
                await asyncio.sleep(FOLLOW_S)
            await self._writer.follow()
            tasks = [asyncio.create_task(loop()) for loop in self._loops]
            self._set(leads=True)
            log.info("engine leads", seq=self._writer.engine.seq)
            try:
                while True:
                    await connection.execute("SELECT 1")
                    self._heard_s = time.monotonic()
                    ended, _ = await asyncio.wait(tasks, timeout=PING_S, return_when=asyncio.FIRST_COMPLETED)
                    for task in ended:
                        task.result()  # none ends but by an error
            finally:
                self._set(leads=False)
                await stop_tasks(tasks)

    def _set(self, *, leads: bool) -> None:
        self._service.leads = leads
        LEADS.set(leads)
