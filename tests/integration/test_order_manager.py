"""The order-manager's operations on a real database."""

import time
from collections.abc import AsyncIterator, Callable

import pytest

from services.order_manager.app import create_app
from shared.contracts import orders
from shared.contracts.operations import Refused
from shared.ids import OrderIds, first_at
from shared.settings import ServiceSettings
from tests.services import RunningService, running, service_settings

ANNA = 1001
SECOND_US = 1_000_000


@pytest.fixture
async def manager(database_url: Callable[[str], str], redis_url: str) -> AsyncIterator[RunningService]:
    settings = service_settings(ServiceSettings, database_url("order-manager"), redis_url)
    async with running(create_app, settings) as service:
        yield service


def new_order(order_id: int, client_order_id: str = "") -> orders.NewOrder:
    return orders.NewOrder(
        order_id=order_id,
        user_id=ANNA,
        client_order_id=client_order_id,
        symbol="AAPL",
        side=1,
        order_type=1,
        time_in_force=1,
        price=1_500_000,
        quantity=10,
    )


async def test_an_order_is_made_once_and_its_name_brings_it_up(manager: RunningService) -> None:
    """The same order again is the same; another one under its client_order_id is told which one was first."""
    ids = OrderIds()
    first, second = new_order(ids.next(), "mine"), new_order(ids.next(), "mine")
    made = orders.Created(order_id=first.order_id)
    assert await manager.answer(orders.CREATE_ORDER, first) == made
    assert await manager.answer(orders.CREATE_ORDER, first) == made
    known = await manager.answer(orders.CREATE_ORDER, second)
    assert known.earlier is not None
    assert (known.order_id, known.earlier.order_id, known.earlier.price) == (first.order_id, first.order_id, 1_500_000)
    missing = await manager.call(orders.GET_ORDER, orders.OrderRef(user_id=ANNA, order_id=second.order_id))
    assert isinstance(missing, Refused)


async def test_orders_that_wait_for_the_engine_are_found_until_they_do_not(manager: RunningService) -> None:
    """However old they are, and in every round: that newer ones were looked through loses none."""
    now_us = time.time_ns() // 1000
    ages_s = (90_000, 100, 60, 40, 20)
    waiting = [first_at(now_us - age_s * SECOND_US) for age_s in ages_s]
    for order_id in waiting:
        await manager.answer(orders.CREATE_ORDER, new_order(order_id))
    until = orders.PendingBefore(until_us=now_us - 30 * SECOND_US)
    for _ in range(2):
        found = await manager.answer(orders.PENDING_ORDERS, until)
        assert (found.order_ids, set(found.user_ids)) == (tuple(waiting[:4]), {ANNA})
    for order_id in waiting[:3]:
        failure = orders.OrderFailure(order_id=order_id, user_id=ANNA, reason="gone")
        assert (await manager.answer(orders.FAIL_ORDER, failure)).dead
    assert (await manager.answer(orders.PENDING_ORDERS, until)).order_ids == (waiting[3],)
    late = first_at(now_us - 45 * SECOND_US)  # made before those that were looked through, written only now
    await manager.answer(orders.CREATE_ORDER, new_order(late))
    assert (await manager.answer(orders.PENDING_ORDERS, until)).order_ids == (late, waiting[3])
