"""QuickFIX's session as the gateway uses it: without a socket, on one thread, with its store on disk."""

import gc
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("quickfix", reason="the FIX gateway's engine is not installed: make fix")

from services.fix_gateway import engine as engine_module
from services.fix_gateway.engine import DICTIONARY, Engine, load_dictionary
from services.fix_gateway.names import Kind, SessionName
from services.fix_gateway.requests import utc_timestamp
from services.fix_gateway.wire import DATA_LENGTHS, Fields, Message, message_text

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


def test_all_fields_of_data_are_known() -> None:
    """What QuickFIX's dictionary calls data, each with the field before it that tells its length."""
    fields = ElementTree.parse(DICTIONARY).getroot().findall("fields/field")
    number = {field.attrib["name"]: int(field.attrib["number"]) for field in fields}
    names = [field.attrib["name"] for field in fields if field.attrib["type"] == "DATA"]
    assert {number[name]: number.get(f"{name}Len", number.get(f"{name}Length")) for name in names} == DATA_LENGTHS


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt()])
def test_an_error_in_a_callback_is_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """It is raised where the engine was asked; in QuickFIX's hands it would end the process. The session lives on."""
    session = Session(tmp_path)
    session.log_on()

    def fail(*_: object) -> Any:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(engine_module, "_Said", fail)
        with pytest.raises(type(error)):
            session.say(2, "1", (112, "beat"))
    session.say(3, "1", (112, "again"))
    assert session.told(35, 112)[-1] == ("0", "again")


def test_what_is_wrong_before_the_logon_is_passed_over(tmp_path: Path) -> None:
    """A Logon with a field that FIX does not know, or anything else that is no right Logon: nobody is logged on."""
    session = Session(tmp_path)
    assert session.say(1, "A", (98, "0"), (108, "30"), (55, "AAPL")) == []
    assert session.say(1, "D", (11, "x"), (38, "many")) == []
    assert not session.engine.logged_on


def test_a_closed_engine_can_not_be_asked(tmp_path: Path) -> None:
    """What QuickFIX has freed is not touched again."""
    session = Session(tmp_path)
    session.log_on()
    session.engine.close()
    session.engine.close()
    for ask in (session.engine.tick, session.engine.detach, lambda: session.engine.logged_on):
        with pytest.raises(AssertionError, match="closed"):
            ask()


def test_engines_that_nobody_closes_end_in_order(tmp_path: Path) -> None:
    """Dropped within a cycle, or alive when the interpreter ends: the process ends with status 0."""
    for _ in range(5):
        session = Session(tmp_path)
        session.log_on()
        del session  # its engine knows it, and it knows its engine
        gc.collect()
    script = (
        "import sys; from pathlib import Path; import quickfix\n"
        "from tests.unit.test_fix_engine import Session\n"
        f"kept = [Session(Path({str(tmp_path)!r})) for _ in range(1)]\n"
        "kept[0].log_on(); quickfix.kept = sys.kept = kept; kept.append(kept)\n"
        "print('so far')"
    )
    done = subprocess.run([sys.executable, "-X", "faulthandler", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "so far\n", "")
