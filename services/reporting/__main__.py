"""``python -m services.reporting``"""

from services.reporting.app import create_app
from shared.contracts.operations import REPORTING
from shared.service import run
from shared.settings import ServiceSettings, load

settings = load(ServiceSettings)
run(REPORTING, lambda: create_app(settings), settings)
