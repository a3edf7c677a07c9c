"""``python -m services.order_manager``"""

from services.order_manager.app import create_app
from shared.contracts.operations import ORDERS
from shared.service import run
from shared.settings import ServiceSettings, load

settings = load(ServiceSettings)
run(ORDERS, lambda: create_app(settings), settings)
