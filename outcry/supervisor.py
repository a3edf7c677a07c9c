"""Keeps a set of child processes alive, and ends them in order.

Each child has one task that starts it, waits for its end and starts it again, ever more slowly while it keeps dying
(`BACKOFF_MIN_S` doubling to `BACKOFF_MAX_S`). It knows nothing of exchanges: what the children are is told by specs.
"""

import asyncio
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

from outcry import logs, process
from outcry.process import ProcessSpec

BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 15.0
HEALTHY_S = 60.0
LOG_CHECK_S = 5.0
STARTUP_DEATHS_MAX = 3
LAST_WORDS_LINES = 8
REFUSED_STATUS = 2  # what our programs exit with when their settings are wrong: trying again cannot help


class State(StrEnum):
    """Where a child is in its life."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPED = "stopped"


class StartError(Exception):
    """A child did not become ready. The text says which, how it ended, and what it last wrote."""


class Child:
    """One supervised process and what has become of it. Times are `time.time()` seconds."""

    def __init__(self, spec: ProcessSpec, log_path: Path) -> None:
        self.spec = spec
        self.log_path = log_path
        self.state = State.STARTING
        self.process: subprocess.Popen[bytes] | None = None
        self.started_s = 0.0
        self.ready_after_s = 0.0
        self.restarts = 0
        self.last_exit: int | None = None
        self.became_ready = asyncio.Event()

    def describe(self) -> dict[str, Any]:
        """What other commands may read about it; `created_s` is the kernel's own and tells it from a later process."""
        import psutil

        pid = self.process.pid if self.process is not None and self.process.poll() is None else None
        try:
            created_s = psutil.Process(pid).create_time() if pid is not None else None
        except psutil.NoSuchProcess:
            pid, created_s = None, None
        return {
            "name": self.spec.name,
            "program": self.spec.argv[0],
            "pid": pid,
            "created_s": created_s,
            "port": self.spec.port,
            "state": self.state.value,
            "started_s": self.started_s,
            "restarts": self.restarts,
        }


class Supervisor:
    """Starts, watches and stops children. `on_change` is called with a child whenever its state has changed.

    Use it from one event loop, in the main thread: the kernel ties the life of a child to the thread that made it.
    """

    def __init__(self, log_folder: Path, on_change: Callable[[Child], None]) -> None:
        self.children: dict[str, Child] = {}
        self._log_folder = log_folder
        self._on_change = on_change
        self._keepers: dict[str, asyncio.Task[None]] = {}
        # Done, with the reason, when the start has failed, or when we ourselves cannot go on.
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._started = False
        self._log_keeper = asyncio.create_task(self._keep_logs_short())

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        """Start the children and keep them running from now on."""
        for spec in specs:
            child = Child(spec, self._log_folder / f"{spec.name}.log")
            self.children[spec.name] = child
            keeper = asyncio.create_task(self._keep(child))
            keeper.add_done_callback(self._on_keeper_end)
            self._keepers[spec.name] = keeper

    async def wait_ready(self, names: Iterable[str], timeout_s: float) -> None:
        """Wait until the named children are ready.

        Raises StartError when one refuses its settings, keeps dying, or is not ready in time.
        """
        children = [self.children[name] for name in names]
        waiting = asyncio.ensure_future(_all_ready(children))
        await asyncio.wait({waiting, self.failed}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self.failed.done():
            waiting.cancel()
            self.failed.result()
        if not waiting.done():
            waiting.cancel()
            late = [child for child in children if not child.became_ready.is_set()]
            why = f"was not ready after {timeout_s:.0f} s"
            raise StartError("\n".join(_failure(child, why) for child in late))

    def all_started(self) -> None:
        """From now on a child that dies is always started again; nothing counts as a failed start any more."""
        self._started = True

    async def stop(self, order: Iterable[Iterable[str]]) -> None:
        """End the children, one group after the other, those of one group together. Unnamed ones come first."""
        groups = [[name for name in group if name in self.children] for group in order]
        named = {name for group in groups for name in group}
        self._log_keeper.cancel()
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        for group in [[name for name in self.children if name not in named], *groups]:
            await asyncio.gather(*(self._stop_one(self.children[name]) for name in group))

    def kill(self) -> None:
        """End everything at once, without asking."""
        for child in self.children.values():
            if child.process is not None and child.process.poll() is None:
                child.process.kill()

    async def _stop_one(self, child: Child) -> None:
        if child.process is not None and not await process.stop(child.spec, child.process):
            child.last_exit = -signal.SIGKILL
        self._set(child, State.STOPPED)

    async def _keep(self, child: Child) -> None:
        pause_s = BACKOFF_MIN_S
        while True:
            born_s = time.monotonic()
            child.started_s = time.time()
            self._set(child, State.STARTING)
            try:
                child.process = process.spawn(child.spec, child.log_path)
            except OSError as error:
                child.last_exit = error.errno
                self._fail(StartError(_failure(child, f"could not be started: {error}")))
            else:
                await self._live(child, child.process, born_s)
            lived_s = time.monotonic() - born_s
            pause_s = BACKOFF_MIN_S if lived_s >= HEALTHY_S else pause_s
            child.restarts += 1
            if not self._started and (child.last_exit == REFUSED_STATUS or child.restarts >= STARTUP_DEATHS_MAX):
                self._fail(StartError(_failure(child, exit_text(child.last_exit))))
            self._set(child, State.RESTARTING)
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, BACKOFF_MAX_S)

    async def _live(self, child: Child, running: subprocess.Popen[bytes], born_s: float) -> None:
        self._set(child, State.STARTING)
        if await process.wait_ready(child.spec, running):
            child.ready_after_s = time.monotonic() - born_s
            child.became_ready.set()
            self._set(child, State.READY)
        child.last_exit = await process.wait_exit(running)
        child.became_ready.clear()

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_S)
            for child in self.children.values():
                logs.rotate(child.log_path)

    def _set(self, child: Child, state: State) -> None:
        child.state = state
        self._on_change(child)

    def _fail(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)
            self.failed.exception()  # somebody may stop us before anybody waits for it

    def _on_keeper_end(self, keeper: asyncio.Task[None]) -> None:
        """A keeper ends by being cancelled only; anything else is our own fault, and nobody watches its child now."""
        error = None if keeper.cancelled() else keeper.exception()
        if isinstance(error, Exception):
            self._fail(error)


async def _all_ready(children: Iterable[Child]) -> None:
    for child in children:
        await child.became_ready.wait()


def exit_text(status: int | None) -> str:
    """How a process ended, in words: its exit status, or the signal that ended it."""
    if status is None:
        return "ended"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _failure(child: Child, why: str) -> str:
    last_lines = "\n".join(f"    {line}" for line in logs.tail(child.log_path, LAST_WORDS_LINES))
    return f"{child.spec.name} {why}. It last wrote ({child.log_path}):\n{last_lines}"
