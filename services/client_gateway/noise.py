"""The fault NOISY_USER: an account that asks as fast as it is answered, over HTTP like any other client."""

import asyncio
import secrets

import structlog

from services.client_gateway.settings import GatewaySettings
from shared.batching import Clients
from shared.contracts.operations import GATEWAY, Refused
from shared.contracts.users import REGISTER, Registration
from shared.contracts.wallet import CREATE_WALLET, WalletOf
from shared.errors import Unavailable
from shared.settings import DEFAULT_PORTS
from shared.transport import Transport

log = structlog.get_logger()

CONNECTIONS = 4
RETRY_S = 0.5
ANY_ADDRESS = ("0.0.0.0", "::", "")  # noqa: S104 - read, not bound


class Noise:
    """Makes the account anew each time, so that nobody's own is used."""

    def __init__(self, clients: Clients, settings: GatewaySettings) -> None:
        self._clients = clients
        host = "127.0.0.1" if settings.host in ANY_ADDRESS else settings.host
        self._url = f"http://{host}:{settings.port or DEFAULT_PORTS[GATEWAY]}"

    async def run(self) -> None:
        """Makes noise until it is cancelled."""
        name = f"noisy_{secrets.token_hex(6)}"
        session = await self._clients.call(REGISTER, Registration(username=name, password=secrets.token_urlsafe()))
        if isinstance(session, Refused):
            log.warning("no noisy user can be made", code=session.code)
            return
        await self._clients.call(CREATE_WALLET, WalletOf(user_id=session.user_id))
        transport = Transport(self._url, {"Authorization": f"Bearer {session.token}"})
        try:
            await asyncio.gather(*(self._ask(transport) for _ in range(CONNECTIONS)))
        finally:
            transport.close()

    async def _ask(self, transport: Transport) -> None:
        while True:
            try:
                await transport.request("GET", "/wallet/balance")
            except (OSError, TimeoutError, Unavailable):
                await asyncio.sleep(RETRY_S)
