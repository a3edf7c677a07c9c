"""A FIX client for tests, by simplefix: every message and every sequence number by hand."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any

import simplefix

from tests.e2e.exchange import Exchange, User

WAIT_S = 20.0
PASSWORD = "correct horse"
ORDERS, MARKET, DROP_COPY = "OUTCRY", "OUTCRY-MD", "OUTCRY-DC"

Heard = dict[int, str]
"""The first value of each tag."""

_names = count(1)


def name() -> str:
    """A ClOrdID that nobody has used."""
    return f"c{next(_names)}-{time.time_ns()}"


class FixClient:
    """One connection. Numbers go on where ``numbers`` says: own next, and the other side's next."""

    def __init__(self, exchange: Exchange | int, sender: str, target: str, numbers: tuple[int, int] = (1, 1)) -> None:
        """``exchange``: or its FIX port."""
        self.sender, self.target = sender, target
        self.own, self.other = numbers
        self.heard: list[simplefix.FixMessage] = []
        self._parser = simplefix.FixParser()
        port = exchange if isinstance(exchange, int) else exchange.ports["FIX_PORT"]
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)

    @property
    def numbers(self) -> tuple[int, int]:
        return self.own, self.other

    def close(self) -> None:
        """The connection is lost, without a word."""
        self._socket.close()

    def send_raw(self, data: bytes) -> None:
        self._socket.sendall(data)

    def encode(self, kind: str, fields: list[tuple[int, Any]], number: int | None = None, **header: Any) -> bytes:
        """A message; without a number it has the next one."""
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.4")
        message.append_pair(35, kind)
        message.append_pair(49, self.sender)
        message.append_pair(56, self.target)
        message.append_pair(34, self.own if number is None else number)
        message.append_utc_timestamp(52, precision=3)
        for field, given in header.items():
            message.append_pair(int(field[1:]), given)
        for tag, value in fields:
            message.append_pair(tag, value)
        if number is None:
            self.own += 1
        data: bytes = message.encode()
        return data

    def say(self, kind: str, *fields: tuple[int, Any], number: int | None = None, **header: Any) -> None:
        """Sends a message. ``header`` has tags like t43="Y"."""
        self.send_raw(self.encode(kind, list(fields), number, **header))

    def log_on(self, username: str, password: str = PASSWORD, *more: tuple[int, Any]) -> Heard:
        """The answer to a Logon, whatever it is."""
        self.say("A", (98, 0), (108, 30), (553, username), (554, password), *more)
        return self.hear()

    def log_out(self) -> None:
        """Says goodbye, and waits for its answer and the end."""
        self.say("5")
        self.until(lambda heard: heard[35] == "5")
        self.close()

    def hear(self) -> Heard:
        """The next message, whatever it is. Its number must be the next one, unless it is a resend."""
        message = self._next()
        found = {int(tag): value.decode() for tag, value in reversed(message.pairs)}
        if found.get(43) != "Y":
            assert int(found[34]) == self.other, found
            self.other += 1
        self.heard.append(message)
        return found

    def until(self, wanted: Any) -> Heard:
        """The first message from here on that is wanted."""
        while True:
            found = self.hear()
            if wanted(found):
                return found

    def report(self, cl_ord_id: str, exec_type: str) -> Heard:
        """The next ExecutionReport of this kind for this ClOrdID."""
        return self.until(lambda heard: (heard[35], heard.get(11), heard.get(150)) == ("8", cl_ord_id, exec_type))

    def order(self, cl_ord_id: str = "", **fields: Any) -> str:
        """Sends a limit order to buy 10 AMZN at 170.00; tags like t44=... change it. Its ClOrdID."""
        cl_ord_id = cl_ord_id or name()
        again = {tag: fields.pop(tag) for tag in ("t43", "t97") if tag in fields}
        self.say("D", *new_order(cl_ord_id, **fields), **again)
        return cl_ord_id

    def is_closed(self) -> bool:
        """Whether the other side closes the connection; what it says before is heard."""
        while True:
            try:
                data = self._socket.recv(65536)
            except ConnectionResetError:
                return True
            except TimeoutError:
                return False
            if not data:
                return True
            self._parser.append_buffer(data)

    def _next(self) -> simplefix.FixMessage:
        while (message := self._parser.get_message()) is None:
            data = self._socket.recv(65536)
            assert data, "the connection was closed"
            self._parser.append_buffer(data)
        return message


def new_order(cl_ord_id: str, **fields: Any) -> list[tuple[int, Any]]:
    """The fields of a NewOrderSingle."""
    body: dict[str, Any] = {"t11": cl_ord_id, "t55": "AMZN", "t54": 1, "t38": 10, "t40": 2, "t44": "170.00"}
    body |= {"t59": 1, "t60": now()} | fields
    return [(int(tag[1:]), value) for tag, value in body.items() if value is not None]


def now() -> str:
    """This moment as FIX writes it."""
    return f"{datetime.now(UTC):%Y%m%d-%H:%M:%S.%f}"[:-3]


@contextmanager
def logged_on(
    exchange: Exchange, user: User, target: str = ORDERS, numbers: tuple[int, int] = (1, 1), label: str = ""
) -> Iterator[FixClient]:
    """A client that is logged on, and closes at the end of the block."""
    client = FixClient(exchange, user.name + label, target, numbers)
    answer = client.log_on(user.name)
    assert answer[35] == "A", answer
    try:
        yield client
    finally:
        client.close()
