"""Clients that cannot live in our own environment: another language, or libraries of another time.

Each has a folder with a lock file; it is installed there on first use. A test that needs one is skipped, with the
reason, where it cannot be installed.
"""

import fcntl
import json
import subprocess
import sys
from pathlib import Path
from shutil import which
from typing import Any, Final

import pytest

FOLDER: Final = Path(__file__).parent
INSTALL_SECONDS_MAX: Final = 180
SEND_SECONDS_MAX: Final = 30


def _install(folder: Path, lock: Path, commands: list[list[str]]) -> None:
    """Run the commands in the folder, unless they ran for this lock file already."""
    stamp = folder / ".installed"
    with (folder / ".installing").open("w") as one_at_a_time:
        fcntl.flock(one_at_a_time, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
            return
        for command in commands:
            ended = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS_MAX, check=False
            )
            if ended.returncode:
                pytest.skip(f"{' '.join(command[:4])} failed: {ended.stderr.strip()[-300:]}")
        stamp.write_bytes(lock.read_bytes())


def send_by_old_jaeger_exporter(way: str, port: int, service: str) -> Any:
    """Send two spans by `opentelemetry-exporter-jaeger-thrift` 1.21 (`udp` or `http`); return what it says it sent.

    Its last version does not work with today's SDK, hence an environment of its own.
    """
    folder = FOLDER / "jaeger"
    python = folder / ".venv" / "bin" / "python"
    lock = folder / "requirements.lock"
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--require-hashes", "-r"]
    _install(folder, lock, [[sys.executable, "-m", "venv", "--clear", ".venv"], [*pip, str(lock)]])
    return _send([str(python), str(folder / "send.py"), way, str(port), service])


def send_by_javascript(way: str, port: int, service: str) -> Any:
    """Send two spans by an official JavaScript exporter (`grpc`, `proto`, `json` or `zipkin`); return what it sent."""
    folder = FOLDER / "javascript"
    if which("npm") is None:
        pytest.skip("Node.js is not here: its exporters are not tried")
    _install(folder, folder / "package-lock.json", [["npm", "ci", "--silent", "--no-audit", "--no-fund"]])
    return _send(["node", str(folder / "send.js"), way, str(port), service])


def _send(command: list[str]) -> Any:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=SEND_SECONDS_MAX, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
