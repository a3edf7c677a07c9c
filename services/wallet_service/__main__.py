"""``python -m services.wallet_service``"""

from services.wallet_service.app import create_app
from services.wallet_service.settings import WalletSettings
from shared.contracts.operations import WALLET
from shared.service import run
from shared.settings import load

settings = load(WalletSettings)
run(WALLET, lambda: create_app(settings), settings)
