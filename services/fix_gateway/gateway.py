"""All FIX sessions: the listener, the clock that they share, and who is connected."""

import asyncio

import structlog
from prometheus_client import Gauge

from services.fix_gateway.connection import Connection
from services.fix_gateway.engine import Engine, load_dictionary
from services.fix_gateway.exchange import Exchange
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.names import Kind, SessionName
from services.fix_gateway.settings import FixSettings
from shared.errors import Problem

log = structlog.get_logger()

TICK_S = 0.25
GOODBYE_S = 0.4
SESSIONS_MAX = 20
"""Sessions of one user that may be logged on at once."""

ENGINES_KEPT = 200
"""To make one takes 50 ms, so those whose clients come again are kept; not all, since a user may choose labels."""

SESSIONS = Gauge("outcry_fix_sessions", "FIX sessions that are logged on", ["kind"])


class FixGateway:
    """``open`` it, then keep ``run`` running; when that is cancelled all clients are logged out."""

    def __init__(self, settings: FixSettings) -> None:
        self.settings = settings
        self.exchange = Exchange(settings.client_gateway_url)
        settings.fix_store.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.ledger = Ledger(settings.fix_store / "orders.sqlite")
        self._dictionary = load_dictionary()
        self._engines: dict[SessionName, Engine] = {}
        self._present: dict[SessionName, Connection] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listens. Raises OSError where the port is taken."""
        self._server = await asyncio.start_server(self._accept, self.settings.host, self.settings.fix_port)

    async def run(self) -> None:
        """Tells the sessions that time passes, for ever."""
        try:
            while True:
                await asyncio.sleep(TICK_S)
                for connection in list(self._present.values()):
                    connection.tick()
        finally:
            await self._close()

    def measure(self) -> None:
        """Sets the figures that are read when they are asked for."""
        for kind in Kind:
            SESSIONS.labels(kind.name.lower()).set(sum(name.kind is kind for name in self._present))

    def enter(self, name: SessionName, connection: Connection) -> Engine:
        """The engine of a session that has no connection. Raises Problem where it has one."""
        if name in self._present:
            detail = "This session is logged on already. Use another SenderCompID: your user name, a colon, a label."
            raise Problem(409, "logged_on_already", detail)
        if sum(present.owner == name.owner for present in self._present) >= SESSIONS_MAX:
            raise Problem(409, "too_many_sessions", f"{SESSIONS_MAX} of your sessions are logged on. Log one out.")
        if name not in self._engines:
            self._engines[name] = Engine(name, self.settings.fix_store, self._dictionary)
        self._present[name] = connection
        return self._engines[name]

    def leave(self, name: SessionName) -> None:
        """The session has no connection any more."""
        del self._present[name]
        self._engines[name] = self._engines.pop(name)  # the one that was used last is the last
        spare = (known for known in self._engines if known not in self._present)
        if len(self._engines) > ENGINES_KEPT and (oldest := next(spare, None)) is not None:
            self._engines.pop(oldest).close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        await Connection(self, reader, writer).serve()

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._present.values()):
            connection.logout("The gateway stops. Log on again in a moment.")
        try:
            if self._serving:
                await asyncio.wait(self._serving, timeout=GOODBYE_S)
            await self.exchange.close()
        finally:
            for name, engine in self._engines.items():
                if name not in self._present:
                    engine.close()
            self.ledger.close()
