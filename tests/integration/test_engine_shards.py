"""Two engines that share the symbols, in the real PostgreSQL and Valkey: one clock, one stream, two journals."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import msgspec
import pytest

from services.matching_engine.app import MIGRATIONS, create_app
from services.matching_engine.commands import Cancel, Command, Place
from services.matching_engine.engine import Engine, Reply
from services.matching_engine.layout import lay_out
from services.matching_engine.relay import SharedOutbox
from services.matching_engine.settings import EngineSettings
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import Writer
from shared.batching import Clients
from shared.contracts import engine as contract
from shared.contracts.events import EXECUTIONS, EngineEvent, Trade
from shared.contracts.operations import ENGINE, GATEWAY, A, I, Operation, Refused
from shared.errors import Unavailable
from shared.postgres import Database, migrate
from shared.shards import Shards
from shared.valkey import Valkey
from tests.orders import ids, new_order
from tests.services import SECRETS, WAIT_S, RunningService, running, service_settings
from tests.unit.test_engine import START_US, place, random_commands

DatabaseUrl = Callable[[str], str]
TWO = "AAPL;*"
TEN_S = 10_000_000


class Tables:
    """The tables of all engines of one exchange, and engines on them."""

    def __init__(self, url: str, redis_url: str) -> None:
        self.url = url
        self._redis_url = redis_url

    @asynccontextmanager
    async def writers(self, text: str = TWO) -> AsyncIterator[list[Writer]]:
        """An engine for each shard, that has read its journal and takes commands."""
        shards = Shards(text)
        database, valkey = Database(self.url, "matching_engine"), Valkey(self._redis_url)
        await database.connect()
        tasks = []
        try:
            await migrate(database, MIGRATIONS)
            outbox = SharedOutbox(database, valkey)
            await lay_out(database, outbox, shards)
            writers = [Writer(JournalStore(database, outbox, shards, n), 10_000) for n in range(shards.count)]
            for writer in writers:
                await writer.load()
                tasks.append(asyncio.create_task(writer.run()))
            await asyncio.sleep(0)
            yield writers
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await database.close()
            valkey.close()

    async def state(self, text: str = TWO) -> list[bytes]:
        """What engines of these shards start with."""
        async with self.writers(text) as writers:
            return [writer.engine.snapshot()[0] for writer in writers]

    async def events(self) -> list[EngineEvent]:
        """All events in the order of their numbers in the table."""
        connection = await asyncpg.connect(self.url)
        rows = await connection.fetch("SELECT seq, payload FROM outbox ORDER BY seq")
        await connection.close()
        events = [msgspec.json.decode(row["payload"], type=EngineEvent) for row in rows]
        assert [event.seq for event in events] == [row["seq"] for row in rows]
        return events


@pytest.fixture
def tables(database_url: DatabaseUrl, redis_url: str) -> Tables:
    return Tables(database_url(ENGINE), redis_url)


def of(symbol: str, commands: Sequence[Command]) -> list[Command]:
    return [command for command in commands if getattr(command, "symbol", "") == symbol]


async def submit(writer: Writer, commands: Sequence[Command]) -> list[Reply]:
    """Each in a commit of its own."""
    replies = []
    for command in commands:
        replies += await writer.submit([command], ())
    return replies


async def test_events_of_both_share_one_row_of_numbers(tables: Tables) -> None:
    """Without gaps, each event with its own number in it; every answer names its event, also when it is given again."""
    commands = random_commands(seed=21, count=400)
    pairs = list(zip(of("AAPL", commands), of("MSFT", commands), strict=False))
    parts = list(zip(*pairs, strict=True))
    async with tables.writers() as writers:
        # In each step both commit, so that each has other numbers than it thought.
        steps = [await asyncio.gather(*[w.submit([c], ()) for w, c in zip(writers, p, strict=True)]) for p in pairs]
        replies = [[reply for [reply] in part] for part in zip(*steps, strict=True)]
        events = await tables.events()
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for writer, part, told in zip(writers, parts, replies, strict=True):
            for command, reply in zip(part, told, strict=True):
                if isinstance(command, Place | Cancel) and isinstance(reply, contract.Matched):
                    assert events[reply.position - 1].order_id == command.order_id
            latest = [(c, r) for c, r in zip(part, told, strict=True) if isinstance(c, Place)][-20:]
            assert await submit(writer, [command for command, _ in latest]) == [reply for _, reply in latest]
        trades = [report.trade_id for event in events for report in event.reports if isinstance(report, Trade)]
        assert len(trades) == len(set(trades)) > 20
        state = [writer.engine.snapshot()[0] for writer in writers]
    assert await tables.state() == state


async def test_a_books_state_is_shown_with_the_number_that_its_last_event_got(tables: Tables) -> None:
    """Who looks while a commit is under way waits for it: the number in memory may still change."""
    async with tables.writers() as [first, second]:
        shown, mine = {0}, {0}
        for number in range(40):
            under_way = [
                asyncio.create_task(first.submit([place(number, side=1)], ())),
                asyncio.create_task(second.submit([place(1000 + number, side=1, symbol="MSFT")], ())),
            ]
            await asyncio.sleep(0)
            shown.add((await first.settled()).seq)
            [[answer], _] = await asyncio.gather(*under_way)
            assert isinstance(answer, contract.Matched)
            mine.add(answer.position)
            shown.add((await first.settled()).seq)
        assert shown == mine


async def test_symbols_can_be_spread_otherwise_between_two_runs(tables: Tables) -> None:
    """Orders, fees and barred ids go with the setting, from one engine to two and back, and numbers go on."""
    commands = random_commands(seed=22, count=600)
    alone = Engine([])
    async with tables.writers("*") as [writer]:
        await submit(writer, commands)
        alone = writer.engine
    async with tables.writers() as writers:
        engines = [writer.engine for writer in writers]
        assert [sorted(engine.instruments) for engine in engines] == [
            ["AAPL"],
            sorted(set(alone.instruments) - {"AAPL"}),
        ]
        assert [engine.seq for engine in engines] == [alone.seq, alone.seq]
        for engine, symbol in zip(engines, ("AAPL", "MSFT"), strict=True):
            assert engine.resting(symbol) == alone.resting(symbol) != ()
        again = [command for command in commands if isinstance(command, Place)][-1]
        assert (await submit(writers[Shards(TWO).of(again.symbol)], [again])) == [alone.apply(again)[0]]
        later = START_US + 15 * TEN_S
        for writer, symbol in zip(writers, ("AAPL", "MSFT"), strict=True):
            await submit(
                writer, [place(9000, side=1, price=1_200_000, symbol=symbol, time_us=later, order_id=ids.next())]
            )
        resting = [engine.resting(symbol) for engine, symbol in zip(engines, ("AAPL", "MSFT"), strict=True)]
    events = await tables.events()
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    async with tables.writers("*") as [writer]:
        assert writer.engine.seq == len(events)
        assert [writer.engine.resting(symbol) for symbol in ("AAPL", "MSFT")] == resting


class Engines:
    """Two running engines and callers that know both."""

    def __init__(self, engines: list[RunningService], valkey: Valkey, url: str) -> None:
        self.engines = engines
        self._valkey = valkey
        self.url = url
        urls = ";".join(engine.url for engine in engines)
        self._clients = Clients(SECRETS[GATEWAY], lambda _service: urls, Shards(TWO))

    async def call(self, operation: Operation[I, A], item: I) -> A:
        """An answer that is no refusal, once the engines lead."""
        async with asyncio.timeout(WAIT_S):
            while True:
                try:
                    answer = await self._clients.call(operation, item)
                except Unavailable:
                    await asyncio.sleep(0.02)
                    continue
                assert not isinstance(answer, Refused), answer
                return answer

    async def refused(self, operation: Operation[I, A], item: I) -> str:
        answer = await self._clients.call(operation, item)
        assert isinstance(answer, Refused)
        return answer.code

    async def place(self, symbol: str, **more: int) -> contract.Matched:
        return await self.call(contract.MATCH_ORDER, new_order(symbol, **more))

    async def streamed(self, count: int) -> list[EngineEvent]:
        """The first events of the stream, once they are in it."""
        events: list[EngineEvent] = []
        async with asyncio.timeout(WAIT_S):
            while len(events) < count:
                await asyncio.sleep(0.01)
                events = []
                for entry_id, [_, payload] in await self._valkey.call("XRANGE", EXECUTIONS.name, "-", "+"):
                    events += msgspec.json.decode(payload, type=list[EngineEvent])
                    assert int(entry_id.split(b"-")[0]) == events[-1].seq
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        return events[:count]


@pytest.fixture
async def two(database_url: DatabaseUrl, redis_url: str) -> AsyncIterator[Engines]:
    url, valkey = database_url(ENGINE), Valkey(redis_url)
    more = {"matching_engine_shards": TWO, "matching_engine_url": "http://127.0.0.1:1;http://127.0.0.1:2"}
    async with AsyncExitStack() as stack:
        stack.callback(valkey.close)
        engines = [
            await stack.enter_async_context(
                running(create_app, service_settings(EngineSettings, url, redis_url, shard=shard, **more))
            )
            for shard in range(2)
        ]
        yield Engines(engines, valkey, url)


async def test_each_symbol_is_traded_by_its_engine_and_one_relays_for_both(two: Engines) -> None:
    """Orders go where their symbol is; all events are in one stream, in the order of their numbers."""
    placed = [await two.place(symbol) for _ in range(5) for symbol in ("AAPL", "MSFT")]
    assert [answer.position for answer in placed] == list(range(1, 11))
    assert [event.seq for event in await two.streamed(10)] == list(range(1, 11))
    for engine, symbol, other in ((0, "AAPL", "MSFT"), (1, "MSFT", "AAPL")):
        book = await two.engines[engine].answer(contract.GET_BOOK, contract.BookQuery(symbol=symbol))
        assert len(book.orders) == 5
        refused = await two.engines[engine].call(contract.GET_BOOK, contract.BookQuery(symbol=other))
        assert isinstance(refused, Refused)


async def test_what_names_no_symbol_is_for_all_engines(two: Engines) -> None:
    """One list of instruments; a blocked account has orders nowhere, and a voided id is barred everywhere."""
    listed = await two.call(contract.LIST_INSTRUMENTS, contract.Instruments())
    symbols = [instrument.symbol for instrument in listed.instruments]
    assert symbols == sorted({"AAPL", "AMZN", "GOOGL", "META", "MSFT", "NVDA", "TSLA"})
    for symbol in ("AAPL", "MSFT"):
        await two.place(symbol)
    blocked = await two.call(contract.BLOCK_ACCOUNT, contract.Block(user_id=1, account_id=1001, blocked=True))
    for symbol in ("AAPL", "MSFT"):
        book = await two.call(contract.GET_BOOK, contract.BookQuery(symbol=symbol))
        assert book.orders == ()
        assert book.position <= blocked.position
    for symbol in ("AAPL", "MSFT"):
        assert await two.refused(contract.MATCH_ORDER, new_order(symbol)) == "account_blocked"
        order = new_order(symbol, user_id=1002)
        voided = await two.call(contract.VOID_ORDER, contract.VoidOrder(order_id=order.order_id))
        assert not voided.known
        assert await two.refused(contract.MATCH_ORDER, order) == "order_abandoned"
        there = await two.place(symbol, user_id=1002)
        assert (await two.call(contract.VOID_ORDER, contract.VoidOrder(order_id=there.order_id))).known
    actions = await two.call(contract.LIST_ACTIONS, contract.ActionsQuery())
    assert [(action.action, action.user_id) for action in actions.actions] == [("block", 1)]


async def test_when_who_relays_is_gone_another_one_relays(two: Engines) -> None:
    """Its lock is free then; events that were written meanwhile are in the stream soon."""
    for symbol in ("AAPL", "MSFT"):
        await two.place(symbol)
    await two.streamed(2)
    connection = await asyncpg.connect(two.url)
    ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    # The connection that holds lock -1 is that of the engine that relays; it has its shard's, too.
    ended = await connection.fetch(
        f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4294967295 AND {ours}"
    )
    await connection.close()
    assert len(ended) == 1
    for symbol in ("AAPL", "MSFT"):
        await two.place(symbol)
    assert [event.seq for event in await two.streamed(4)] == [1, 2, 3, 4]


async def test_engines_that_were_told_otherwise_do_not_start_beside_those_that_run(two: Engines) -> None:
    """Nobody can spread symbols anew while they are traded."""
    await two.place("AAPL")
    await two.place("MSFT")
    database = Database(two.url, "matching_engine")
    await database.connect()
    try:
        with pytest.raises(Unavailable, match="MATCHING_ENGINE_SHARDS=AAPL"):
            await lay_out(database, SharedOutbox(database, Valkey("redis://127.0.0.1:1")), Shards("*"))
    finally:
        await database.close()
