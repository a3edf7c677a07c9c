"""Natural batching, against servers that answer lists with lists."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from shared.batching import BATCH_MAX, Clients
from shared.contracts.operations import Answer, Item, Operation, Refused
from shared.errors import Unavailable
from shared.shards import Shards
from tests.http_peer import http_peer


class Number(Item, frozen=True, kw_only=True):
    number: int
    symbol: str = "AAPL"


class Doubled(Answer, frozen=True, kw_only=True, tag=True):
    number: int


DOUBLE = Operation("matching-engine", "double", Number, Doubled)
NOWHERE = "http://127.0.0.1:9"


@asynccontextmanager
async def doubling() -> AsyncIterator[tuple[str, list[list[int]]]]:
    """Answers numbers with their doubles, refuses those below zero, and keeps the lists that came."""
    lists: list[list[int]] = []

    async def reply(_head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        numbers = [item["number"] for item in json.loads(body)]
        lists.append(numbers)
        refused = {"type": "Refused", "code": "below_zero", "detail": "No."}
        answers = [{"type": "Doubled", "number": 2 * n} if n >= 0 else refused for n in numbers]
        told = json.dumps(answers).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(told), told))

    async with http_peer(reply) as url:
        yield url, lists


def numbers(*given: int, symbol: str = "AAPL") -> list[Number]:
    return [Number(number=number, symbol=symbol) for number in given]


def doubles(answers: list[Doubled | Refused | Unavailable]) -> list[int | str]:
    """What each of the answers comes to, for comparing."""
    return [
        one.number if isinstance(one, Doubled) else one.code if isinstance(one, Refused) else "unavailable"
        for one in answers
    ]


async def test_items_that_come_together_travel_together_and_each_gets_its_own_answer() -> None:
    """Lone items and lists that wait at the same time share requests, whole, and are answered in their order."""
    async with doubling() as (url, lists):
        clients = Clients("secret", lambda _service: url)
        first = clients.call(DOUBLE, Number(number=1))
        await asyncio.sleep(0)  # it is on its way, alone
        some = clients.call_many(DOUBLE, numbers(2, -3, 4))
        lone = clients.call(DOUBLE, Number(number=5))
        more = clients.call_many(DOUBLE, numbers(*range(100, 100 + BATCH_MAX)))
        assert (await first, await lone) == (Doubled(number=2), Doubled(number=10))
        assert doubles(await some) == [4, "below_zero", 8]
        assert doubles(await more) == [2 * number for number in range(100, 100 + BATCH_MAX)]
        assert await clients.call_many(DOUBLE, []) == []
        clients.close()
    assert [len(one) for one in lists] == [1, 4, BATCH_MAX]


async def test_who_gave_up_is_not_sent() -> None:
    """Of calls that wait, those whose caller went away are left out, and the others lose nothing by it."""
    async with doubling() as (url, lists):
        clients = Clients("secret", lambda _service: url)
        first = clients.call(DOUBLE, Number(number=1))
        await asyncio.sleep(0)
        gone, kept = clients.call_many(DOUBLE, numbers(2, 3)), clients.call_many(DOUBLE, numbers(4))
        gone.cancel()
        assert await first == Doubled(number=2)
        assert doubles(await kept) == [8]
        clients.close()
    assert lists == [[1], [4]]


async def test_an_outage_is_the_answer_to_each_item() -> None:
    """Several items at once never raise: each of them is answered by what went wrong, and was not sent."""
    clients = Clients("secret", lambda _service: NOWHERE)
    answers = await clients.call_many(DOUBLE, numbers(1, 2))
    assert [isinstance(one, Unavailable) and not one.sent for one in answers] == [True, True]


async def test_items_go_to_the_shards_of_their_symbols() -> None:
    """Answers come in the order of the items, whichever engine gave them; where one is away, only its own fail."""
    async with doubling() as (url, lists):
        clients = Clients("secret", lambda _service: f"{url};{NOWHERE}", Shards("AAPL;*"))
        items = [*numbers(1), *numbers(2, symbol="MSFT"), *numbers(3)]
        assert doubles(await clients.call_many(DOUBLE, items)) == [2, "unavailable", 6]
        clients.close()
    assert lists == [[1, 3]]
