"""The real servers that tests run against: the launcher's PostgreSQL and Valkey, on free ports, in a passing folder."""

import asyncio
import secrets
import subprocess
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from outcry.postgres import EmbeddedPostgres
from outcry.process import ProcessSpec, spawn, stop, wait_ready
from outcry.provision import create_database, create_rooms, role_url, run_sql
from outcry.valkey import EmbeddedValkey
from shared.contracts.operations import SERVICES
from tests.ports import free_port

START_TIMEOUT_S = 60.0
T = TypeVar("T")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own, whether or not this thread already runs one."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(asyncio.run, work).result()


class RunningProcess:
    """A started child of a test, which can be stopped, killed and started again, as an outage is.

    All three wait until it is so, and may be called from async tests too. They belong to the main thread: the kernel
    ends a child together with the thread that made it.
    """

    def __init__(self, spec: ProcessSpec, log_path: Path, *, wait: bool = True) -> None:
        self.spec = spec
        self.log_path = log_path
        self.process: subprocess.Popen[bytes] | None = None
        if wait:
            self.start()
        else:
            self.process = spawn(spec, log_path)

    def start(self) -> None:
        """Start it and wait until it is ready; AssertionError with its log when it is not."""
        self.process = spawn(self.spec, self.log_path)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it is ready; AssertionError with its log when it is not."""
        assert self.process is not None
        ready = _run(asyncio.wait_for(wait_ready(self.spec, self.process), START_TIMEOUT_S))
        assert ready, f"{self.spec.name} did not start:\n{self.log_path.read_text()}"

    def stop(self) -> None:
        """Ask it to end, and wait for that."""
        if self.process is not None:
            _run(stop(self.spec, self.process))

    def kill(self) -> None:
        """kill -9, and wait for that."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@dataclass(frozen=True)
class TestPostgres:
    """A running PostgreSQL; `database` makes a fresh database in it. `running` stops and starts the server."""

    __test__ = False
    server: EmbeddedPostgres
    running: RunningProcess
    role_password: str

    def database(self, service: str) -> str:
        """A fresh database with the service's role and schema in it; answers the service's DATABASE_URL."""
        name = f"test_{secrets.token_hex(6)}"
        role = service.replace("-", "_")
        create_database(self.server.admin_url("postgres"), name)
        create_rooms(self.server.admin_url(name), {role: self.role_password})
        return role_url(self.server.admin_url(name), role, self.role_password)

    def drop(self, database_url: str) -> None:
        """Delete a database that `database` made, whoever is still connected."""
        name = database_url.rsplit("/", 1)[1]
        run_sql(self.server.admin_url("postgres"), f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE);')


@dataclass(frozen=True)
class TestValkey:
    """A running Valkey; `running` stops and starts the server."""

    __test__ = False
    server: EmbeddedValkey
    running: RunningProcess


def start_postgres(folder: Path) -> TestPostgres:
    """A PostgreSQL in `folder`, without fsync: what a test writes need not outlive a power cut."""
    server = EmbeddedPostgres(folder / "postgres", free_port(), secrets.token_urlsafe(16), durable=False)
    server.prepare()
    return TestPostgres(server, RunningProcess(server.process(), folder / "postgres.log"), secrets.token_urlsafe(16))


def start_valkey(folder: Path) -> TestValkey:
    """A Valkey in `folder`, with a user for each service."""
    passwords = {service: secrets.token_urlsafe(16) for service in SERVICES}
    server = EmbeddedValkey(folder / "valkey", free_port(), secrets.token_urlsafe(16), passwords)
    server.prepare()
    return TestValkey(server, RunningProcess(server.process(), folder / "valkey.log"))
