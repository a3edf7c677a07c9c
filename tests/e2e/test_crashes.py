"""Any part may be killed at any time: nothing that was acknowledged is lost, and the money is right afterwards."""

import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.load import Load, assert_nothing_is_lost, traders

PARTS = (
    *("matching-engine", "client-gateway", "order-manager", "wallet-service", "risk-manager", "user-service"),
    *("market-data", "reporting", "notification", "valkey", "postgres", "jaegerlite"),
)


@pytest.fixture(scope="module")
def users(exchange: Exchange) -> list[User]:
    """The same traders for all crashes: what one leaves behind, the next audit sees."""
    return traders(exchange)


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_and_nothing_is_lost(exchange: Exchange, users: list[User], part: str) -> None:
    """Killed under load, a part is started again, orders flow again, and the audit holds."""
    before = exchange.pid(part)
    with Load(exchange, users, seed=PARTS.index(part)) as load:
        load.wait_for_orders(20)
        exchange.kill(part)
        assert eventually(lambda: exchange.pid(part), lambda pid: pid not in (0, before)) not in (0, before)
        assert eventually(exchange.ready, bool, wait_s=60)
        load.wait_for_orders(20)
    assert 500 not in load.statuses, load.statuses
    assert_nothing_is_lost(exchange, load)


def test_the_gateway_killed_again_and_again_leaves_no_hold_behind(exchange: Exchange, users: list[User]) -> None:
    """Wherever on an order's way the gateway dies, the sweeper of the next one finishes or undoes it."""
    with Load(exchange, users, seed=99) as load:
        for _ in range(3):
            load.wait_for_orders(15)
            before = exchange.pid("client-gateway")
            exchange.kill("client-gateway")
            eventually(lambda before=before: exchange.pid("client-gateway"), lambda pid, b=before: pid not in (0, b))  # type: ignore[misc]
            assert eventually(exchange.ready, bool, wait_s=60)
    # The sweeper looks at what is older than any order can be on its way, 10 s; then holds and orders must agree.
    audit = eventually(exchange.audit, lambda found: found["exit"] == 0, wait_s=40)
    assert audit["exit"] == 0, audit
    assert_nothing_is_lost(exchange, load)
