"""The one writer: takes commands one batch at a time, matches them, journals them, and only then answers.

Batches that arrive while a commit is under way wait and go together into the next. When a commit fails, nobody knows
whether it is on disk; the engine then forgets what it has in memory and reads itself back from the journal.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from opentelemetry.trace import Span

from services.matching_engine.answers import moved
from services.matching_engine.commands import Command, JournalDamaged
from services.matching_engine.engine import Engine, Reply
from services.matching_engine.store import JournalCut, JournalStore
from shared.contracts.events import EngineEvent
from shared.contracts.operations import ENGINE
from shared.errors import Unavailable

log = structlog.get_logger()

RETRY_S = 0.2


@dataclass(slots=True)
class _Submission:
    commands: Sequence[Command]
    spans: Sequence[Span]
    future: "asyncio.Future[list[Reply]]"


class Writer:
    """Owns the engine. ``load`` first, then keep ``run`` running."""

    def __init__(self, store: JournalStore, snapshot_every: int) -> None:
        self._store = store
        self._snapshot_every = snapshot_every
        self.snapshot_at = 0
        self._queue: asyncio.Queue[_Submission] = asyncio.Queue()
        self._open = False
        self._saving: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()
        self.engine = Engine([])

    async def load(self) -> None:
        """Reads the engine back: newest whole snapshot, then every command after it. Raises JournalDamaged."""
        started = time.perf_counter()
        self.engine = await from_snapshot(self._store)
        self.snapshot_at = self.engine.seq
        await replay(self._store, self.engine)
        log.info(
            "engine is loaded",
            seq=self.engine.seq,
            snapshot=self.snapshot_at,
            seconds=round(time.perf_counter() - started, 3),
        )

    async def follow(self) -> None:
        """Does what another engine has journalled meanwhile. Raises JournalDamaged."""
        try:
            await replay(self._store, self.engine)
        except JournalCut:
            log.warning("engine is too far behind to follow, it starts from a snapshot", seq=self.engine.seq)
            await self.load()

    async def settled(self) -> Engine:
        """The engine while nothing that it did is still on its way to disk. Look before anything else is awaited."""
        async with self._committing:
            return self.engine

    async def reload(self) -> None:
        """``load``, as often as it takes. Raises JournalDamaged."""
        while True:
            try:
                await self.load()
                return
            except Unavailable as error:
                log.warning("the journal can't be read yet", error=str(error))
                await asyncio.sleep(RETRY_S)

    async def submit(self, commands: Sequence[Command], spans: Sequence[Span]) -> list[Reply]:
        """The answers to these commands, once they are on disk. Raises Unavailable when that is not certain."""
        if not self._open:
            raise Unavailable(ENGINE, "it has just lost the lead")
        future: asyncio.Future[list[Reply]] = asyncio.get_running_loop().create_future()
        await self._queue.put(_Submission(commands, spans, future))
        return await future

    async def run(self) -> None:
        """Matches until it is cancelled; what waits then is given back unmatched."""
        self._open = True
        try:
            while True:
                batch = [await self._queue.get()]
                async with self._committing:
                    await self._take(batch)
        finally:
            self._open = False
            while not self._queue.empty():
                _fail([self._queue.get_nowait()], "it has just lost the lead")
            if self._saving is not None:
                await asyncio.wait([self._saving])

    async def _take(self, batch: list[_Submission]) -> None:
        while not self._queue.empty():
            batch.append(self._queue.get_nowait())
        try:
            await self._commit(batch)
        except Exception as error:
            _fail(batch, type(error).__name__)
            log.warning("commit failed, reading the journal again", exc_info=error)
            await self.reload()
        finally:
            _fail(batch, "it has just lost the lead")  # those that have no answer now never get one

    async def _commit(self, batch: Sequence[_Submission]) -> None:
        commands: list[Command] = []
        events: list[EngineEvent] = []
        answers: list[list[Reply]] = []
        before = self.engine.seq
        for submission in batch:
            answers.append([self._apply(command, commands, events) for command in submission.commands])
        if events:
            spans = [span for submission in batch for span in submission.spans]
            by = await self._store.write(commands, events, spans)
            if by:
                self.engine.move(before, by)
                answers = [[moved(reply, before, by) for reply in replies] for replies in answers]
        for submission, answer in zip(batch, answers, strict=True):
            if not submission.future.done():
                submission.future.set_result(answer)
        if self.engine.seq - self.snapshot_at >= self._snapshot_every and self._saving is None:
            self.snapshot_at = self.engine.seq
            self._saving = asyncio.create_task(self._save(self.engine.seq, *self.engine.snapshot()))

    def _apply(self, command: Command, commands: list[Command], events: list[EngineEvent]) -> Reply:
        answer, event = self.engine.apply(command)
        if event is not None:
            commands.append(command)
            events.append(event)
        return answer

    async def _save(self, seq: int, state: bytes, checksum: int) -> None:
        """Writes a snapshot down while orders go on. One that fails is not missed: the next start replays more."""
        try:
            await self._store.save_snapshot(seq, state, checksum)
        except Exception as error:
            log.warning("snapshot is not saved", seq=seq, error=str(error))
        finally:
            self._saving = None


async def from_snapshot(store: JournalStore) -> Engine:
    """An engine as the newest whole snapshot tells, or as it was before the first command."""
    engine = await store.new_engine()
    for seq, state, checksum in await store.snapshots():
        try:
            engine.restore(state, checksum)
            break
        except JournalDamaged:
            log.exception("snapshot is damaged, the one before it is taken", seq=seq)
    return engine


async def replay(store: JournalStore, engine: Engine) -> None:
    """Does what was journalled after the engine's last event. Raises JournalDamaged."""
    async for first_seq, last_seq, commands in store.journal_after(engine.seq):
        engine.seq = first_seq - 1
        for command in commands:
            engine.apply(command)
        if engine.seq != last_seq:
            raise JournalDamaged(f"journal row that ends with {last_seq}: done again it ends with {engine.seq}")


def _fail(batch: Sequence[_Submission], why: str) -> None:
    """Tells those of the batch that have no answer yet that nobody knows."""
    for submission in batch:
        if not submission.future.done():
            submission.future.set_exception(Unavailable(ENGINE, why))
