"""The FIX session protocol by QuickFIX: sequence numbers, heartbeats, resends and gap fills, validation, the store.

QuickFIX's own acceptor listens on all addresses and knows its sessions only from a file. So it never starts here: it
is what makes a session. This gateway reads and writes the sockets, feeds the session what came, and takes from its
callbacks what it says. All on one thread: no callback comes but from within a call.

QuickFIX is C++ and forgives nothing: it knows its parts by address alone, and an exception that leaves a callback ends
the process on the spot. ``_Parts`` and ``_Callbacks`` see to that; ``wire.has_right_data`` keeps from it what it
misreads.
"""

import sys
import weakref
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


class _Callbacks(fix.Application):
    """What QuickFIX calls. Messages live as long as the call, so their text is taken.

    None of it may raise: QuickFIX's Python would end the process there and then. What is raised is kept for ``check``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.session: fix.Session | None = None
        self.received: list[str] = []
        self.sent: list[_Said] = []
        self._raised: BaseException | None = None

    def check(self) -> None:
        """Raises what a callback raised meanwhile."""
        raised, self._raised = self._raised, None
        if raised is not None:
            raise raised

    def onCreate(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def onLogon(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def onLogout(self, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def fromAdmin(self, _message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        return

    def toAdmin(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        self._keep(message, SENT_WITHOUT_LOGON)

    def toApp(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        self._keep(message, ())

    def fromApp(self, message: fix.Message, _session: fix.SessionID) -> None:  # noqa: N802
        try:
            self.received.append(message.toString())
        except BaseException as error:
            self._raised = error

    def _keep(self, message: fix.Message, always: tuple[str, ...]) -> None:
        try:
            header = message.getHeader()
            logged_on = self.session is not None and self.session.isLoggedOn()
            if logged_on or header.getField(35) in always:
                again = bool(header.isSetField(43)) and header.getField(43) == "Y"
                self.sent.append(_Said(int(header.getField(34)), again, message.toString()))
        except BaseException as error:
            self._raised = error


class _Parts:
    """What QuickFIX needs of one session. ``end`` lets go of it in the opposite order of its making."""

    def __init__(self, name: SessionName, folder: Path) -> None:
        given = fix.Dictionary()
        for key, value in _settings(name, folder).items():
            given.setString(key, value)
        session_id = fix.SessionID(BEGIN_STRING, name.kind.value, name.client)
        settings = fix.SessionSettings()
        settings.set(session_id, given)
        self.callbacks: _Callbacks | None = _Callbacks()
        self._store: fix.FileStoreFactory | None = fix.FileStoreFactory(settings)
        self._maker: fix.SocketAcceptor | None = fix.SocketAcceptor(self.callbacks, self._store, settings)
        self.session: fix.Session | None = self._maker.getSession(session_id)
        self.callbacks.session = self.session

    def end(self) -> None:
        """A session writes to its store, and calls back, until its maker is gone. A second time does nothing."""
        if self.callbacks is not None:
            self.callbacks.session = None
        self.session = None
        self._maker = None
        self._store = None
        self.callbacks = None


class Engine:
    """One session. ``attach`` it to a connection, feed it what comes, ``detach`` it; ``close`` it in the end."""

    def __init__(self, name: SessionName, folder: Path, dictionary: fix.DataDictionary) -> None:
        """Raises QuickFIX's errors where its files cannot be written."""
        self.name = name
        self._dictionary = dictionary
        self._write: Callable[[bytes], None] | None = None
        self._parts = _Parts(name, folder)
        # Whoever forgets to close it, and an interpreter that ends, let go in the right order, too.
        self.close = weakref.finalize(self, self._parts.end)
        """Ends it; its files stay. It can be asked for nothing more."""

    def attach(self, write: Callable[[bytes], None]) -> None:
        """From now on it is this connection's."""
        assert self._write is None, "one connection at a time"
        self._write = write
        self._session.logon()

    def detach(self) -> None:
        """The connection is lost. What is sent from now on is kept, and comes with the next logon's resend."""
        try:
            self._session.disconnect()
            self._flush()
        finally:
            self._write = None

    @property
    def logged_on(self) -> bool:
        return bool(self._session.isLoggedOn())

    def receive(self, text: str) -> list[str]:
        """A message from the connection; the application messages that are to be answered now, in their order."""
        with suppress(fix.InvalidMessage):  # garbled for FIX: it will be missed, and asked for again
            try:
                self._session.next(text, fix.UtcTimeStamp())
            except RuntimeError:  # QuickFIX's word for a message that it would reject, were it logged on
                if self.logged_on:
                    raise
        self._flush()
        received, self._callbacks.received = self._callbacks.received, []
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

    @property
    def _session(self) -> fix.Session:
        assert self._parts.session is not None, "it is closed"
        return self._parts.session

    @property
    def _callbacks(self) -> _Callbacks:
        assert self._parts.callbacks is not None, "it is closed"
        return self._parts.callbacks

    def _flush(self) -> None:
        """Writes what the session said. QuickFIX names a resent message before the gap fill that leads up to it."""
        self._callbacks.check()
        sent, self._callbacks.sent = self._callbacks.sent, []
        for again, group in groupby(sent, key=lambda said: said.again):
            for said in sorted(group, key=lambda said: said.number) if again else group:
                if self._write is not None:
                    self._write(said.text.encode())


def _settings(name: SessionName, folder: Path) -> dict[str, str]:
    """QuickFIX's settings of a session: its store is files in ``folder``, written with each message."""
    return {
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


def load_dictionary() -> fix.DataDictionary:
    """FIX 4.4's messages and fields."""
    return fix.DataDictionary(str(DICTIONARY))
