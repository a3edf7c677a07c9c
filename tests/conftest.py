"""Fixtures for all tests: the real PostgreSQL and Valkey, one of each per session, fresh for each test.

`database_url("wallet-service")` makes a database of its own with that service's role and schema in it.
`redis_url` leads to an empty Valkey, as its administrator. `postgres_server.running` and
`valkey_server.running` have `stop()`, `kill()` and `start()` for tests of outages.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from outcry import compiled
from tests.servers import TestPostgres, TestValkey, start_postgres, start_valkey


def pytest_report_header() -> str:
    """Whoever starts tests without make is told when they would test yesterday's compiled modules."""
    return compiled.hint()


@pytest.fixture(scope="session")
def servers_folder() -> Iterator[Path]:
    """A short path that an unprivileged PostgreSQL can enter, which pytest's own temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(servers_folder: Path) -> Iterator[TestPostgres]:
    """The session's PostgreSQL."""
    postgres = start_postgres(servers_folder)
    yield postgres
    postgres.running.stop()


@pytest.fixture(scope="session")
def valkey_server(servers_folder: Path) -> Iterator[TestValkey]:
    """The session's Valkey."""
    valkey = start_valkey(servers_folder)
    yield valkey
    valkey.running.stop()


@pytest.fixture
def database_url(postgres_server: TestPostgres) -> Iterator[Callable[[str], str]]:
    """Makes a fresh database for the named service and answers its DATABASE_URL; all are dropped after the test."""
    made: list[str] = []

    def make(service: str) -> str:
        made.append(postgres_server.database(service))
        return made[-1]

    yield make
    for url in made:
        postgres_server.drop(url)


@pytest.fixture
def redis_url(valkey_server: TestValkey) -> str:
    """The REDIS_URL of an empty Valkey, for services and for tests that look into it; so it may do everything."""
    with redis.Redis.from_url(valkey_server.server.url()) as admin:
        admin.flushall()
    return valkey_server.server.url()
