"""The FIX session protocol by QuickFIX: sequence numbers, heartbeats, resends and gap fills, validation, the store.

QuickFIX's own acceptor listens on all addresses and knows its sessions only from a file. So it never starts here: it
is what makes a session. This gateway reads and writes the sockets, feeds the session what came, and takes from its
callbacks what it says. All on one thread: no callback comes but from within a call.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import quickfix as fix

from services.fix_gateway.names import BEGIN_STRING, SessionName
from services.fix_gateway.wire import Fields, message_text

DICTIONARY = Path(sys.prefix) / "share" / "quickfix" / "FIX44.xml"
"""Comes with the package."""

SENT_WITHOUT_LOGON = ("A", "5", "2", "4")
"""Messages that QuickFIX sends whether or not the session is logged on."""


class _Said(NamedTuple):
    """A message on its way out. ``again``: a resend, or the gap fill instead of one."""

    number: int
    again: bool
    text: str


class Engine(fix.Application):
    """One session. ``attach`` it to a connection, feed it what comes, ``detach`` it; ``close`` it in the end."""

    def __init__(self, name: SessionName, folder: Path, dictionary: fix.DataDictionary) -> None:
        super().__init__()
        self.name = name
        self._dictionary = dictionary
        self._received: list[str] = []
        self._sent: list[_Said] = []
        self._write: Callable[[bytes], None] | None = None
        self._session_id, self._store, self._maker = _session(self, name, folder)
        self._session = self._maker.getSession(self._session_id)

    def attach(self, write: Callable[[bytes], None]) -> None:
        """From now on it is this connection's."""
        assert self._write is None, "one connection at a time"
        self._write = write
        self._session.logon()

    def detach(self) -> None:
        """The connection is lost. What is sent from now on is kept, and comes with the next logon's resend."""
        self._session.disconnect()
        self._flush()
        self._write = None

    def close(self) -> None:
        """Ends it; its files stay. In this order: a session writes to its store until it is gone."""
        del self._session
        del self._maker
        del self._store

    @property
    def logged_on(self) -> bool:
        return bool(self._session.isLoggedOn())

    def receive(self, text: str) -> list[str]:
        """A message from the connection; the application messages that are to be answered now, in their order."""
        with suppress(fix.InvalidMessage):  # garbled for FIX: it will be missed, and asked for again
            self._session.next(text, fix.UtcTimeStamp())
        self._flush()
        received, self._received = self._received, []
        return received

    def tick(self) -> None:
        """Time has passed: heartbeats, test requests, timeouts."""
        self._session.next(fix.UtcTimeStamp())
        self._flush()

    def send(self, fields: Fields) -> None:
        """Sends an application message, whose MsgType comes first; without a logon it is kept for the resend."""
        message = fix.Message(message_text(fields, BEGIN_STRING), self._dictionary, False)
        self._session.send(message)
        self._flush()

    def logout(self, reason: str) -> None:
        """Asks the other side to log out."""
        self._session.logout(reason)
        self.tick()

    def _flush(self) -> None:
        """Writes what the session said. QuickFIX names a resent message before the gap fill that leads up to it."""
        sent, self._sent = self._sent, []
        for again, group in groupby(sent, key=lambda said: said.again):
            for said in sorted(group, key=lambda said: said.number) if again else group:
                if self._write is not None:
                    self._write(said.text.encode())

    # QuickFIX calls these

    def onCreate(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def onLogon(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def onLogout(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def toAdmin(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        if message.getHeader().getField(35) in SENT_WITHOUT_LOGON or self.logged_on:
            self._say(message)

    def toApp(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        if self.logged_on:
            self._say(message)

    def fromAdmin(self, _message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def fromApp(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        self._received.append(message.toString())

    def _say(self, message: fix.Message) -> None:
        header = message.getHeader()
        again = bool(header.isSetField(43)) and header.getField(43) == "Y"
        self._sent.append(_Said(int(header.getField(34)), again, message.toString()))


def _session(
    application: Engine, name: SessionName, folder: Path
) -> tuple[fix.SessionID, fix.FileStoreFactory, fix.SocketAcceptor]:
    """A session's id, its store (files in ``folder``, written with each message), and what makes it."""
    wanted = {
        "ConnectionType": "acceptor",
        "SocketAcceptPort": "0",
        "NonStopSession": "Y",
        "UseDataDictionary": "Y",
        "DataDictionary": str(DICTIONARY),
        "ValidateUserDefinedFields": "N",
        "TimeStampPrecision": "6",
        "PersistMessages": "Y" if name.kind.resends else "N",
        "FileStorePath": str(folder),
    }
    given = fix.Dictionary()
    for key, value in wanted.items():
        given.setString(key, value)
    session_id = fix.SessionID(BEGIN_STRING, name.kind.value, name.client)
    settings = fix.SessionSettings()
    settings.set(session_id, given)
    store = fix.FileStoreFactory(settings)
    return session_id, store, fix.SocketAcceptor(application, store, settings)


def load_dictionary() -> fix.DataDictionary:
    """FIX 4.4's messages and fields."""
    return fix.DataDictionary(str(DICTIONARY))
