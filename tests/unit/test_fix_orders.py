"""The orders of a session: found by their names, told of in order, whatever comes first."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from services.fix_gateway.ledger import Ledger
from services.fix_gateway.reports import by_view
from services.fix_gateway.session_orders import Entry, SessionOrders
from services.fix_gateway.wire import Fields, Message, message_text
from shared.errors import Problem
from tests.unit.test_fix_reports import said, trade, view


class Session:
    """A session's orders, and what was sent."""

    def __init__(self, folder: Path) -> None:
        self.ledger = Ledger(folder / "orders.sqlite")
        self.sent: list[Fields] = []
        self.orders = SessionOrders("s", self.ledger, self.sent.append)

    def begin(self, cl_ord_id: str, entry: Entry, kind: str = "D") -> bool:
        return self.orders.begin(Message(message_text([(35, kind), (11, cl_ord_id)])), entry)

    def told(self) -> list[tuple[str, str]]:
        """ExecType and ClOrdID of what was sent since the last look."""
        sent = [(dict(fields)[150], dict(fields)[11]) for fields in self.sent]
        self.sent.clear()
        return sent


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(tmp_path)


def test_messages_that_are_faster_than_the_answer_wait_for_it(session: Session) -> None:
    """They are told after the order is known to be new, once each; those of strangers are forgotten."""
    entry = Entry()
    session.begin("one", entry)
    session.orders.hear(trade(1, 4, "150.00"))
    session.orders.hear(said("order", status="OPEN", reason="") | {"order_id": "5"})
    assert session.told() == []
    session.orders.settle(entry, "one", view())
    assert session.told() == [("0", "one"), ("F", "one")]
    session.orders.hear(trade(2, 1, "150.00") | {"order_id": "5"})
    assert session.told() == []


def test_messages_wait_until_what_was_missed_is_told(session: Session) -> None:
    """A trade of now that is heard first does not make the ones before it forgotten."""
    entry = Entry()
    session.begin("one", entry)
    session.orders.settle(entry, "one", view())
    session.orders.pause()
    session.orders.hear(trade(9, 1, "150.00"))
    assert entry.order is not None
    session.orders.tell(entry.order, by_view(entry.order, view((7, 4, "150.00"))))
    session.orders.resume()
    assert session.told() == [("0", "one"), ("F", "one"), ("F", "one")]
    assert entry.order.filled == 5


async def test_messages_wait_while_a_request_is_under_way(session: Session) -> None:
    """What comes between a replace and its answer is told after it, under the new name."""
    entry = Entry()
    session.begin("one", entry)
    session.orders.settle(entry, "one", view())
    async with session.orders.turn(entry) as order:
        session.orders.hear(said("amended", price="151.00", quantity=10, open_quantity=10))
        session.orders.hear(trade(1, 4, "151.00"))
        assert session.told() == [("0", "one")]
        session.begin("two", entry, "G")
        session.orders.name("two", order)
        session.orders.tell(order, by_view(order, view(price="151.00"), amended_by="two"))
    assert session.told() == [("5", "two"), ("F", "two")]
    assert session.orders.find("one") is session.orders.find("two") is entry


async def test_requests_for_an_order_wait_for_it_and_for_each_other(session: Session) -> None:
    """A cancel that is sent right behind its order finds it, and requests are answered as they came."""
    entry, done = Entry(), []
    session.begin("one", entry)

    async def work(name: str) -> None:
        async with session.orders.turn(session.orders.find("one")):
            done.append(name)
            await asyncio.sleep(0)
            done.append(name)

    tasks = [asyncio.create_task(work(name)) for name in "ab"]
    await asyncio.sleep(0.01)
    assert done == []
    session.orders.settle(entry, "one", view())
    await asyncio.gather(*tasks)
    assert done == ["a", "a", "b", "b"]


async def test_there_is_no_order_where_it_was_refused(session: Session) -> None:
    """Who waits for it is told so, and its ClOrdID can be used again."""
    entry = Entry()
    session.begin("one", entry)
    waiting = asyncio.create_task(enter(session, entry))
    session.orders.forget("one")
    entry.known.set()
    with pytest.raises(Problem, match="order_not_found"):
        await waiting
    with pytest.raises(Problem, match="order_not_found"):
        session.orders.find("one")
    assert session.begin("one", Entry())


async def enter(session: Session, entry: Entry) -> None:
    async with session.orders.turn(entry):
        raise AssertionError("there is no such order")


def test_an_order_whose_answer_never_came_is_settled_later(session: Session) -> None:
    """It is not asked about while its answer may still come; after a restart it is, and its messages wait."""
    entry = Entry()
    session.begin("one", entry)
    assert session.orders.unsettled() == []
    session.orders.leave("one")
    assert [request.get(11) for request, _ in session.orders.unsettled()] == ["one"]
    again = SessionOrders("s", session.ledger, session.sent.append)
    again.hear(trade(1, 4, "150.00"))
    assert [request.get(11) for request, _ in again.unsettled()] == ["one"]
    again.settle(Entry(), "one", view())
    assert session.told() == [("0", "one"), ("F", "one")]
    assert again.unsettled() == []


def test_a_replace_whose_answer_never_came_names_its_order_after_a_restart(session: Session) -> None:
    """Whether or not it was carried out, the client may name the order either way."""
    entry = Entry()
    session.begin("one", entry)
    session.orders.settle(entry, "one", view())
    session.orders.begin(Message(message_text([(35, "G"), (11, "two"), (41, "one")])), entry)
    again = SessionOrders("s", session.ledger, session.sent.append)
    (open_one,) = again.open_entries()
    assert again.find("one") is again.find("two") is open_one
    assert again.unsettled() == []


def test_a_closed_order_is_found_in_the_ledger(session: Session) -> None:
    """Its messages tell nothing any more, but its name is known, and used."""
    entry = Entry()
    session.begin("one", entry)
    ended: dict[str, Any] = view(status="CANCELLED", reason="ioc")
    session.orders.settle(entry, "one", ended)
    assert session.told() == [("0", "one"), ("4", "one")]
    session.orders.hear(said("order", status="CANCELLED", reason="ioc"))
    assert session.told() == []
    assert session.orders.open_entries() == []
    found = session.orders.find("one").order
    assert found is not None
    assert found.is_final
    assert not session.begin("one", Entry())


def test_open_orders_are_there_again_after_a_restart(session: Session) -> None:
    """With all of their names, and as far as they were told of."""
    entry = Entry()
    session.begin("one", entry)
    session.orders.settle(entry, "one", view((1, 4, "150.00")))
    session.told()
    again = SessionOrders("s", session.ledger, session.sent.append)
    (found,) = again.open_entries()
    again.hear(trade(1, 4, "150.00"))
    again.hear(trade(2, 6, "150.00"))
    assert session.told() == [("F", "one")]
    assert found.order is not None
    assert found.order.is_final
