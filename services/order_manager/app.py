"""The order-manager's HTTP face."""

import asyncio
from pathlib import Path

from fastapi import FastAPI

from services.order_manager.consumer import Executions
from services.order_manager.store import OrderStore
from shared.attributes import NEW_ORDER, ORDER_OF_USER
from shared.contracts import orders
from shared.contracts.events import EXECUTIONS, ORDER_EVENTS
from shared.contracts.operations import ORDERS
from shared.faults import CLOCK_SKEW
from shared.service import Service
from shared.settings import ServiceSettings
from shared.tracing.sources import shift_clock

MIGRATIONS = Path(__file__).parent / "migrations"
BEHIND_NS = 400_000_000


def create_app(settings: ServiceSettings) -> FastAPI:
    """The app of one order-manager."""
    service = Service(ORDERS, settings, MIGRATIONS)
    CLOCK_SKEW.while_on(_be_behind)
    store = OrderStore(service.database, service.publish(ORDER_EVENTS))
    executions = service.follow(EXECUTIONS, Executions(store).apply)
    service.serve(orders.CREATE_ORDER, store.create, NEW_ORDER)
    service.serve(orders.GET_ORDER, store.get, ORDER_OF_USER, fresh=executions)
    service.serve(orders.LIST_ORDERS, store.page, fresh=executions)
    service.serve(orders.FAIL_ORDER, store.fail, ORDER_OF_USER, fresh=executions)
    service.serve(orders.BURY_UNKNOWN, store.bury_unknown)
    service.serve(orders.PENDING_ORDERS, store.pending)
    return service.app


async def _be_behind() -> None:
    """The fault: spans are timed by a clock that is behind. What is stored keeps the right time."""
    shift_clock(-BEHIND_NS)
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        shift_clock(0)
