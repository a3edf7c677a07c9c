"""The public requests as they are answered, for who records them (`outcry record`). Without a listener nothing is done.

What is left out: what administrators do, signing up and logging in, and what comes over a WebSocket. Bodies lose what
the redactor takes from traces; a user's name in one becomes that user's number.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import urlencode

import msgspec
from fastapi import Response
from fastapi.responses import StreamingResponse

from services.client_gateway.admin_routes import admins
from services.client_gateway.api import Api, Call, Hear, Nothing
from shared.contracts.users import Identity
from shared.recording import Lost, Recorded, ids_in, outcome_of
from shared.server import Request
from shared.tracing.redact import redact_attributes, redact_text

WAITING_MAX = 20_000
BEAT_S = 1.0
"""How often something is sent all the same, so that a listener who has gone is noticed."""

NAMES = ("to",)
"""Fields of a body that name a user."""


class Listener:
    """One recording."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._users: dict[str, str] = {}
        self.lines: asyncio.Queue[bytes] = asyncio.Queue(WAITING_MAX)
        self.behind = False

    def note(
        self, method: str, path: str, request: Request, identity: Identity, response: Response, began_s: float
    ) -> None:
        """Keeps a request that is answered."""
        if self.behind:
            return
        answer = _json(bytes(getattr(response, "body", b""))) if method != "GET" else None
        kept = Recorded(
            at_ms=max(0, round((began_s - self._began_s) * 1000)),
            method=method,
            path=redact_text(path.format(**request.path_params)) + _query(request),
            status=response.status_code,
            user=self._number(identity.username) if identity.username else "",
            body=self._clean(_json(request.body)),
            idempotency_key=redact_text(request.headers.get("idempotency-key", "")),
            ids=tuple(ids_in(answer)),
            outcome=outcome_of(answer) if answer is not None else None,
        )
        try:
            self.lines.put_nowait(msgspec.json.encode(kept) + b"\n")
        except asyncio.QueueFull:
            self.behind = True

    def _number(self, username: str) -> str:
        return self._users.setdefault(username, f"u{len(self._users) + 1}")

    def _clean(self, body: Any) -> Any:
        if not isinstance(body, dict):
            return None
        for name in NAMES:
            if isinstance(body.get(name), str):
                body[name] = self._number(body[name])
        redact_attributes(body)
        return body


class Recording:
    """Who records. The API tells each of them of each request that it has answered."""

    def __init__(self) -> None:
        self.listeners: list[Hear] = []

    def install(self, api: Api) -> None:
        self.listeners = api.listeners
        api.route("GET", "/admin/recording", admins(self.listen), tag="admin")

    async def listen(self, _call: Call, _query: Nothing) -> Response:
        """The public requests from now on, a JSON line each, until you hang up; nothing that tells who they are of."""
        return StreamingResponse(self.lines(), media_type="application/x-ndjson")

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """What one listener gets."""
        listener = Listener()
        self.listeners.append(listener.note)
        try:
            yield b"\n"  # from now on
            while not (listener.behind and listener.lines.empty()):
                try:
                    yield await asyncio.wait_for(listener.lines.get(), BEAT_S)
                except TimeoutError:
                    yield b"\n"
            yield msgspec.json.encode(Lost(lost="the reader was too slow")) + b"\n"
        finally:
            self.listeners.remove(listener.note)


def _query(request: Request) -> str:
    query: dict[str, Any] = dict(request.query_params)
    redact_attributes(query)
    return f"?{urlencode(query)}" if query else ""


def _json(text: bytes) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None
