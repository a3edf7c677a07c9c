"""The wallet-service's HTTP face."""

from pathlib import Path

from fastapi import FastAPI

from services.wallet_service.announcing import Announcer
from services.wallet_service.consumer import Settlement
from services.wallet_service.corrections import Corrections
from services.wallet_service.holds import Holds
from services.wallet_service.imbalance import Imbalance
from services.wallet_service.movements import Movements
from services.wallet_service.retention import Retention
from services.wallet_service.settings import WalletSettings
from services.wallet_service.wallets import Wallets
from shared.attributes import ORDER_OF_USER, USER
from shared.contracts import wallet
from shared.contracts.events import EXECUTIONS, FUNDS
from shared.contracts.operations import WALLET
from shared.service import Service
from shared.tracing import ItemAttributes

MIGRATIONS = Path(__file__).parent / "migrations"

HOLD = ItemAttributes(
    {
        "order.id": ("order_id", str),
        "order.quantity": "quantity",
        "user.id": ("user_id", str),
        "hold.asset": "asset",
    }
)
ENTRY = ItemAttributes({"transfer.id": ("transfer_id", str)})


def create_app(settings: WalletSettings) -> FastAPI:
    """The app of one wallet-service."""
    service = Service(WALLET, settings, MIGRATIONS)
    settled = service.follow(EXECUTIONS, Settlement().apply)
    holds = Holds(service.database, settled, durable=settings.holds_durable)
    wallets = Wallets(service.database)
    funds = service.publish(FUNDS)
    announcer = Announcer(service.valkey)
    movements = Movements(service.database, funds, announcer)
    corrections = Corrections(service.database, funds, announcer)
    service.serve(wallet.CHECK_BALANCE, holds.place, HOLD)
    service.serve(wallet.AMEND_HOLD, holds.place, HOLD)
    service.serve(wallet.RELEASE_HOLD, holds.release, ORDER_OF_USER, fresh=settled)
    service.serve(wallet.OPEN_HOLDS, holds.open_between)
    service.serve(wallet.CREATE_WALLET, wallets.create, USER)
    service.serve(wallet.ADD_FUNDS, movements.fund, USER, fresh=settled)
    service.serve(wallet.TRANSFER_FUNDS, movements.transfer, USER, fresh=settled)
    service.serve(wallet.GET_ENTRY, corrections.entries, ENTRY)
    service.serve(wallet.CORRECT_ENTRY, corrections.correct, ENTRY)
    service.serve(wallet.LIST_CORRECTIONS, corrections.corrections)
    service.serve(wallet.GET_BALANCE, wallets.balances, USER, fresh=settled)
    service.serve(wallet.GET_TRANSACTIONS, wallets.statement, USER, fresh=settled)
    service.serve(wallet.EXPORT_STATEMENT, wallets.export, USER, fresh=settled)
    service.keep_running(Imbalance(service.database, settings.ledger_checked_every_s).run)
    service.keep_running(Retention(service.database, settings.holds_kept_s).run)
    return service.app
