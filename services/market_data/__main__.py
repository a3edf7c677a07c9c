"""``python -m services.market_data``"""

from services.market_data.app import create_app
from services.market_data.settings import Settings
from shared.contracts.operations import MARKET
from shared.service import run
from shared.settings import load

settings = load(Settings)
run(MARKET, lambda: create_app(settings), settings)
