"""The folder `.outcry/`: where everything lies that the exchange keeps, and who holds it just now."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class AlreadyRunningError(Exception):
    """Another launcher holds this folder; `pid` is its process id (0 where it could not be read)."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"outcry is already running here (pid {pid})")
        self.pid = pid


@dataclass(frozen=True)
class Home:
    """The paths below one folder. Reading a property creates nothing; `create` makes the folders."""

    folder: Path

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def secrets(self) -> Path:
        return self.folder / "secrets"

    @property
    def state_file(self) -> Path:
        return self.folder / "state.json"

    @property
    def faults_file(self) -> Path:
        return self.folder / "faults.json"

    @property
    def lock_file(self) -> Path:
        return self.folder / "lock"

    def log_of(self, process: str) -> Path:
        return self.logs / f"{process}.log"

    @property
    def has_demo_user(self) -> bool:
        """Whether the demo user was set up once: it may be used up since, and is not refilled."""
        return (self.folder / "demo-user").exists()

    def remember_demo_user(self) -> None:
        """Note that the demo user is set up."""
        (self.folder / "demo-user").touch()

    def create(self) -> None:
        """Make the folders that are missing. Secrets are for the owner alone, logs too: they tell what users do."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.logs, self.secrets):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o700)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Be the one launcher of this folder. The kernel lets go when the process ends, however it ends.

        Raises AlreadyRunningError.
        """
        self.create()
        with self.lock_file.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(self.holder() or 0) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield
            lock.truncate(0)

    def holder(self) -> int | None:
        """The pid of the launcher that holds this folder; None when none does."""
        try:
            with self.lock_file.open("r+") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            text = self.lock_file.read_text().strip()
            return int(text) if text.isdigit() else 0
        return None

    def read_state(self) -> dict[str, Any]:
        """What the launcher last wrote about its processes; empty when it never did."""
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}
        return state

    def write_state(self, state: dict[str, Any]) -> None:
        """Replace the state in one step: a reader sees the old one or the new one, whole."""
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1))
        fresh.replace(self.state_file)

    def delete(self) -> None:
        """Remove everything. The caller made sure that nothing runs."""
        shutil.rmtree(self.folder, ignore_errors=False)
