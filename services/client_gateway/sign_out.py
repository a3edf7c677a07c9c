"""Ends connections of ``/ws`` whose user may not be there any more: the token opens nothing, or the account is blocked.

The user-service is asked again and again about every token that somebody signed in with. What an administrator blocks
is told to all gateways over Valkey: they need not wait, since orders of a blocked account are refused anyway.
"""

import asyncio
from collections.abc import Collection

import structlog
from redis.exceptions import RedisError

from services.client_gateway.connection import Connection
from services.client_gateway.live import Live
from services.client_gateway.sign_in import Login, Logins
from shared.batching import Clients
from shared.contracts.operations import Refused
from shared.contracts.users import CHECK_TOKEN, Token
from shared.errors import Unavailable
from shared.valkey import Valkey

log = structlog.get_logger()

CHECK_S = 2.0
"""How long a connection can outlive its token."""

AT_ONCE = 1_000
"""Tokens that are asked about together, so that requests of clients need not wait behind them."""

BLOCKED_CHANNEL = "client-gateway:blocked"
"""Valkey channel on which a gateway tells the others whom an administrator has blocked: ids with spaces between."""

CLOSE_TOKEN = 4001
CLOSE_BLOCKED = 4003

BLOCKED = Refused(code="account_blocked", detail="This account was blocked. Ask the exchange.")


class SignOut:
    """``run`` and ``watch`` are to be kept running."""

    def __init__(self, clients: Clients, live: Live, valkey: Valkey, logins: Logins) -> None:
        self._clients = clients
        self._live = live
        self._valkey = valkey
        self._logins = logins

    async def blocked(self, user_ids: Collection[int]) -> None:
        """Ends the connections of these users, on all gateways."""
        if not user_ids:
            return
        try:
            await self._valkey.call("PUBLISH", BLOCKED_CHANNEL, " ".join(map(str, user_ids)))
        except (RedisError, OSError) as error:
            log.warning("connections of blocked accounts stay", error=str(error))

    async def run(self) -> None:
        """Asks about all tokens for ever. While the user-service is away connections stay as they are."""
        while True:
            await asyncio.sleep(CHECK_S)
            logins = self._logins.all()
            try:
                for begin in range(0, len(logins), AT_ONCE):
                    await self._check(logins[begin : begin + AT_ONCE])
            except Unavailable as error:
                log.info("tokens are not checked", error=str(error))

    async def watch(self) -> None:
        """Hears of blocked accounts, once Valkey confirms that it will tell."""
        while True:
            try:
                await self._live.follow(BLOCKED_CHANNEL, self)
                return
            except Unavailable as error:
                log.info("blocked accounts are not heard of yet", error=str(error))

    # Live calls these

    def hear(self, data: bytes) -> None:
        user_ids = set(map(int, data.split()))
        for connection, login in self._logins.all():
            if login.user_id in user_ids:
                _end(connection, CLOSE_BLOCKED, 403, BLOCKED)

    def interrupted(self) -> None:
        """What is missed meanwhile stays missed: a blocked account can do no harm."""

    def resumed(self) -> None:
        """Nothing is made up for."""

    async def _check(self, logins: list[tuple[Connection, Login]]) -> None:
        tokens = [login.token for _, login in logins]
        answers = await asyncio.gather(*[self._clients.call(CHECK_TOKEN, Token(token=token)) for token in tokens])
        for (connection, login), token, answer in zip(logins, tokens, answers, strict=True):
            if isinstance(answer, Refused) and login.token == token:
                _end(connection, CLOSE_TOKEN, 401, answer)


def _end(connection: Connection, close_code: int, status: int, why: Refused) -> None:
    connection.send({"type": "error", "status": status, "code": why.code, "detail": why.detail})
    connection.end(close_code, why.code)
