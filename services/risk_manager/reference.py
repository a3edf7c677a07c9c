"""What the risk-manager must know beforehand: what is traded, and the controls that administrators have set."""

import asyncio

import structlog

from services.risk_manager.control_store import load_controls
from services.risk_manager.controls import RiskControls, StoredControls
from services.risk_manager.limits import Limits
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
    """Instruments from the engine and controls from the tables. ``run`` keeps them fresh."""

    def __init__(self, clients: Clients, database: Database, defaults: Limits) -> None:
        self._clients = clients
        self._database = database
        self._defaults = defaults
        self._reading = asyncio.Lock()
        self.controls = RiskControls(StoredControls(), defaults)
        """Nothing is set until the tables were read; ``ready`` holds orders back until then."""
        self.reference_prices: dict[str, Money] = {}
        """Symbol -> the price that stands in until there is a trade. Empty until the engine has answered."""

    async def refresh(self) -> None:
        """Raises Unavailable when the engine or the database does not answer; then what was known stays."""
        await self.refresh_controls()
        answer = await self._clients.call(LIST_INSTRUMENTS, Instruments())
        if isinstance(answer, Refused):
            raise Unavailable("matching-engine", answer.detail)
        self.reference_prices = {one.symbol: one.reference_price for one in answer.instruments}

    async def look_up(self, symbols: set[str]) -> None:
        """Asks the engine where a symbol is not known: it may have been listed just now."""
        if not symbols <= self.reference_prices.keys():
            await self.refresh()

    async def refresh_controls(self) -> None:
        """The controls as the tables have them. Raises Unavailable without the database."""
        # One at a time, so that what was read later is not replaced by what was read before.
        async with (
            self._reading,
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read"),
        ):
            self.controls = RiskControls(await load_controls(connection), self._defaults)

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
