"""A user's own orders and trades on ``/ws``: sign in with ``{"type": "auth", "token": ...}``, and they come."""

from collections.abc import Mapping
from typing import Any

from services.client_gateway.api import Api
from services.client_gateway.connection import CLOSE_RESTART, Connection
from services.client_gateway.frames import text_frame
from services.client_gateway.live import Live
from services.client_gateway.socket import Message, Sockets
from shared.contracts.events import user_channel


class Auth(Message, frozen=True, kw_only=True, tag="auth"):
    """Who this is: the token that ``POST /auth/login`` gives."""

    token: str


class UserChannel:
    """The connections of one user."""

    def __init__(self) -> None:
        self.connections: dict[Connection, None] = {}

    def hear(self, data: bytes) -> None:
        frame = text_frame(data)
        for connection in list(self.connections):
            connection.write(frame)

    def interrupted(self) -> None:
        """Messages are missed: a fresh start is the only honest answer."""
        for connection in list(self.connections):
            connection.end(CLOSE_RESTART, "Live messages are interrupted. Connect again and read what you missed.")

    def resumed(self) -> None:
        """Whoever is here came after the interruption."""


class OwnMessages:
    """Answers ``auth``, and passes on what notification publishes for each user."""

    def __init__(self, api: Api, live: Live) -> None:
        self._api = api
        self._live = live
        self._channels: dict[str, UserChannel] = {}

    def install(self, sockets: Sockets) -> None:
        sockets.on(Auth, self.authenticate)

    async def authenticate(self, connection: Connection, message: Auth) -> Mapping[str, Any]:
        """From the answer on, the user's own messages come on this connection."""
        identity = await self._api.identify(f"Bearer {message.token}")
        name = user_channel(identity.user_id)
        channel = self._channels.setdefault(name, UserChannel())
        if connection not in channel.connections:
            channel.connections[connection] = None
            connection.at_end(lambda: self._forget(name, connection))
        await self._live.follow(name, channel)
        return {"type": "authenticated", "user_id": str(identity.user_id)}

    def _forget(self, name: str, connection: Connection) -> None:
        channel = self._channels[name]
        del channel.connections[connection]
        if not channel.connections:
            del self._channels[name]
            self._live.leave(name)
