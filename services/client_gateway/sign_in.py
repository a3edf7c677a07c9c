"""Who a connection of ``/ws`` stands for: ``{"type": "auth", "token": ...}``. All it says afterwards is theirs."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from msgspec import Meta

from services.client_gateway.api import Api
from services.client_gateway.connection import Connection
from services.client_gateway.own_messages import FILLS, ORDERS, OwnMessages
from services.client_gateway.requests import Cursor
from services.client_gateway.socket import Message, Sockets
from shared.errors import Problem


class Auth(Message, frozen=True, kw_only=True, tag="auth"):
    """Who this is: the token that ``POST /auth/login`` gives; and what of the user's own comes on this connection.

    ``after``: begin with what was told after this event. Sent again it renews the token and sets the channels anew.
    """

    token: str
    channels: Annotated[tuple[str, ...], Meta(max_length=8)] = (ORDERS, FILLS)
    after: Cursor | None = None


class Login:
    """A connection that has signed in."""

    def __init__(self, token: str, user_id: int) -> None:
        self.token = token
        self.user_id = user_id
        self.placed: set[int] | None = None
        """Orders that were placed over this connection, where somebody wants to know."""
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request of this connection is under way."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def idle(self) -> None:
        """Returns once no request is under way."""
        await self._idle.wait()


class Logins:
    """Answers ``auth``, and knows who has signed in where."""

    def __init__(self, api: Api, own: OwnMessages) -> None:
        self._api = api
        self._own = own
        self._logins: dict[Connection, Login] = {}

    def install(self, sockets: Sockets) -> None:
        sockets.on(Auth, self.authenticate)

    def of(self, connection: Connection) -> Login:
        """Who this connection stands for. Raises Problem 401 where it has not signed in."""
        login = self._logins.get(connection)
        if login is None:
            raise Problem(401, "token_required", 'Sign in first: {"type": "auth", "token": TOKEN}.')
        return login

    def all(self) -> list[tuple[Connection, Login]]:
        """Those that have signed in."""
        return list(self._logins.items())

    async def authenticate(self, connection: Connection, message: Auth) -> Mapping[str, Any]:
        """From the answer on the user's own messages come on this connection; it is up to date to event ``seq``."""
        identity = await self._api.identify(f"Bearer {message.token}")
        login = self._logins.get(connection)
        if login is not None and login.user_id != identity.user_id:
            raise Problem(409, "signed_in_already", "This connection is another user's. Open one for each user.")
        position = self._api.told.position(identity.user_id)
        seq = await self._own.follow(connection, identity.user_id, message.channels, message.after, position)
        # What is told from here on goes on from what they can read: nothing in between is in neither.
        self._api.told.note(identity.user_id, seq)
        if login is None:
            login = self._logins[connection] = Login(message.token, identity.user_id)
            connection.at_end(lambda: self._forget(connection))
        login.token = message.token
        return {"type": "authenticated", "user_id": str(identity.user_id), "seq": seq}

    def _forget(self, connection: Connection) -> None:
        del self._logins[connection]
