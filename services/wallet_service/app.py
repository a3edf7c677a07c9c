"""The wallet-service's HTTP face."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from services.wallet_service.consumer import Settlement
from services.wallet_service.corrections import Corrections
from services.wallet_service.holds import Holds
from services.wallet_service.movements import Movements
from services.wallet_service.retention import Retention
from services.wallet_service.settings import WalletSettings
from services.wallet_service.wallets import Wallets
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
    wallets = Wallets(service.database)
    funds = service.publish(FUNDS)
    movements = Movements(service.database, funds)
    corrections = Corrections(service.database, funds)
    service.serve(wallet.CHECK_BALANCE, holds.place, hold_attributes)
    service.serve(wallet.AMEND_HOLD, holds.place, hold_attributes)
    service.serve(wallet.RELEASE_HOLD, holds.release, release_attributes, fresh=settled)
    service.serve(wallet.OPEN_HOLDS, holds.open_between)
    service.serve(wallet.CREATE_WALLET, wallets.create, user_attributes)
    service.serve(wallet.ADD_FUNDS, movements.fund, user_attributes, fresh=settled)
    service.serve(wallet.TRANSFER_FUNDS, movements.transfer, user_attributes, fresh=settled)
    service.serve(wallet.GET_ENTRY, corrections.entries, entry_attributes)
    service.serve(wallet.CORRECT_ENTRY, corrections.correct, entry_attributes)
    service.serve(wallet.LIST_CORRECTIONS, corrections.corrections)
    service.serve(wallet.GET_BALANCE, wallets.balances, user_attributes, fresh=settled)
    service.serve(wallet.GET_TRANSACTIONS, wallets.statement, user_attributes, fresh=settled)
    service.keep_running(Retention(service.database, settings.holds_kept_s).run)
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


def user_attributes(
    item: wallet.WalletOf | wallet.TransactionsOf | wallet.Funding | wallet.TransferRequest,
) -> Mapping[str, Any]:
    return {"user.id": str(item.user_id)}


def entry_attributes(item: wallet.EntryOf | wallet.Correction) -> Mapping[str, Any]:
    return {"transfer.id": str(item.transfer_id)}
