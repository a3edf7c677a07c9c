"""The exchange as one of its users sees it: the public API of the client-gateway, over kept connections.

The gateway has no rights of its own. It logs in with what the FIX client sent, keeps the token and forgets the
password; what the token opens is what the session can do.
"""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import aiohttp
import msgspec
import structlog

from services.fix_gateway.requests import time_us
from shared.errors import Problem, Unavailable
from shared.tracing import current_traceparent

log = structlog.get_logger()

ANSWER_S = 30.0
"""Longer than the exchange itself waits for any of its parts."""

CLOSING = aiohttp.ClientWSTimeout(ws_close=1)
GATEWAY = "client-gateway"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Login(NamedTuple):
    """A user who is logged in until ``expires_us`` (Unix time)."""

    token: str
    user_id: str
    username: str
    expires_us: int

    def __repr__(self) -> str:
        return f"Login({self.username})"


class Answer(NamedTuple):
    """Status, body and trace of a request that was answered with yes."""

    status: int
    body: dict[str, Any]
    trace_id: str


class Exchange:
    """The way to the client-gateway that all sessions share."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        if self._http is None:
            connector = aiohttp.TCPConnector(limit=0)
            self._http = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        return self._http

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def login(self, username: str, password: str) -> Login:
        """Raises Problem, Unavailable."""
        body = await self.request("POST", "/auth/login", body={"username": username, "password": password})
        user = body["user"]
        return Login(body["token"], user["user_id"], user["username"], time_us(body["expires_at"]))

    async def request(
        self,
        method: str,
        path: str,
        login: Login | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> dict[str, Any]:
        """The body of an answer. Raises Problem for a no, Unavailable."""
        headers = {"traceparent": current_traceparent()}
        if login is not None:
            headers["Authorization"] = f"Bearer {login.token}"
        try:
            async with self.http.request(
                method, self.url + path, params=query, data=None if body is None else _encode(body), headers=headers
            ) as response:
                content: dict[str, Any] = _decode(await response.read())
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise Unavailable(GATEWAY, type(error).__name__) from error
        _raise(response.status, content)
        return content


class Socket:
    """A connection of ``/ws``: many requests at once, each answered when it is done; and what is told in between."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, hear: Callable[[dict[str, Any]], None]) -> None:
        self._socket = socket
        self._hear = hear
        self._ids = itertools.count(1)
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._listening = asyncio.create_task(self._listen())

    async def ask(self, kind: str, **fields: Any) -> Answer:
        """The answer to a message. Raises Problem; Unavailable, with ``sent``, where nobody knows what became of it."""
        if self.lost:
            raise Unavailable(GATEWAY, "the connection is lost", sent=False)
        name = str(next(self._ids))
        message = {"type": kind, "id": name, "traceparent": current_traceparent(), **fields}
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        try:
            await self._socket.send_bytes(_encode(message))
            async with asyncio.timeout(ANSWER_S):
                said = await answer
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            raise Unavailable(GATEWAY, type(error).__name__) from error
        finally:
            self._answers.pop(name, None)
        if said["type"] == "error":
            _raise(said["status"], said)
        return Answer(said.get("status", 200), said.get("body", said), said.get("trace_id", ""))

    @property
    def lost(self) -> bool:
        return self._listening.done()

    async def end(self) -> None:
        """Returns once the connection is lost, or closed."""
        await asyncio.wait((self._listening,))

    async def close(self) -> None:
        """At once: what is on its way is carried out all the same."""
        self._listening.cancel()
        await asyncio.wait((self._listening,))
        await self._socket.close()

    async def _listen(self) -> None:
        try:
            async for frame in self._socket:
                if frame.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    break
                said = _decode(frame.data)
                answer = self._answers.get(said.get("id", ""))
                if answer is None:
                    self._hear(said)
                elif not answer.done():
                    answer.set_result(said)
        except Exception as error:  # whatever it is, who waits for answers must not be left alone with it
            log.error("a connection to the exchange ended", exc_info=error)
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionResetError("the connection is lost"))


async def connect(exchange: Exchange, hear: Callable[[dict[str, Any]], None]) -> Socket:
    """A connection of ``/ws``. ``hear`` gets all that is no answer, in order. Raises Unavailable."""
    try:
        socket = await exchange.http.ws_connect(exchange.url + "/ws", max_msg_size=0, heartbeat=20, timeout=CLOSING)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Unavailable(GATEWAY, type(error).__name__, sent=False) from error
    return Socket(socket, hear)


def _raise(status: int, content: Mapping[str, Any]) -> None:
    """Raises Problem for an answer that says no."""
    if status < 400:
        return
    detail = str(content.get("detail", ""))
    raise Problem(status, str(content.get("code", "http_error")), detail, figures=content.get("figures"))
