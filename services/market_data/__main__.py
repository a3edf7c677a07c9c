"""``python -m services.market_data``"""

from services.market_data.app import create_app
from shared.contracts.operations import MARKET
from shared.service import run
from shared.settings import ServiceSettings, load

settings = load(ServiceSettings)
run(MARKET, lambda: create_app(settings), settings)
