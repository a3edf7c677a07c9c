"""What the engine is asked: each operation becomes commands for the writer."""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar, cast

import structlog
from opentelemetry.trace import Span
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.matching_engine import requests
from services.matching_engine.commands import Block, CancelAll, Command, Void
from services.matching_engine.engine import Reply
from services.matching_engine.refusals import not_traded
from services.matching_engine.store import JournalStore
from services.matching_engine.writer import Writer
from shared.contracts import engine as contract
from shared.contracts.operations import I, Refused
from shared.contracts.orders import NewOrder, OrderStatus
from shared.tracing import traceparent_of

log = structlog.get_logger()

Request = Callable[[I, int, str], Command]
"""Makes the command of an item, a time in microseconds of Unix time, and the context of the item's span."""

A = TypeVar("A", contract.Matched, contract.Cancelled, contract.CancelledAll, contract.BookChanged)


class Operations:
    """What the engine is asked, turned into commands for its writer."""

    def __init__(self, writer: Writer, store: JournalStore, redis: Redis) -> None:
        self._writer = writer
        self._store = store
        self._redis = redis

    async def match(self, items: Sequence[NewOrder], spans: Sequence[Span]) -> list[contract.Matched | Refused]:
        answers = await self._do(requests.place, items, spans, contract.Matched)
        for span, answer in zip(spans, answers, strict=True):
            if isinstance(answer, contract.Matched):
                span.set_attribute("order.status", answer.status)
                span.set_attribute("order.filled_quantity", answer.filled_quantity)
        return answers

    async def cancel(
        self, items: Sequence[contract.CancelOrder], spans: Sequence[Span]
    ) -> list[contract.Cancelled | Refused]:
        return await self._do(requests.cancel, items, spans, contract.Cancelled)

    async def amend(
        self, items: Sequence[contract.AmendOrder], spans: Sequence[Span]
    ) -> list[contract.Matched | Refused]:
        return await self._do(requests.amend, items, spans, contract.Matched)

    async def cancel_all(
        self, items: Sequence[contract.CancelAll], spans: Sequence[Span]
    ) -> list[contract.CancelledAll | Refused]:
        return await self._do(requests.cancel_all, items, spans, contract.CancelledAll)

    async def set_session(
        self, items: Sequence[contract.SetSession], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        return await self._do(requests.set_session, items, spans, contract.BookChanged)

    async def configure(
        self, items: Sequence[contract.ConfigureBook], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        return await self._change_list(requests.configure, items, spans)

    async def list_symbol(
        self, items: Sequence[contract.ListSymbol], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        return await self._change_list(requests.list_symbol, items, spans)

    async def delist_symbol(
        self, items: Sequence[contract.DelistSymbol], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        return await self._change_list(requests.delist_symbol, items, spans)

    async def _do(
        self, request: Request[I], items: Sequence[I], spans: Sequence[Span], kind: type[A]
    ) -> list[A | Refused]:
        """Has the commands of a batch carried out, all as of the same time."""
        now_us = time.time_ns() // 1000
        commands = [request(item, now_us, traceparent_of(span)) for item, span in zip(items, spans, strict=True)]
        return replies(kind, await self._writer.submit(commands, spans))

    async def _change_list(
        self, request: Request[I], items: Sequence[I], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        """What changes the answer of LIST_INSTRUMENTS. Who keeps that in memory is told; all others ask."""
        answers = await self._do(request, items, spans, contract.BookChanged)
        try:
            await self._redis.publish(contract.INSTRUMENTS_CHANNEL, b"")
        except (RedisError, OSError) as error:
            log.warning("the change is noticed later", error=str(error))
        return answers

    async def block(
        self, items: Sequence[contract.Block], spans: Sequence[Span]
    ) -> list[contract.BookChanged | Refused]:
        """The account's orders are cancelled in the same batch, so that none can come in between."""
        now_us = time.time_ns() // 1000
        answers: list[contract.BookChanged | Refused] = []
        for item, span in zip(items, spans, strict=True):
            context = traceparent_of(span)
            commands: list[Command] = [Block(now_us, item.user_id, item.account_id, item.blocked, context)]
            if item.blocked:
                commands += [CancelAll(now_us, item.account_id, s, context) for s in self._writer.engine.instruments]
            replied = await self._writer.submit(commands, [span])
            last = max(reply.position for reply in replied if not isinstance(reply, Refused))
            answers.append(contract.BookChanged(position=last))
        return answers

    async def actions(self, items: Sequence[contract.ActionsQuery], _spans: Sequence[Span]) -> list[contract.Actions]:
        return [contract.Actions(actions=tuple(await self._store.actions(item.before, item.limit))) for item in items]

    async def void(self, items: Sequence[contract.VoidOrder], _spans: Sequence[Span]) -> list[contract.Voided]:
        """An order that the engine has answered lately comes back with that answer, and stays as it is."""
        now_us = time.time_ns() // 1000
        answers = await self._writer.submit([Void(now_us, i.order_id, i.traceparent) for i in items], ())
        return [
            contract.Voided(
                order_id=item.order_id, known=answer.status != OrderStatus.REJECTED, position=answer.position
            )
            for item, answer in zip(items, answers, strict=True)
            if isinstance(answer, contract.Matched)
        ]

    async def instruments(
        self, items: Sequence[contract.Instruments], _spans: Sequence[Span]
    ) -> list[contract.InstrumentList]:
        return [contract.InstrumentList(instruments=self._writer.engine.listing())] * len(items)

    async def book(
        self, items: Sequence[contract.BookQuery], _spans: Sequence[Span]
    ) -> list[contract.BookState | Refused]:
        engine = await self._writer.settled()
        return [
            contract.BookState(
                symbol=item.symbol,
                position=engine.seq,
                last_price=engine.last_prices.get(item.symbol, 0),
                orders=engine.resting(item.symbol),
                waiting=engine.waiting(item.symbol),
                session=engine.session(item.symbol),
                indication=engine.indication(item.symbol),
            )
            if item.symbol in engine.books
            else not_traded(item.symbol)
            for item in items
        ]


def replies(kind: type[A], answers: Sequence[Reply]) -> list[A | Refused]:
    """The writer's answers as those of one kind of command. Raises TypeError for another kind's."""
    for answer in answers:
        if not isinstance(answer, (kind, Refused)):
            raise TypeError(f"{type(answer).__name__} does not answer this command")
    return cast("list[A | Refused]", answers)
