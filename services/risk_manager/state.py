"""The fast state in Valkey: what every account has open and has traded, changed by one Lua script per batch.

It may be lost at any time and is then made again from PostgreSQL, up to the last event applied there. Orders in flight
(let through, but without an event yet) are not in PostgreSQL: after a rebuild an account may go over its limits by
those of its orders that were in flight, each until its first event brings it back into the count. The state never
counts too much for longer than it takes the gateway's sweeper to find a reservation nobody will use.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import structlog
from opentelemetry.trace import Span
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.risk_manager.control_store import load_controls
from services.risk_manager.effects import DAY_US, Effects, effects_of
from services.risk_manager.store import load
from shared.connections import Connection
from shared.contracts.events import EngineEvent
from shared.contracts.market import QUOTES_KEY
from shared.contracts.money import Money
from shared.errors import Unavailable
from shared.tracing import FixedAttributes, statement_spans
from shared.valkey import Script, Valkey

log = structlog.get_logger()

LUA = Path(__file__).parent / "lua"
POSITION_KEY = "risk-manager:state:position:2"
ORDERS_KEY = "risk-manager:state:orders"
WAITING_KEY = "risk-manager:state:waiting"
STATE_KEYS = "risk-manager:state:*"
BARRED_S = 3600
"""How long a released order stays barred: far longer than any request can be under way."""

REBUILD_CHUNK = 2_000
"""Orders that one script call of a rebuild brings in, so that Valkey never stands still for long."""

CHECK = FixedAttributes({"db.system.name": "redis", "db.operation.name": "EVALSHA", "peer.service": "redis"})


class RiskState:
    """The scripts, and the one way in which the state is made again."""

    def __init__(self, redis: Redis, valkey: Valkey) -> None:
        """``valkey`` is what every order takes, ``redis`` what is rare."""
        self._redis = redis
        common = (LUA / "common.lua").read_text()
        self._check, self._release, self._apply, self._join = (
            Script(valkey, common + (LUA / name).read_text())
            for name in ("check.lua", "release.lua", "apply.lua", "join.lua")
        )
        self._pack = msgspec.msgpack.Encoder().encode
        self._changing = asyncio.Lock()

    async def check(
        self,
        spans: Sequence[Span],
        orders: Sequence[tuple[Any, ...]],
        profiles: Mapping[str, tuple[Any, ...]],
        reference_prices: Mapping[str, Money],
    ) -> list[int]:
        """Verdict, limit and value per order, flat. Raises Unavailable when Valkey is away or its state is lost.

        ``profiles``: limits, firm and its limits of every user. ``reference_prices`` stand in for symbols without a
        quote.
        """
        now_us = time.time_ns() // 1000
        packed = [self._pack(part) for part in (orders, profiles, reference_prices)]
        with _outages(), statement_spans(spans, "check_limits", CHECK):
            answers: list[int] = await self._check(now_us, now_us // DAY_US, QUOTES_KEY, *packed)
        if not answers:
            raise Unavailable("risk state", "it is being rebuilt")
        return answers

    async def release(self, spans: Sequence[Span], order_ids: Sequence[int]) -> None:
        """Takes back the reservations that no event has confirmed, and bars their orders."""
        with _outages(), statement_spans(spans, "release_limits", CHECK):
            await self._release(BARRED_S, self._pack([str(order_id) for order_id in order_ids]))

    async def join(self, memberships: Mapping[int, int]) -> None:
        """Puts accounts into firms (0: into none); what they have at risk counts for their firm from now on."""
        async with self._changing:
            await self._put(memberships)

    async def _put(self, memberships: Mapping[int, int]) -> None:
        members = [(str(user_id), str(firm_id) if firm_id else "") for user_id, firm_id in memberships.items()]
        with _outages():
            await self._join(self._pack(members))

    async def waiting(self, from_us: int, until_us: int) -> tuple[list[int], list[int]]:
        """Order ids, and their users, of reservations made in this window that no event has confirmed."""
        with _outages():
            members: list[Any] = await self._redis.zrangebyscore(WAITING_KEY, from_us, f"({until_us}")
            records: list[Any] = await self._redis.hmget(ORDERS_KEY, members) if members else []
        found = [
            (int(order_id), int(msgspec.msgpack.decode(record)[0]))
            for order_id, record in zip(members, records, strict=True)
            if record is not None
        ]
        return [order_id for order_id, _ in found], [user_id for _, user_id in found]

    async def position(self) -> int:
        """The engine event that the state holds, -1 when it is lost."""
        with _outages():
            held = await self._redis.get(POSITION_KEY)
        return -1 if held is None else int(held)

    async def apply(self, connection: Connection, spans: Sequence[Span], events: Sequence[EngineEvent]) -> Effects:
        """Brings the state to the last of the events, each of which follows on the one before; answers their effects.

        ``connection`` is in a transaction that has not written these events yet: where the state turns out to be lost
        or behind, it is made again from there first. Events that the state holds already are passed over.
        """
        effects = effects_of(events)
        async with self._changing:
            missing, left = events, effects
            while missing:
                before, last = missing[0].seq - 1, missing[-1].seq
                with _outages(), statement_spans(spans, "apply_events", CHECK):
                    held = int(await self._apply(before, last, left.packed()))
                if held == last:
                    break
                if held < before:
                    await self._rebuild(connection)
                else:
                    missing = [event for event in missing if event.seq > held]
                    left = effects_of(missing)
        return effects

    async def rebuild(self, connection: Connection) -> None:
        """Makes the state again from PostgreSQL. ``connection`` sees one snapshot."""
        async with self._changing:
            await self._rebuild(connection)

    async def _rebuild(self, connection: Connection) -> None:
        """While the position is missing no order is let through, so nobody sees a half-made state."""
        seq, effects = await load(connection)
        memberships = (await load_controls(connection)).memberships
        with _outages():
            await self._redis.delete(POSITION_KEY)
            async for key in self._redis.scan_iter(match=STATE_KEYS, count=1000):
                await self._redis.unlink(key)
            await self._put(memberships)
            for chunk in _chunks(effects):
                await self._apply("", "", chunk.packed())
            await self._redis.set(POSITION_KEY, seq)
        log.info("risk state rebuilt", position=seq, orders=len(effects.orders), positions=len(effects.positions))


def _chunks(effects: Effects) -> Iterator[Effects]:
    yield effects._replace(orders={})
    orders = iter(effects.orders.items())
    while chunk := dict(islice(orders, REBUILD_CHUNK)):
        yield Effects(chunk, {}, {})


@contextmanager
def _outages() -> Iterator[None]:
    """A Valkey that is away is an outage, not a bug."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OSError) as error:
        raise Unavailable("redis", type(error).__name__) from error
