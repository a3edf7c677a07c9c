"""The exchange that is measured: started here, in a folder and on ports of its own, or one that runs already."""

import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from outcry.home import Home
from outcry.settings import Settings, load

PROJECT = Path(__file__).absolute().parent.parent
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 60.0
AUDIT_TIMEOUT_S = 300.0
AUDIT_WAIT_S = 120
AUDIT_VERDICTS = {0: True, 1: False}
PORTS = (20_000, 30_000)

_given: set[int] = set()
"""Ports of exchanges that may not be running yet."""


class StartFailed(Exception):
    """The exchange did not come up. The text holds the end of what it said."""


class Exchange:
    """One exchange, by its address and, where it is on this machine and known, its folder."""

    def __init__(self, url: str, home: Home | None, environment: Mapping[str, str]) -> None:
        self.url = url
        self.home = home
        self._environment = environment
        self._launcher: subprocess.Popen[bytes] | None = None

    def start(self, **more: str) -> None:
        """Starts it without bots and waits until it is open. ``more``: variables beyond its own."""
        assert self.home is not None
        log_path = self.home.folder / "launcher.log"
        with log_path.open("ab") as log:
            self._launcher = subprocess.Popen(
                [sys.executable, "-m", "outcry", "up", "--bots", "0"],
                cwd=PROJECT,
                env={**self._environment, **more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        give_up_s = time.monotonic() + START_TIMEOUT_S
        while not (self.home.holder() == self._launcher.pid and self.home.read_state().get("phase") == "running"):
            if self._launcher.poll() is not None or time.monotonic() > give_up_s:
                self.stop()
                raise StartFailed(f"the exchange did not start:\n{log_path.read_text()[-2000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """Stops it in order, if it was started here."""
        launcher, self._launcher = self._launcher, None
        if launcher is None:
            return
        launcher.terminate()
        try:
            launcher.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            launcher.kill()
            launcher.wait()

    def port(self, name: str) -> int:
        """The port that one started here was told by the name of its setting."""
        return int(self._environment[name.upper()])

    def audit(self) -> tuple[bool | None, str]:
        """Runs ``outcry audit``: True when all is right, False when not, None when neither is proven; and its words."""
        if self.home is None:
            return None, "not on this machine"
        command = [sys.executable, "-m", "outcry", "audit", "--wait", str(AUDIT_WAIT_S)]
        try:
            done = subprocess.run(
                command,
                cwd=PROJECT,
                env=dict(self._environment),
                capture_output=True,
                text=True,
                timeout=AUDIT_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"no result within {AUDIT_TIMEOUT_S:.0f} s"
        said = (done.stdout + done.stderr).strip()
        return AUDIT_VERDICTS.get(done.returncode), said


@contextmanager
def own_exchange(*, keep: bool = False) -> Iterator[Exchange]:
    """A fresh exchange that is not started yet, in a temporary folder that is deleted afterwards (unless ``keep``)."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-bench-"))
    # PostgreSQL does not run as root: its own account has to get to its folder in here. What is secret lies deeper.
    folder.chmod(0o711)
    # Other ports without a default are of parts that only run where they are asked for.
    ports = _free_ports(
        [n for n, field in Settings.model_fields.items() if n.endswith("_port") and field.default]
        + ["matching_engine_port"]
    )
    environment = {
        **os.environ,
        **{name.upper(): str(port) for name, port in ports.items()},
        "OUTCRY_HOME": str(folder),
    }
    exchange = Exchange(f"http://127.0.0.1:{ports['client_gateway_port']}", Home(folder), environment)
    try:
        yield exchange
    finally:
        exchange.stop()
        if keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def running_exchange(url: str) -> Exchange:
    """One that runs already. It is looked into where OUTCRY_HOME (or ``.outcry``) is the folder of this address."""
    settings = load()
    home = Home(settings.outcry_home)
    ours = urlsplit(url).port == settings.client_gateway_port and home.folder.exists() and home.holder() is not None
    return Exchange(url.rstrip("/"), home if ours else None, dict(os.environ))


def _free_ports(names: list[str]) -> dict[str, int]:
    """A free port for each name, below those that the kernel gives to outgoing connections: the load needs many."""
    found: dict[str, int] = {}
    candidates = iter(random.sample(range(*PORTS), 1000))
    for name in names:
        found[name] = next(port for port in candidates if port not in _given and _is_free(port))
        _given.add(found[name])
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
