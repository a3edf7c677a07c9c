"""The matching-engine's HTTP face."""

import asyncio
import time
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from prometheus_client import Gauge

from services.matching_engine.layout import lay_out
from services.matching_engine.leadership import Leadership
from services.matching_engine.operations import Operations
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.settings import EngineSettings
from services.matching_engine.store import JournalStore
from services.matching_engine.timekeeper import Timekeeper
from services.matching_engine.writer import Writer
from shared.attributes import NEW_ORDER, price_text
from shared.contracts import engine as contract
from shared.contracts.operations import ENGINE
from shared.faults import ENGINE_PAUSE
from shared.service import Service
from shared.tracing import ItemAttributes

MIGRATIONS = Path(__file__).parent / "migrations"
PAUSE_S = 0.8

OPEN_ORDERS = Gauge("outcry_open_orders", "Orders in the book", ["symbol"])

ACTION = ItemAttributes({"order.symbol": "symbol", "user.id": ("user_id", str)})
CANCEL = ItemAttributes({"order.id": ("order_id", str), "order.symbol": "symbol", "user.id": ("user_id", str)})
AMEND = ItemAttributes(
    {
        "order.id": ("order_id", str),
        "order.symbol": "symbol",
        "order.quantity": "quantity",
        "order.price": ("price", price_text),
        "user.id": ("user_id", str),
    }
)


def create_app(settings: EngineSettings) -> FastAPI:
    """The app of one matching engine."""
    service = Service(ENGINE, settings, MIGRATIONS)
    shards = settings.shards
    outbox = SharedOutbox(service.database, service.valkey, service.redis if shards.count > 1 else None)
    store = JournalStore(service.database, outbox, shards, settings.shard)
    writer = Writer(store, settings.snapshot_every)
    operations = Operations(writer, store, service.redis)
    leadership = Leadership(service, writer, store, (writer.run, Timekeeper(writer).run), outbox.run)
    service.at_start(partial(lay_out, service.database, outbox, shards))
    ENGINE_PAUSE.while_on(_stand_still)
    service.at_start(writer.load)
    service.keep_running(leadership.run)
    service.check("journal", leadership.ready)
    service.measure(partial(_count_open_orders, writer))
    service.serve(contract.MATCH_ORDER, operations.match, NEW_ORDER)
    service.serve(contract.CANCEL_ORDER, operations.cancel, CANCEL)
    service.serve(contract.AMEND_ORDER, operations.amend, AMEND)
    service.serve(contract.CANCEL_ALL, operations.cancel_all, ACTION)
    service.serve(contract.CONFIGURE_BOOK, operations.configure, ACTION)
    service.serve(contract.SET_SESSION, operations.set_session, ACTION)
    service.serve(contract.LIST_SYMBOL, operations.list_symbol, ACTION)
    service.serve(contract.DELIST_SYMBOL, operations.delist_symbol, ACTION)
    service.serve(contract.BLOCK_ACCOUNT, operations.block)
    service.serve(contract.LIST_ACTIONS, operations.actions)
    service.serve(contract.VOID_ORDER, operations.void)
    service.serve(contract.LIST_INSTRUMENTS, operations.instruments)
    service.serve(contract.GET_BOOK, operations.book)
    return service.app


async def _stand_still() -> None:
    """The fault: half of the time nothing at all happens in this process."""
    while True:
        time.sleep(PAUSE_S)  # noqa: ASYNC251 - to block is what it is for
        await asyncio.sleep(PAUSE_S)


def _count_open_orders(writer: Writer) -> None:
    for symbol, count in writer.engine.open_orders().items():
        OPEN_ORDERS.labels(symbol).set(count)
