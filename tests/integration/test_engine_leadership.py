"""Two engines on one journal: one leads, the other follows, and takes over when the first is gone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import pytest

from services.matching_engine.app import create_app
from services.matching_engine.settings import EngineSettings
from shared.batching import Clients
from shared.contracts.engine import GET_BOOK, MATCH_ORDER, BookQuery, BookState, Matched
from shared.contracts.operations import ENGINE, GATEWAY
from shared.errors import Unavailable
from tests.orders import new_order
from tests.services import SECRETS, RunningService, running, service_settings

DatabaseUrl = Callable[[str], str]


class Two:
    """Two engines, and callers that know the addresses of both."""

    def __init__(self, first: RunningService, second: RunningService, url: str) -> None:
        self.engines = (first, second)
        self.url = url
        self.clients = Clients(SECRETS[GATEWAY], lambda _service: f"{second.url},{first.url}")

    async def place(self) -> Matched:
        """An order that rests. Raises Unavailable while nobody leads."""
        answer = await self.clients.call(MATCH_ORDER, new_order("AAPL"))
        assert isinstance(answer, Matched), answer
        return answer

    async def book(self) -> BookState:
        answer = await self.clients.call(GET_BOOK, BookQuery(symbol="AAPL"))
        assert isinstance(answer, BookState), answer
        return answer

    async def refuses(self, number: int) -> str:
        """What the engine with that number says to a call that reaches it alone."""
        with pytest.raises(Unavailable) as told:
            await self.engines[number].call(GET_BOOK, BookQuery(symbol="AAPL"))
        assert not told.value.sent
        return str(told.value)

    async def end_lock(self) -> None:
        """The connection that holds the lock breaks, as it does when its engine dies."""
        connection = await asyncpg.connect(self.url)
        locks = (
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 0 AND database ="
        )
        ended = await connection.fetch(f"{locks} (SELECT oid FROM pg_database WHERE datname = current_database())")
        await connection.close()
        assert len(ended) == 1


@pytest.fixture
async def two(database_url: DatabaseUrl, redis_url: str) -> AsyncIterator[Two]:
    url = database_url(ENGINE)
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def engine() -> AsyncIterator[RunningService]:
            async with running(create_app, service_settings(EngineSettings, url, redis_url)) as service:
                await is_ready(service)
                yield service

        yield Two(await stack.enter_async_context(engine()), await stack.enter_async_context(engine()), url)


async def is_ready(service: RunningService) -> None:
    async with asyncio.timeout(10):
        while True:
            if '"ready":true' in await service.get("/ready"):
                return
            await asyncio.sleep(0.02)


async def test_callers_find_the_engine_that_leads(two: Two) -> None:
    """Who follows says so, and a caller that knows both addresses does not notice."""
    assert (await two.place()).position == 1
    assert "nobody leads" in await two.refuses(1)


async def test_the_one_that_follows_goes_on_where_the_other_stopped(two: Two) -> None:
    """When the lock is free, the other one has it within a second, with every order that was acknowledged."""
    placed = [await two.place() for _ in range(20)]
    await two.end_lock()
    async with asyncio.timeout(3):
        while True:
            try:
                placed.append(await two.place())
                break
            except Unavailable:
                await asyncio.sleep(0.02)
    book = await two.book()
    assert [order.order_id for order in book.orders] == [answer.order_id for answer in placed]
    assert [answer.position for answer in placed] == list(range(1, 22))
