"""The wallet-service, running on the real PostgreSQL and Valkey, with its database seen from behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import asyncpg

from services.wallet_service.app import create_app
from services.wallet_service.settings import WalletSettings
from shared.contracts.operations import Refused
from shared.contracts.wallet import (
    ADD_FUNDS,
    CHECK_BALANCE,
    CREATE_WALLET,
    GET_BALANCE,
    RELEASE_HOLD,
    Funding,
    HoldPlaced,
    HoldRequest,
    ReleaseRequest,
    WalletOf,
)
from tests.services import RunningService, running, service_settings

numbers = count(1)


class Bank:
    """The running service, and its database seen from behind."""

    def __init__(self, service: RunningService, database: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.service = service
        self.database = database

    async def fund(self, user_id: int, asset: str, amount: int) -> None:
        await self.service.answer(CREATE_WALLET, WalletOf(user_id=user_id))
        request = Funding(user_id=user_id, asset=asset, amount=amount, request_id=f"funding {next(numbers)}")
        await self.service.answer(ADD_FUNDS, request)

    async def hold(self, order_id: int, user_id: int, asset: str, unit: int, quantity: int) -> HoldPlaced | Refused:
        request = HoldRequest(order_id=order_id, user_id=user_id, asset=asset, unit_amount=unit, quantity=quantity)
        return await self.service.call(CHECK_BALANCE, request)

    async def release(self, order_id: int, user_id: int) -> None:
        await self.service.answer(RELEASE_HOLD, ReleaseRequest(order_id=order_id, user_id=user_id))

    async def owns(self, user_id: int, position: int = 0) -> dict[str, tuple[int, int]]:
        """Asset -> (total, held)."""
        wallet = await self.service.answer(GET_BALANCE, WalletOf(user_id=user_id, position=position))
        return {balance.asset: (balance.total, balance.held) for balance in wallet.balances}

    async def check(self) -> None:
        """The ledger adds up: nothing made or lost, every held amount belongs to open holds, transfers explain all."""
        for query in (
            "SELECT asset FROM accounts GROUP BY asset HAVING sum(balance) <> 0",
            "SELECT 1 FROM accounts WHERE user_id <> 0 AND (held < 0 OR balance < held)",
            """SELECT 1 FROM accounts LEFT JOIN (SELECT user_id, asset, sum(unit_amount * open_quantity) AS held
               FROM holds WHERE state = 1 GROUP BY user_id, asset) AS open USING (user_id, asset)
               WHERE accounts.held <> coalesce(open.held, 0)""",
            """SELECT 1 FROM accounts LEFT JOIN (SELECT user_id, asset, sum(amount) AS amount FROM (
                   SELECT credit_user AS user_id, asset, amount FROM transfers
                   UNION ALL SELECT debit_user, asset, -amount FROM transfers) AS moved
               GROUP BY user_id, asset) AS moved USING (user_id, asset)
               WHERE accounts.balance <> coalesce(moved.amount, 0)""",
        ):
            assert await self.database.fetch(query) == []


@asynccontextmanager
async def started(url: str, redis_url: str, **settings: Any) -> AsyncIterator[Bank]:
    async with running(create_app, service_settings(WalletSettings, url, redis_url, **settings)) as service:
        database = await asyncpg.connect(url, server_settings={"search_path": "wallet_service"})
        try:
            yield Bank(service, database)
        finally:
            await database.close()
