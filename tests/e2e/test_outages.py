"""PostgreSQL or Valkey away for ten seconds: requests fail cleanly, and everything recovers by itself."""

import os
import signal
import time

import pytest

from tests.e2e.exchange import Exchange, eventually
from tests.e2e.load import Load, assert_nothing_is_lost, traders

OUTAGE_S = 10


@pytest.mark.parametrize("part", ["postgres", "valkey"])
def test_an_outage_of_ten_seconds_is_survived(exchange: Exchange, part: str) -> None:
    """While it is stopped, answers are clean errors; afterwards orders flow and nothing is lost."""
    users = traders(exchange, 2)
    with Load(exchange, users, seed=7) as load:
        load.wait_for_orders(10)
        pids = stopped_processes(exchange, part)
        try:
            time.sleep(OUTAGE_S)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        assert eventually(exchange.ready, bool, wait_s=60)
        load.wait_for_orders(20)
    assert set(load.statuses) <= {201, 422, 429, 503}, load.statuses
    eventually(exchange.audit, lambda found: found["exit"] == 0, wait_s=40)
    assert_nothing_is_lost(exchange, load)


def stopped_processes(exchange: Exchange, part: str) -> list[int]:
    """Freezes a server and its children, as a host that hangs would, and says which."""
    import psutil

    server = psutil.Process(exchange.pid(part))
    pids = [server.pid, *(child.pid for child in server.children(recursive=True))]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids
