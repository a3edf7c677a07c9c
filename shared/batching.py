"""Natural batching: calls that arrive while one is in flight travel together in the next.

A lone call leaves at once and waits for nothing. Under load the batches grow by themselves, and one request, one
statement and one commit serve many orders. There is no timer and nothing to tune.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeAlias, cast

import msgspec
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from shared import auth
from shared.contracts.operations import A, I, Operation, Refused
from shared.errors import Unavailable
from shared.shards import Shards
from shared.tracing import context_from, record_error
from shared.transport import NotSent, Transport

BATCH_MAX = 256
"""Items in one request: enough to spread its cost thin, few enough to keep its answer quick."""

WAITING_MAX = 4096
"""Items that may wait for a lane. Beyond that the callee is too far behind, and callers are better told at once."""

TIMEOUT_S = 5.0

Outcome: TypeAlias = A | Refused | Unavailable
"""How the call for one of several items ended."""


class _Call(NamedTuple):
    """Items that came together and are answered together. A ``lone`` one gets its answer itself, not a list of it."""

    items: Sequence[Any]
    future: "asyncio.Future[Any]"
    since_ns: int
    lone: bool

    def answer(self, answers: list[Any]) -> None:
        if not self.future.done():
            self.future.set_result(answers[0] if self.lone else answers)

    def fail(self, failure: Unavailable) -> None:
        if self.future.done():
            return
        if self.lone:
            self.future.set_exception(failure)
        else:
            self.future.set_result([failure] * len(self.items))


class Caller(Generic[I, A]):
    """Calls one operation of one service. Awaiting it gives the answer to that item."""

    def __init__(self, transport: Transport, operation: Operation[I, A]) -> None:
        self._transport = transport
        self._operation = operation
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(list[operation.answer | Refused]).decode  # type: ignore[name-defined]
        self._waiting: deque[_Call] = deque()
        self._waiting_items = 0
        self._free_lanes = operation.lanes
        self._tasks: set[asyncio.Task[None]] = set()
        self._tracer = trace.get_tracer("shared.batching")

    def __call__(self, item: I) -> "asyncio.Future[A | Refused]":
        """The service's answer, to be awaited; it is on its way at once.

        Awaiting raises Unavailable when the service can't be reached, fails or is too far behind.
        """
        future: asyncio.Future[A | Refused] = asyncio.get_running_loop().create_future()
        self._take(_Call((item,), future, time.time_ns(), True))
        return future

    def many(self, items: Sequence[I]) -> "asyncio.Future[list[Outcome[A]]]":
        """The answers to several items that travel together, in their order: what is Unavailable is one of them."""
        future: asyncio.Future[list[Outcome[A]]] = asyncio.get_running_loop().create_future()
        if items:
            self._take(_Call(items, future, time.time_ns(), False))
        else:
            future.set_result([])
        return future

    def _take(self, call: _Call) -> None:
        if self._waiting_items >= WAITING_MAX:
            call.fail(Unavailable(self._operation.service, "too many calls are waiting", sent=False))
            return
        self._waiting.append(call)
        self._waiting_items += len(call.items)
        if self._free_lanes:
            self._free_lanes -= 1
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        """Sends batches until nothing waits."""
        try:
            while self._waiting:
                if batch := self._next():
                    await self._send(batch)
        finally:
            self._free_lanes += 1

    def _next(self) -> list[_Call]:
        """What goes next. A caller that gave up (its client went away) no longer waits for an answer."""
        batch: list[_Call] = []
        room = BATCH_MAX
        while self._waiting and (not batch or len(self._waiting[0].items) <= room):
            call = self._waiting.popleft()
            self._waiting_items -= len(call.items)
            if not call.future.done():
                batch.append(call)
                room -= len(call.items)
        return batch

    async def _send(self, batch: list[_Call]) -> None:
        try:
            answers = await self._post([item for call in batch for item in call.items])
        except (TimeoutError, OSError, msgspec.DecodeError, Unavailable) as error:
            reason = str(error) or type(error).__name__
            failure = Unavailable(self._operation.service, reason, sent=not isinstance(error, NotSent))
            for call in batch:
                for item in call.items:
                    self._record_failure(item, call.since_ns, failure, error)
                call.fail(failure)
            return
        begin = 0
        for call in batch:
            end = begin + len(call.items)
            call.answer(answers[begin:end])
            begin = end

    async def _post(self, items: list[I]) -> list[A | Refused]:
        status, body = await self._transport.request("POST", self._operation.path, self._encode(items), TIMEOUT_S)
        if status != 200:
            raise Unavailable(self._operation.service, f"answered {status}")
        answers: list[A | Refused] = self._decode(body)
        if len(answers) != len(items):
            raise Unavailable(self._operation.service, "answered another number of items")
        return answers

    def _record_failure(self, item: I, since_ns: int, failure: Unavailable, error: BaseException) -> None:
        """A client span where no server could tell its part: otherwise the trace would not show what was tried."""
        if not item.traceparent or not self._operation.traced:
            return
        span = self._tracer.start_span(
            f"{self._operation.service} {self._operation.name}",
            context_from(item.traceparent),
            kind=SpanKind.CLIENT,
            attributes={"peer.service": self._operation.service, "rpc.method": self._operation.name},
            start_time=since_ns,
        )
        record_error(span, failure, type(error).__name__)
        span.end()


class ShardedCaller(Generic[I, A]):
    """Calls an operation of a service that is spread over several processes by symbol: that of the item's symbol.

    An item without a symbol goes to all of them, where the operation says what their answers come to.
    """

    def __init__(self, callers: Sequence[Caller[I, A]], operation: Operation[I, A], shards: Shards) -> None:
        self._callers = callers
        self._merge = operation.merge
        self._shards = shards

    def __call__(self, item: I) -> "asyncio.Future[A | Refused]":
        """Like that of ``Caller``. Where all are asked, one that can't be reached makes the answer Unavailable."""
        symbol: str = getattr(item, "symbol", "")
        if symbol or self._merge is None:
            return self._callers[self._shards.of(symbol)](item)
        return asyncio.ensure_future(self._everywhere(item, self._merge))

    def many(self, items: Sequence[I]) -> "asyncio.Future[list[Outcome[A]]]":
        """Like that of ``Caller``, for items that name a symbol."""
        return asyncio.ensure_future(self._each_to_its_own(items))

    async def _each_to_its_own(self, items: Sequence[I]) -> "list[Outcome[A]]":
        places: dict[int, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault(self._shards.of(item.symbol), []).append(place)  # type: ignore[attr-defined]
        calls = [self._callers[shard].many([items[place] for place in own]) for shard, own in places.items()]
        answers: dict[int, Outcome[A]] = {}
        for own, call in zip(places.values(), calls, strict=True):
            answers.update(zip(own, await call, strict=True))
        return [answers[place] for place in range(len(items))]

    async def _everywhere(self, item: I, merge: Callable[[Sequence[A]], A]) -> A | Refused:
        answers = await asyncio.gather(*[caller(item) for caller in self._callers])
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        return refused[0] if refused else merge(cast("Sequence[A]", answers))


class Clients:
    """A service's connections to the others: one transport per service and shard, one caller per operation.

    ``url_of`` gives a service's address, with semicolons between those of ``shards``.
    """

    def __init__(self, secret: str, url_of: Callable[[str], str], shards: Shards = Shards()) -> None:  # noqa: B008
        self._headers = {"Authorization": auth.header(secret)}
        self._url_of = url_of
        self._shards = shards
        self._transports: dict[str, list[Transport]] = {}
        self._callers: dict[tuple[str, str], Caller[Any, Any] | ShardedCaller[Any, Any]] = {}

    def close(self) -> None:
        """Closes idle connections."""
        for transports in self._transports.values():
            for transport in transports:
                transport.close()

    def caller(self, operation: Operation[I, A]) -> Caller[I, A] | ShardedCaller[I, A]:
        """The one caller of this operation in this process; more would split the batches."""
        key = (operation.service, operation.name)
        if key not in self._callers:
            callers = [Caller(transport, operation) for transport in self._transports_of(operation.service)]
            self._callers[key] = callers[0] if len(callers) == 1 else ShardedCaller(callers, operation, self._shards)
        return self._callers[key]

    def _transports_of(self, service: str) -> list[Transport]:
        if service not in self._transports:
            urls = self._url_of(service).split(";")
            self._transports[service] = [Transport(url, self._headers) for url in urls]
        return self._transports[service]

    def call(self, operation: Operation[I, A], item: I) -> "asyncio.Future[A | Refused]":
        """One call of an operation, to be awaited like ``Caller``."""
        return self.caller(operation)(item)

    def call_many(self, operation: Operation[I, A], items: Sequence[I]) -> "asyncio.Future[list[Outcome[A]]]":
        """Calls for several items at once, with an answer for each: one await for all of them."""
        return self.caller(operation).many(items)


async def outcome(call: "asyncio.Future[A | Refused]") -> A | Refused | Exception:
    """How a call ended, for those who made several at once and want to know of each."""
    try:
        return await call
    except Exception as error:
        return error
