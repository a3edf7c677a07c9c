"""One child process: what it is (`ProcessSpec`), how it is born (`spawn`) and how it ends (`wait_exit`, `stop`).

A child leads its own session, so a Ctrl-C in the terminal reaches the launcher alone, which then stops everything in
order. On Linux the kernel ends the child when the launcher dies, however that happens (PR_SET_PDEATHSIG).
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from outcry import privileges

POLL_S = 0.05


@dataclass(frozen=True)
class ProcessSpec:
    """What one child process is.

    `ready` is asked with the child's pid, again and again, until it says True. `stop_signal` asks it to end;
    after `stop_timeout_s` seconds it is killed. `death_signal` is what the kernel sends when the launcher died.
    `system_user` is the account it runs as when the launcher is root (None: the launcher's own).
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[int], Awaitable[bool]]
    port: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 5.0
    death_signal: signal.Signals = signal.SIGKILL
    system_user: str | None = None
    cwd: Path | None = None


def spawn(spec: ProcessSpec, log_path: Path) -> subprocess.Popen[bytes]:
    """Start the child with both outputs appended to `log_path`.

    Append mode matters: the log is cut while the child holds it open (see `outcry.logs`).
    Raises OSError when the program cannot be started.
    """
    launcher_pid = os.getpid()
    account = privileges.account(spec.system_user) if spec.system_user else None
    needs_search = account is not None and not privileges.may_search(
        account, Path(spec.argv[0]), *filter(None, [spec.cwd])
    )

    def before_exec() -> None:
        if account is not None:
            privileges.become(account, search_everywhere=needs_search)
        privileges.die_with_parent(spec.death_signal, launcher_pid)

    log_path.parent.mkdir(parents=True, exist_ok=True)
    with log_path.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - argv is ours, no shell
            spec.argv,
            env=dict(spec.env),
            cwd=spec.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=before_exec,
        )


async def wait_exit(process: subprocess.Popen[bytes]) -> int:
    """Wait for the child's end without blocking the loop; answers its exit status (negative: the signal)."""
    if process.poll() is not None:
        return process.returncode
    if sys.platform != "linux":
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells us of the end there
            await asyncio.sleep(POLL_S)
        return process.wait()
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    descriptor = os.pidfd_open(process.pid)
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return process.wait()


async def wait_ready(spec: ProcessSpec, process: subprocess.Popen[bytes]) -> bool:
    """Ask until the child is ready (True) or has ended (False). The caller bounds the time."""
    while process.poll() is None:
        if await spec.ready(process.pid):
            return True
        await asyncio.sleep(POLL_S)
    return False


async def stop(spec: ProcessSpec, process: subprocess.Popen[bytes]) -> bool:
    """End the child: its stop signal first, SIGKILL after `stop_timeout_s`. True when the signal was enough."""
    if process.poll() is not None:
        return True
    process.send_signal(spec.stop_signal)
    try:
        await asyncio.wait_for(wait_exit(process), spec.stop_timeout_s)
    except TimeoutError:
        process.kill()
        await wait_exit(process)
        return False
    return True
