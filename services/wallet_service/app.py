"""The wallet-service's HTTP face."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.wallet_service.consumer import Settlement
from services.wallet_service.fundings import Fundings
from services.wallet_service.holds import Holds
from services.wallet_service.settings import WalletSettings
from shared.contracts import wallet
from shared.contracts.events import EXECUTIONS, FUNDS
from shared.contracts.operations import WALLET
from shared.service import Service

MIGRATIONS = Path(__file__).parent / "migrations"


def create_app(settings: WalletSettings) -> FastAPI:
    """The app of one wallet-service."""
    service = Service(WALLET, settings, MIGRATIONS)
    settled = service.follow(EXECUTIONS, Settlement().apply)
    holds = Holds(service.database, settled, durable=settings.holds_durable)
    fundings = Fundings(service.database, service.publish(FUNDS))
    service.serve(wallet.CHECK_BALANCE, holds.place, hold_attributes)
    service.serve(wallet.AMEND_HOLD, holds.place, hold_attributes)
    service.serve(wallet.RELEASE_HOLD, holds.release, release_attributes, fresh=settled)
    service.serve(wallet.OPEN_HOLDS, holds.open_between)
    service.serve(wallet.CREATE_WALLET, fundings.create, user_attributes)
    service.serve(wallet.ADD_FUNDS, fundings.fund, user_attributes)
    service.serve(wallet.GET_BALANCE, fundings.balances, user_attributes, fresh=settled)
    service.serve(wallet.GET_TRANSACTIONS, fundings.statement, user_attributes, fresh=settled)
    return service.app


def hold_attributes(item: wallet.HoldRequest) -> Mapping[str, Any]:
    return {
        "order.id": str(item.order_id),
        "order.quantity": item.quantity,
        "user.id": str(item.user_id),
        "hold.asset": item.asset,
    }


def release_attributes(item: wallet.ReleaseRequest) -> Mapping[str, Any]:
    return {"order.id": str(item.order_id), "user.id": str(item.user_id)}


def user_attributes(item: wallet.WalletOf | wallet.TransactionsOf | wallet.Funding) -> Mapping[str, Any]:
    return {"user.id": str(item.user_id)}
