"""One FIX client, from its connection to its end: who it is, what it asks for, each request with a trace of its own."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import structlog
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from services.fix_gateway.answering import MESSAGES, NAMES, OTHER, TOLD, Answering, Session, attributes_of
from services.fix_gateway.drop_copy import DropCopy
from services.fix_gateway.exchange import Exchange, Login
from services.fix_gateway.ledger import Ledger
from services.fix_gateway.market_session import MarketSession
from services.fix_gateway.names import BEGIN_STRING, TRACE_ID, Kind, Logon, SessionName, read_logon, session_name
from services.fix_gateway.order_session import OrderSession
from services.fix_gateway.requests import utc_timestamp
from services.fix_gateway.settings import FixSettings
from services.fix_gateway.wire import Fields, Framer, Message, message_text, printable
from shared.errors import Problem, Unavailable
from shared.tracing import record_error
from shared.web import bug_problem, unavailable_problem

log = structlog.get_logger()

READ_BYTES = 64 * 1024

INVALID_LOGON = Problem(
    422,
    "invalid_logon",
    "This Logon is not FIX 4.4: it has a field that is not in one, or a value that a field can't have.",
)

GARBLED = Counter("outcry_fix_garbled_total", "Passages of a stream that are no FIX message")


class SessionEngine(Protocol):
    """What a connection needs of ``engine.Engine``."""

    @property
    def logged_on(self) -> bool: ...
    def attach(self, write: Callable[[bytes], None]) -> None: ...
    def detach(self) -> None: ...
    def receive(self, text: str) -> list[str]: ...
    def tick(self) -> None: ...
    def send(self, fields: Fields) -> None: ...
    def logout(self, reason: str) -> None: ...


class House(Protocol):
    """What all connections share."""

    settings: FixSettings
    exchange: Exchange
    ledger: Ledger

    def enter(self, name: SessionName, connection: "Connection") -> SessionEngine:
        """Raises Problem where the session has a connection already."""

    def leave(self, name: SessionName) -> None: ...


class Connection:
    """A connection. ``serve`` it until it ends."""

    def __init__(self, house: House, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._house = house
        self._reader = reader
        self._writer = writer
        self._framer = Framer(house.settings.fix_message_bytes_max)
        self._running: asyncio.Task[None] | None = None
        self._tracer = trace.get_tracer("services.fix_gateway")
        self._traced = False
        self._out = bytearray()
        peer = writer.get_extra_info("peername")
        self._address = peer[0] if peer else ""
        self.name: SessionName | None = None
        self.engine: SessionEngine | None = None
        self._session: Session | None = None
        self._answering: Answering | None = None

    async def serve(self) -> None:
        """Returns once the connection is over and its requests have stopped."""
        try:
            async with asyncio.timeout(self._house.settings.fix_logon_timeout_s) as limit:
                async for text in self._messages():
                    limit.reschedule(None)
                    if not await self._receive(text):
                        break
        except (ConnectionError, TimeoutError):
            pass
        except Exception as error:
            self._give_up(error)
        finally:
            await self._end()

    def logout(self, reason: str) -> None:
        """Asks the client to log out, and closes."""
        if self.engine is not None and self.engine.logged_on:
            self.engine.logout(printable(reason))
        self._close()

    def tick(self) -> None:
        """Time has passed."""
        if self.engine is None or self._writer.is_closing():
            return
        try:
            self.engine.tick()
            if not self.engine.logged_on:
                self._close()
        except Exception as error:
            self._give_up(error)

    async def _messages(self) -> Any:
        while data := await self._reader.read(READ_BYTES):
            before = self._framer.garbled
            for text in self._framer.feed(data):
                yield text
            GARBLED.inc(self._framer.garbled - before)

    async def _receive(self, text: str) -> bool:
        """False once the connection is over."""
        if self.engine is None:
            return await self._log_on(text)
        assert self._answering is not None
        for received in self.engine.receive(text):
            await self._answering.take(Message(received))
        return self.engine.logged_on

    # Who it is

    async def _log_on(self, text: str) -> bool:
        message = Message(text)
        MESSAGES.labels("in", NAMES["A"] if message.type == "A" else OTHER).inc()
        attributes = attributes_of(message, self._address)
        with self._tracer.start_as_current_span("FIX Logon", Context(), SpanKind.SERVER, attributes) as span:
            try:
                logon = read_logon(message)
                login = await self._house.exchange.login(logon.username, logon.password)
                self.name = session_name(logon.name.client, logon.name.kind, login.username)
                span.set_attribute("user.id", login.user_id)
                await self._open(logon, login)
            except Problem as problem:
                span.set_attribute("error.code", problem.code)
                self._refuse(message, problem)
            except Unavailable as error:
                record_error(span, error)
                self._refuse(message, unavailable_problem(error))
            except Exception as error:
                record_error(span, error)
                self._refuse(message, bug_problem(error))
            else:
                return self._begin(text, login)
        return False

    async def _open(self, logon: Logon, login: Login) -> None:
        assert self.name is not None
        self._traced = logon.traced
        engine = self._house.enter(self.name, self)
        session = self._session_for(self.name, login, logon.ends)
        try:
            await session.open()
        except BaseException:
            self._house.leave(self.name)
            await session.close()
            raise
        self.engine, self._session = engine, session
        self._answering = Answering(session, self._address, self._send, self.logout)

    def _session_for(self, name: SessionName, login: Login, ends: bool | None) -> Session:
        exchange, ledger = self._house.exchange, self._house.ledger
        if name.kind is Kind.MARKET:
            return MarketSession(exchange, self._send)
        if name.kind is Kind.DROP_COPY:
            return DropCopy(str(name), login, exchange, ledger, self._send)
        if ends is None:
            ends = self._house.settings.fix_cancel_on_disconnect
        return OrderSession(str(name), login, exchange, ledger, self._send, ends)

    def _begin(self, text: str, login: Login) -> bool:
        """The engine judges the logon's sequence number, and answers it."""
        assert self.engine is not None
        self.engine.attach(self._write)
        self.engine.receive(text)
        if not self.engine.logged_on:
            if not self._out:
                self._refuse(Message(text), INVALID_LOGON)
            return False
        log.info("a FIX session is logged on", session=str(self.name))
        self._running = asyncio.create_task(self._run(login))
        return True

    async def _run(self, login: Login) -> None:
        """The session's own work, until its token opens nothing any more."""
        assert self._session is not None
        reason = "token_expired: Your login has expired. Log on again."
        try:
            async with asyncio.timeout(max(0.0, login.expires_us / 1e6 - time.time())):
                await self._session.run()
        except TimeoutError:
            pass
        except Problem as problem:
            reason = f"{problem.code}: {problem.detail}"
        except Exception as error:
            reason = bug_problem(error).detail
        self.logout(reason)

    def _refuse(self, message: Message, problem: Problem) -> None:
        """The answer to who is not known: it touches no session, whose numbers are those of its owner alone."""
        fields = [
            (35, "5"),
            (49, message.get(56)),
            (56, message.get(49)),
            (34, "1"),
            (52, utc_timestamp(time.time_ns() // 1000)),
            (58, printable(f"{problem.code}: {problem.detail}")),
        ]
        self._write(message_text(fields, BEGIN_STRING).encode())

    # What it is told

    def _send(self, fields: Fields) -> None:
        assert self.engine is not None
        if not self._traced:
            fields = [field for field in fields if field[0] != TRACE_ID]
        MESSAGES.labels("out", TOLD[fields[0][1]]).inc()
        self.engine.send(fields)

    def _write(self, data: bytes) -> None:
        """What is said in one go leaves in one go, and only once the ledger knows that it was told."""
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out += data

    def _flush(self) -> None:
        data, self._out = bytes(self._out), bytearray()
        if not data or self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > self._house.settings.fix_waiting_bytes_max:
            log.warning("a FIX client reads too slowly", session=str(self.name))
            self._writer.transport.abort()
            return
        self._writer.write(data)

    def _close(self) -> None:
        self._flush()
        self._writer.close()

    # Its end

    def _give_up(self, error: Exception) -> None:
        """Its session cannot go on (a store that can't be written, a bug); all others do."""
        log.error("a FIX session failed", session=str(self.name), exc_info=error)
        self._writer.transport.abort()

    async def _end(self) -> None:
        self._close()
        if self.engine is None or self._session is None or self.name is None:
            return
        try:
            self.engine.detach()
        except Exception as error:
            self._give_up(error)
        try:
            if self._answering is not None:
                await self._answering.stop()
            if self._running is not None:
                self._running.cancel()
                await asyncio.wait((self._running,))
            await self._session.close()
        finally:
            self._house.leave(self.name)  # whatever went wrong, its owner may log on again
        log.info("a FIX session is over", session=str(self.name))
