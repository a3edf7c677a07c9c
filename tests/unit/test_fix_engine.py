"""QuickFIX's session as the gateway uses it: without a socket, on one thread, with its store on disk."""

import time
from pathlib import Path

import pytest

pytest.importorskip("quickfix", reason="the FIX gateway's engine is not installed: make fix")

from services.fix_gateway.engine import Engine, load_dictionary
from services.fix_gateway.names import Kind, SessionName
from services.fix_gateway.requests import utc_timestamp
from services.fix_gateway.wire import Fields, Message, message_text

REPORT: Fields = [(35, "8"), (37, "1"), (17, "1"), (150, "0"), (39, "0"), (55, "A"), (54, "1"), (151, "1"), (14, "0")]


class Session:
    """An engine, and what it wrote."""

    def __init__(self, folder: Path, kind: Kind = Kind.ORDERS) -> None:
        self.engine = Engine(SessionName(kind, "alice"), folder, load_dictionary())
        self.written: list[Message] = []
        self.attach()

    def attach(self) -> None:
        self.engine.attach(lambda data: self.written.append(Message(data.decode())))

    def say(self, number: int, kind: str, *fields: tuple[int, str]) -> list[str]:
        """What the engine takes from a message of the client."""
        now = utc_timestamp(time.time_ns() // 1000)
        head = [(35, kind), (34, str(number)), (49, "alice"), (52, now), (56, self.engine.name.kind.value)]
        return self.engine.receive(message_text([*head, *fields]))

    def log_on(self, number: int = 1) -> None:
        self.say(number, "A", (98, "0"), (108, "30"))

    def told(self, *tags: int) -> list[tuple[str, ...]]:
        """These fields of what was written since the last look."""
        found = [tuple(message.get(tag) for tag in tags) for message in self.written]
        self.written.clear()
        return found


def test_what_is_resent_comes_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    """Gaps are filled before the message that follows them, however QuickFIX names the two."""
    session = Session(tmp_path)
    session.log_on()
    session.say(2, "1", (112, "beat"))
    session.engine.send([*REPORT, (6, "0")])
    session.say(3, "1", (112, "beat"))
    assert session.told(35, 34) == [("A", "1"), ("0", "2"), ("8", "3"), ("0", "4")]
    session.say(4, "2", (7, "1"), (16, "0"))
    assert session.told(35, 34, 36, 43) == [("4", "1", "3", "Y"), ("8", "3", "", "Y"), ("4", "4", "5", "Y")]


def test_what_is_said_while_nobody_is_there_comes_with_the_next_logon(tmp_path: Path) -> None:
    """It has its number, is kept, and is sent when the client asks for what it missed; also after a restart."""
    session = Session(tmp_path)
    session.log_on()
    session.engine.detach()
    session.engine.send([*REPORT, (6, "0")])
    assert session.told(35) == [("A",)]
    session.engine.close()
    again = Session(tmp_path)
    again.log_on(2)
    assert again.told(35, 34) == [("A", "3")]
    again.say(3, "2", (7, "2"), (16, "2"))
    assert again.told(35, 34, 43) == [("8", "2", "Y")]


def test_old_market_data_is_a_gap(tmp_path: Path) -> None:
    """It is not kept on disk, and what is asked for again is passed over."""
    session = Session(tmp_path, Kind.MARKET)
    session.log_on()
    session.engine.send([(35, "W"), (262, "m"), (55, "AAPL"), (268, "1"), (269, "0"), (270, "1.5"), (271, "3")])
    assert session.told(35, 34, 270) == [("A", "1", ""), ("W", "2", "1.5")]
    session.say(2, "2", (7, "1"), (16, "0"))
    assert session.told(35, 34, 36, 123) == [("4", "1", "3", "Y")]
    assert not any(file.stat().st_size for file in tmp_path.glob("*.body"))


def test_application_messages_are_taken_in_order_and_once(tmp_path: Path) -> None:
    """One that comes early waits until what was missed is there; one that came before is not taken again."""
    session = Session(tmp_path)
    session.log_on()
    order = ((11, "a"), (55, "AAPL"), (54, "1"), (38, "1"), (40, "1"), (60, "20260131-10:00:00"))
    assert session.say(3, "D", *order) == []
    assert session.told(35, 7)[-1] == ("2", "2")
    taken = session.say(2, "D", *order, (58, "first"))
    assert [Message(text).get(34) for text in taken] == ["2", "3"]
    assert session.say(2, "D", (43, "Y"), (122, "20260131-10:00:00"), *order) == []


def test_a_password_is_not_stored(tmp_path: Path) -> None:
    """What the client says is in no file."""
    session = Session(tmp_path)
    session.say(1, "A", (98, "0"), (108, "30"), (553, "alice"), (554, "correct horse"))
    session.engine.close()
    assert all(b"correct horse" not in file.read_bytes() for file in tmp_path.iterdir())
