"""Children under the supervisor: restarted when they die, ended in order, and never left behind."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from outcry import leftovers, process
from outcry.home import Home
from outcry.process import ProcessSpec
from outcry.supervisor import Child, StartError, State, Supervisor

READY_TIMEOUT_S = 20.0
# Ready once it has made its file; on SIGTERM it notes its end, in order, in `ends`.
STAND_IN = """
import signal, sys, time
from pathlib import Path
name, folder = sys.argv[1], Path(sys.argv[2])
def end(*_):
    with (folder / "ends").open("a") as ends: ends.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
(folder / name).touch()
while True: time.sleep(60)
"""


def stand_in(name: str, folder: Path, program: str = STAND_IN, stop_timeout_s: float = 5.0) -> ProcessSpec:
    """A child that is ready when the file of its name is there."""

    async def ready(_pid: int) -> bool:
        return (folder / name).exists()

    argv = (sys.executable, "-c", program, name, str(folder))
    return ProcessSpec(name=name, argv=argv, env=dict(os.environ), ready=ready, stop_timeout_s=stop_timeout_s)


async def test_children_end_in_the_order_asked_for(tmp_path: Path) -> None:
    """Groups end one after the other, as the list says, and every child is told rather than killed."""
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    supervisor.start(stand_in(name, tmp_path) for name in ("server", "service", "gateway"))
    await supervisor.wait_ready(["server", "service", "gateway"], READY_TIMEOUT_S)
    await supervisor.stop([["gateway"], ["service", "not-there"], ["server"]])
    assert (tmp_path / "ends").read_text().split() == ["gateway", "service", "server"]
    assert {child.state for child in supervisor.children.values()} == {State.STOPPED}


async def test_a_dead_child_comes_back_with_growing_pauses(tmp_path: Path) -> None:
    """A child that is killed twice is started twice again, the second time after a longer pause."""
    downtimes_s: list[float] = []
    dead_since_s = 0.0

    def on_change(child: Child) -> None:
        nonlocal dead_since_s
        if child.state is State.RESTARTING:
            dead_since_s = time.monotonic()
        elif child.state is State.STARTING and dead_since_s:
            downtimes_s.append(time.monotonic() - dead_since_s)
            dead_since_s = 0.0

    supervisor = Supervisor(tmp_path / "logs", on_change)
    supervisor.start([stand_in("service", tmp_path)])
    await supervisor.wait_ready(["service"], READY_TIMEOUT_S)
    supervisor.all_started()
    child = supervisor.children["service"]
    for restarts in (1, 2):
        assert child.process is not None
        child.process.kill()
        async with asyncio.timeout(READY_TIMEOUT_S):
            while child.restarts < restarts or child.state is not State.READY:
                await asyncio.sleep(0.02)
    await supervisor.stop([])
    assert len(downtimes_s) == 2
    assert 0.4 < downtimes_s[0] < downtimes_s[1]
    assert child.last_exit == -signal.SIGKILL


async def test_a_child_that_hangs_is_killed(tmp_path: Path) -> None:
    """A child that does not listen to its stop signal is killed after its time, and the stop goes on."""
    deaf = STAND_IN.replace("signal.signal(signal.SIGTERM, end)", "signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    supervisor.start([stand_in("deaf", tmp_path, deaf, stop_timeout_s=0.3)])
    await supervisor.wait_ready(["deaf"], READY_TIMEOUT_S)
    await supervisor.stop([["deaf"]])
    running = supervisor.children["deaf"].process
    assert running is not None
    assert running.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    ("program", "reason"),
    [
        ("import sys; sys.exit('PORT: not a number')", "PORT: not a number"),
        ("import sys; print('WALLET: wrong'); sys.exit(2)", "WALLET: wrong"),
    ],
)
async def test_a_failed_start_says_which_and_why(tmp_path: Path, program: str, reason: str) -> None:
    """A child that cannot start fails the whole start soon, with its name, its end and its last words."""
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    supervisor.start([stand_in("wallet-service", tmp_path, program)])
    with pytest.raises(StartError) as failure:
        await supervisor.wait_ready(["wallet-service"], READY_TIMEOUT_S)
    await supervisor.stop([])
    assert "wallet-service ended with status" in str(failure.value)
    assert reason in str(failure.value)


async def test_late_children_are_named(tmp_path: Path) -> None:
    """Children that live but never become ready fail the start when the time is over, each by its name."""
    supervisor = Supervisor(tmp_path / "logs", lambda _: None)
    busy = "import time; print('still busy', flush=True); time.sleep(60)"
    supervisor.start([stand_in("fast", tmp_path), stand_in("slow", tmp_path, busy), stand_in("slower", tmp_path, busy)])
    await supervisor.wait_ready(["fast"], READY_TIMEOUT_S)
    with pytest.raises(StartError) as failure:
        await supervisor.wait_ready(["fast", "slow", "slower"], 2.0)
    await supervisor.stop([])
    assert [line.split()[0] for line in str(failure.value).splitlines() if "was not ready" in line] == [
        "slow",
        "slower",
    ]
    assert "still busy" in str(failure.value)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does this on Linux only")
def test_children_die_with_a_killed_launcher(tmp_path: Path) -> None:
    """kill -9 of the launcher takes its children along: nothing keeps a port or a data folder."""
    program = f"""
import asyncio, os, sys, time
from pathlib import Path
sys.path.insert(0, {str(Path.cwd())!r})
from tests.integration.test_launcher_supervisor import stand_in
from outcry.process import spawn
folder = Path({str(tmp_path)!r})
print(spawn(stand_in("orphan", folder), folder / "log").pid, flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as launcher:
        assert launcher.stdout is not None
        child = psutil.Process(int(launcher.stdout.readline()))
        launcher.kill()
    gone, alive = psutil.wait_procs([child], timeout=READY_TIMEOUT_S)
    # Where nobody reaps orphans (a bare container) it stays behind as a zombie: dead all the same.
    assert gone or {left.status() for left in alive} == {psutil.STATUS_ZOMBIE}


def test_leftovers_are_told_from_strangers(tmp_path: Path) -> None:
    """What the last run left is ended; a process that only has the same pid as one of ours is left alone."""
    home = Home(tmp_path)
    home.create()
    spec = stand_in("left", tmp_path)
    left, stranger = process.spawn(spec, tmp_path / "log"), process.spawn(spec, tmp_path / "log")
    entries = [
        {
            "name": "left",
            "program": sys.executable,
            "pid": left.pid,
            "created_s": psutil.Process(left.pid).create_time(),
        },
        {"name": "stranger", "program": sys.executable, "pid": stranger.pid, "created_s": 1.0},
        {"name": "gone", "program": sys.executable, "pid": None, "created_s": None},
    ]
    home.write_state({"phase": "running", "processes": entries})
    try:
        assert leftovers.end_all(home) == ["left"]
        assert left.wait(READY_TIMEOUT_S) is not None
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()
