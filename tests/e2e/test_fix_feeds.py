"""Market data and drop copies over FIX; and QuickFIX's own initiator, which holds messages against its dictionary."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.exchange import Exchange, User, eventually
from tests.e2e.fix_client import DROP_COPY, MARKET, ORDERS, PASSWORD, FixClient, Heard, logged_on, name, new_order

fix = pytest.importorskip("quickfix", reason="the FIX gateway's engine is not installed: make fix")

engine = pytest.importorskip("services.fix_gateway.engine")

Levels = list[dict[int, str]]


def entries(client: FixClient) -> Levels:
    """The entries of the message that was heard last."""
    found: Levels = []
    for tag, value in ((int(tag), value.decode()) for tag, value in client.heard[-1].pairs):
        if tag in (279, 269) and (not found or tag in found[-1]):
            found.append({})
        if found:
            found[-1][tag] = value
    return found


def ask_for(client: FixClient, symbol: str, types: str = "01", kind: int = 1, depth: int = 0) -> str:
    """Sends a MarketDataRequest; its id."""
    wanted = [(269, entry) for entry in types]
    new = name()
    client.say("V", (262, new), (263, kind), (264, depth), (267, len(types)), *wanted, (146, 1), (55, symbol))
    return new


def test_a_book_is_told_and_kept_up_to_date(exchange: Exchange) -> None:
    """A snapshot, then what is new, changed and gone; trades as they happen; and no more once that is asked for."""
    user, seller = exchange.user(cash=100_000), exchange.user(NVDA=100)
    first = user.placed(symbol="NVDA", price="130.00", quantity=5)
    eventually(lambda: user.get("/marketdata/orderBook/L2", symbol="NVDA")["bids"], bool)
    with logged_on(exchange, user, MARKET) as client:
        book = ask_for(client, "NVDA")
        assert client.hear()[35] == "W"
        assert {270: "130.00", 271: "5"}.items() <= entries(client)[0].items()
        traded = ask_for(client, "NVDA", "2")
        assert client.hear()[35] == "W"
        steps = (
            (lambda: user.placed(symbol="NVDA", price="130.00", quantity=2), ("1", "0", "130.00", "7")),
            (lambda: seller.placed(symbol="NVDA", side="SELL", price="135.00", quantity=3), ("0", "1", "135.00", "3")),
            (lambda: user.http.delete(f"/v1/order/{first['order_id']}"), ("1", "0", "130.00", "2")),
            (lambda: seller.placed(symbol="NVDA", side="SELL", price="130.00", quantity=2), ("2", "0", "130.00", None)),
        )
        for act, told in steps:
            act()
            client.until(lambda heard: heard.get(262) == book)
            (entry,) = entries(client)
            assert (entry[279], entry[269], entry[270], entry.get(271)) == told
        if not any(message.get(262) == traded.encode() for message in client.heard[3:]):
            client.until(lambda heard: heard.get(262) == traded)
        ask_for(client, "NVDA", kind=0, depth=1)
        client.until(lambda heard: heard[35] == "W")
        assert [(entry[269], entry[270]) for entry in entries(client)] == [("1", "135.00")]
        client.say("V", (262, book), (263, 2), (264, 0), (267, 1), (269, 0), (146, 1), (55, "NVDA"))
        client.say("x", (320, "list"), (559, 4))
        listed = client.until(lambda heard: heard[35] == "y")
        assert int(listed[146]) == int(listed[393]) >= 5


def test_what_is_not_served_is_refused(exchange: Exchange) -> None:
    """With MarketDataRequestReject and its reason; orders are refused as what this session does not serve."""
    user = exchange.user()
    with logged_on(exchange, user, MARKET) as client:
        for symbol, depth, reason, code in (
            ("NOPE", 0, "0", "unknown_symbol"),
            ("NVDA", 7, "5", "invalid_market_depth"),
        ):
            asked = ask_for(client, symbol, depth=depth)
            told = client.hear()
            assert (told[35], told[262], told[281], told[58].split(":")[0]) == ("Y", asked, reason, code)
        client.order()
        told = client.hear()
        assert (told[35], told[372], told[380]) == ("j", "D", "3")


def test_a_drop_copy_tells_all_orders_once(exchange: Exchange) -> None:
    """Whether over HTTP or FIX, while it listens and while it was away, each report comes once and in order."""
    user, other = exchange.user(cash=100_000), exchange.user(NVDA=100)

    def told(client: FixClient, count: int) -> list[tuple[str, str, str]]:
        heard: list[Heard] = [client.until(lambda heard: heard[35] == "8") for _ in range(count)]
        assert all(report[797] == "Y" for report in heard)
        return [(report[11], report[150], report[14]) for report in heard]

    with logged_on(exchange, user, DROP_COPY) as client:
        order = user.placed(symbol="NVDA", price="131.00", client_order_id="http-1")
        assert told(client, 1) == [("http-1", "0", "0")]
        numbers = client.numbers
    with logged_on(exchange, user, label=":desk") as orders:
        over_fix = orders.order("fix-1", t55="NVDA", t44="131.00")
        orders.report(over_fix, "0")
    other.placed(symbol="NVDA", side="SELL", price="131.00", quantity=4)
    user.http.patch(f"/v1/order/{order['order_id']}", json={"quantity": 8})
    with logged_on(exchange, user, DROP_COPY, numbers) as client:
        missed = [("fix-1", "0", "0"), ("http-1", "F", "4"), ("http-1", "5", "4")]
        assert told(client, 3) == missed
        user.http.delete(f"/v1/order/{order['order_id']}")
        assert told(client, 1) == [("http-1", "4", "4")]


class Initiator(fix.Application):  # type: ignore[misc, name-defined, unused-ignore]
    """A client by QuickFIX."""

    def __init__(self, user: User) -> None:
        super().__init__()
        self._user = user
        self.heard: list[dict[int, str]] = []
        self.logged_on = threading.Event()

    def onCreate(self, session: Any) -> None:  # noqa: N802
        return

    def onLogon(self, session: Any) -> None:  # noqa: N802
        self.logged_on.set()

    def onLogout(self, session: Any) -> None:  # noqa: N802
        self.logged_on.clear()

    def toAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        if message.getHeader().getField(35) == "A":
            message.setField(553, self._user.name)
            message.setField(554, PASSWORD)

    def toApp(self, message: Any, session: Any) -> None:  # noqa: N802
        return

    def fromAdmin(self, message: Any, session: Any) -> None:  # noqa: N802
        return

    def fromApp(self, message: Any, session: Any) -> None:  # noqa: N802
        fields = (part.partition("=") for part in message.toString().split("\x01") if part)
        self.heard.append({int(tag): value for tag, _, value in fields})


@contextmanager
def initiator(exchange: Exchange, user: User, target: str) -> Iterator[tuple[Initiator, Any]]:
    """An initiator that is logged on, with the dictionary of its package at its strictest."""
    application, given = Initiator(user), fix.Dictionary()
    for key, value in {
        "ConnectionType": "initiator",
        "SocketConnectHost": "127.0.0.1",
        "SocketConnectPort": str(exchange.ports["FIX_PORT"]),
        "HeartBtInt": "30",
        "ReconnectInterval": "1",
        "NonStopSession": "Y",
        "DataDictionary": str(engine.DICTIONARY),
    }.items():
        given.setString(key, value)
    session, settings = fix.SessionID("FIX.4.4", user.name, target), fix.SessionSettings()
    settings.set(session, given)
    store = fix.MemoryStoreFactory()
    runs = fix.SocketInitiator(application, store, settings)
    runs.start()
    try:
        assert application.logged_on.wait(20)
        yield application, session
    finally:
        runs.stop(True)


def test_quickfix_as_a_client(exchange: Exchange) -> None:
    """Its dictionary rejects none of our messages, its orders trade, and it keeps a book."""
    user, other = exchange.user(cash=100_000), exchange.user(NVDA=100)
    with initiator(exchange, user, ORDERS) as (client, session):
        message = fix.Message()
        message.getHeader().setField(35, "D")
        for tag, value in new_order("q1", t55="NVDA", t44="132.00"):
            message.setField(tag, str(value))
        assert fix.Session.sendToTarget(message, session)
        eventually(lambda: [heard[150] for heard in client.heard], lambda found: found == ["0"])
        other.placed(symbol="NVDA", side="SELL", price="132.00", quantity=10)
        told = eventually(lambda: [heard[150] for heard in client.heard], lambda found: found == ["0", "F"])
        assert told == ["0", "F"]
    with initiator(exchange, user, MARKET) as (client, session):
        text = "8=FIX.4.4|9=0|35=V|262=m|263=1|264=0|267=2|269=0|269=1|146=1|55=NVDA|10=000|".replace("|", "\x01")
        assert fix.Session.sendToTarget(fix.Message(text, engine.load_dictionary(), False), session)
        eventually(lambda: [heard[35] for heard in client.heard], lambda found: found == ["W"])
        user.placed(symbol="NVDA", price="129.00", quantity=1)
        told = eventually(lambda: [heard[35] for heard in client.heard], lambda found: "X" in found)
        assert set(told) == {"W", "X"}
