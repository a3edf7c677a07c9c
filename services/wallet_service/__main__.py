"""``python -m services.wallet_service``"""

from services.wallet_service.app import create_app
from shared.contracts.operations import WALLET
from shared.service import run
from shared.settings import ServiceSettings, load

settings = load(ServiceSettings)
run(WALLET, lambda: create_app(settings), settings)
