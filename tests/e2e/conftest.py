"""One exchange for all end-to-end tests; each test has users of its own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.e2e.exchange import ADMIN, PROJECT, Exchange, running_exchange

QUICK_ALERTS = PROJECT / "docs" / "lessons" / "alerts.yaml"


@pytest.fixture(scope="session")
def exchange() -> Iterator[Exchange]:
    """The running exchange, with limits low enough that a test can reach them.

    At its end Valkey tells whether any service ever wanted what it has no right to.
    """
    folder = Path(tempfile.mkdtemp(prefix="outcry-e2e-"))
    folder.chmod(0o755)
    limits = {"USER_REQUESTS_PER_S": "20", "USER_REQUESTS_BURST": "300", "SOCKET_WAITING_BYTES_MAX": "100000"}
    with running_exchange(folder / "home", JAEGERLITE_ALERT_RULES=str(QUICK_ALERTS), **limits, **ADMIN) as running:
        yield running
        with redis.Redis.from_url(running.redis_url()) as valkey:
            assert valkey.acl_log() == []
    shutil.rmtree(folder)


@pytest.fixture(autouse=True)
def clean_books(exchange: Exchange) -> Iterator[None]:
    """No test finds another's orders in a book: each test's users cancel theirs when it is over."""
    yield
    for user in exchange.fresh_users:
        user.http.delete("/v1/orders")
    exchange.fresh_users.clear()
