"""`outcry up --detach`: the launcher goes on in the background, this command waits until the exchange is open."""

import subprocess
import sys
import time
from pathlib import Path

from outcry import logs
from outcry.home import Home
from outcry.settings import Settings

POLL_S = 0.1
INTERRUPTED_STATUS = 130  # as shells have it for Ctrl-C


def up(settings: Settings, bots: int) -> int:
    """Start a launcher that outlives the terminal and show what it says until the exchange is open.

    Answers 0 then, or the exit status of a launcher that gave up.
    """
    home = Home(settings.outcry_home)
    home.create()
    log_path = home.log_of("outcry")
    logs.rotate(log_path)
    with log_path.open("ab") as log:
        seen = log.tell()
        launcher = subprocess.Popen(  # noqa: S603 - argv is ours, no shell
            [sys.executable, "-m", "outcry", "up", "--bots", str(bots)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return _wait(launcher, home, log_path, seen)
    except KeyboardInterrupt:
        launcher.terminate()
        return launcher.wait() or INTERRUPTED_STATUS


def _wait(launcher: subprocess.Popen[bytes], home: Home, log_path: Path, seen: int) -> int:
    while launcher.poll() is None:
        time.sleep(POLL_S)
        with log_path.open("rb") as written:
            written.seek(seen)
            fresh = written.read()
        seen += len(fresh)
        print(fresh.decode(errors="replace"), end="", flush=True)
        if home.holder() == launcher.pid and home.read_state().get("phase") == "running":
            return 0
    return launcher.returncode
