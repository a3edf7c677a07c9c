"""What the risk-manager must know beforehand: what is traded, and which accounts have limits of their own."""

import asyncio

import structlog

from services.risk_manager.limits import Limits
from services.risk_manager.store import load_limits
from shared.batching import Clients
from shared.contracts.engine import LIST_INSTRUMENTS, Instruments
from shared.contracts.money import Money
from shared.contracts.operations import Refused
from shared.errors import Unavailable
from shared.postgres import Database

log = structlog.get_logger()

REFRESH_S = 30.0
RETRY_S = 0.5


class Reference:
    """Instruments from the engine and limits from the table. ``run`` keeps them fresh."""

    def __init__(self, clients: Clients, database: Database, defaults: Limits) -> None:
        self._clients = clients
        self._database = database
        self._defaults = defaults
        self._accounts: dict[int, Limits] = {}
        self.reference_prices: dict[str, Money] = {}
        """Symbol -> the price that stands in until there is a trade. Empty until the engine has answered."""

    def limits_of(self, user_id: int) -> Limits:
        return self._accounts.get(user_id, self._defaults)

    async def refresh(self) -> None:
        """Raises Unavailable when the engine or the database does not answer; then what was known stays."""
        await self.refresh_limits()
        answer = await self._clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(answer, Refused):
            raise Unavailable("matching-engine", answer.detail)
        self.reference_prices = {one.symbol: one.reference_price for one in answer.instruments}

    async def look_up(self, symbols: set[str]) -> None:
        """Asks the engine where a symbol is not known: it may have been listed just now."""
        if not symbols <= self.reference_prices.keys():
            await self.refresh()

    async def refresh_limits(self) -> None:
        """The limits of single accounts as the table has them. Raises Unavailable without the database."""
        async with self._database.connection() as connection:
            accounts = await load_limits(connection)
        defaults = {name: getattr(self._defaults, name) for name in self._defaults.__struct_fields__}
        self._accounts = {user_id: Limits(**{**defaults, **own}) for user_id, own in accounts.items()}

    async def ready(self) -> None:
        """Raises Unavailable until the engine has said what is traded."""
        if not self.reference_prices:
            raise Unavailable("matching-engine", "it has not said yet what is traded")

    async def run(self) -> None:
        """Refreshes for ever; impatiently until it has worked once."""
        while True:
            try:
                await self.refresh()
                await asyncio.sleep(REFRESH_S)
            except Unavailable as error:
                log.warning("reference data not refreshed", error=str(error))
                await asyncio.sleep(REFRESH_S if self.reference_prices else RETRY_S)
