"""Valkey on the hot paths: commands written as they come, over one connection, answered in their order.

The general client (``redis``) stays in use for everything else; its way to a command costs 100 µs of CPU, and 20 µs for
each further one of a pipeline, against 20 and 2 here. Same errors, so callers need not know which one they have.
"""

import asyncio
import hashlib
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import hiredis
from redis.exceptions import ConnectionError as ValkeyConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as ValkeyTimeoutError

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0

Command = tuple[str | bytes | int, ...]
"""A command and its arguments. Floats must be turned into text by who knows how."""


class Valkey:
    """One connection, made when it is needed and again after it was lost. Use within one event loop.

    A command that blocks holds up those behind it: it needs a ``Valkey`` of its own.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: _Connection | None = None
        self._connecting = asyncio.Lock()

    async def call(self, *command: str | bytes | int, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """The answer to one command; texts are bytes. Raises the errors of ``redis.exceptions``."""
        answers = await self.pipeline([command], timeout_s)
        raise_refused(answers)
        return answers[0]

    async def pipeline(self, commands: Sequence[Command], timeout_s: float = ANSWER_TIMEOUT_S) -> list[Any]:
        """The answers to several commands, a ``ResponseError`` among them where one was refused.

        Raises ConnectionError or TimeoutError of ``redis.exceptions``: then nobody knows which of them took effect.
        """
        connection = self._connection
        if connection is None or connection.lost:
            connection = await self._connect()
        return await connection.exchange(b"".join(map(_pack, commands)), len(commands), timeout_s)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close("it was closed here")
            self._connection = None

    async def _connect(self) -> "_Connection":
        async with self._connecting:
            if self._connection is not None and not self._connection.lost:
                return self._connection
            parts = urlsplit(self._url)
            loop = asyncio.get_running_loop()
            secure = ssl.create_default_context() if parts.scheme == "rediss" else None
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    _, connection = await loop.create_connection(
                        _Connection, parts.hostname or "127.0.0.1", parts.port or 6379, ssl=secure
                    )
                    for command in _greeting(parts.username, parts.password, parts.path):
                        answer = (await connection.exchange(_pack(command), 1, CONNECT_TIMEOUT_S))[0]
                        if isinstance(answer, Exception):
                            connection.close(str(answer))
                            raise answer
            except (OSError, TimeoutError) as error:
                raise ValkeyConnectionError(str(error) or "no connection in time") from error
            self._connection = connection
            return connection


class Script:
    """A Lua script, sent whole only where Valkey does not know it."""

    def __init__(self, valkey: Valkey, text: str) -> None:
        self._valkey = valkey
        self._text = text
        self._digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, *args: str | bytes | int) -> Any:
        """What the script answers to these arguments (it has no keys). Raises like ``Valkey.call``."""
        try:
            return await self._valkey.call("EVALSHA", self._digest, 0, *args)
        except NoScriptError:
            return await self._valkey.call("EVAL", self._text, 0, *args)


def raise_refused(answers: Sequence[Any]) -> None:
    """Raises the first ``ResponseError`` among the answers of a pipeline."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer


def pairs(flat: Sequence[bytes]) -> dict[bytes, Any]:
    """An answer of names and values in turn, as a mapping."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


class _Connection(asyncio.Protocol):
    """What was asked and not answered yet, in order."""

    def __init__(self) -> None:
        self._reader = hiredis.Reader(replyError=_error)
        self._asked: deque[tuple[asyncio.Future[list[Any]], int]] = deque()
        self._answers: list[Any] = []
        self._transport: asyncio.Transport | None = None
        self.lost = False

    async def exchange(self, request: bytes, count: int, timeout_s: float) -> list[Any]:
        """Sends ``count`` commands. After a timeout the connection is given up: its answers no longer fit."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        future: asyncio.Future[list[Any]] = loop.create_future()
        self._asked.append((future, count))
        self._transport.write(request)
        expiry = loop.call_later(timeout_s, self._expire, timeout_s)
        try:
            return await future
        finally:
            expiry.cancel()

    def close(self, why: str) -> None:
        self._fail(ValkeyConnectionError(why))
        if self._transport is not None:
            self._transport.close()

    def _expire(self, timeout_s: float) -> None:
        self._fail(ValkeyTimeoutError(f"no answer within {timeout_s} s"))
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, error: Exception) -> None:
        self.lost = True
        while self._asked:
            future, _ = self._asked.popleft()
            if not future.done():
                future.set_exception(error)

    # asyncio calls these

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while self._asked:
                answer = self._reader.gets()
                if answer is False:  # no whole answer yet
                    return
                self._answers.append(answer)
                future, count = self._asked[0]
                if len(self._answers) == count:
                    self._asked.popleft()
                    answers, self._answers = self._answers, []
                    if not future.done():  # who asked may have been cancelled
                        future.set_result(answers)
        except hiredis.ProtocolError as error:
            self.close(f"not the protocol: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._fail(ValkeyConnectionError(str(error) if error else "the connection was closed"))


def _pack(command: Command) -> bytes:
    return cast(bytes, hiredis.pack_command(cast(Any, command)))


def _greeting(username: str | None, password: str | None, path: str) -> list[Command]:
    """What a connection says first."""
    said: list[Command] = []
    if password:
        secret = unquote(password)
        said.append(("AUTH", unquote(username), secret) if username else ("AUTH", secret))
    if path.strip("/"):
        said.append(("SELECT", path.strip("/")))
    return said


def _error(text: str) -> ResponseError:
    return NoScriptError(text) if text.startswith("NOSCRIPT") else ResponseError(text)
