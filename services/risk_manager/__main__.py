"""``python -m services.risk_manager``"""

from services.risk_manager.app import create_app
from services.risk_manager.settings import RiskSettings
from shared.contracts.operations import RISK
from shared.service import run
from shared.settings import load

settings = load(RiskSettings)
run(RISK, lambda: create_app(settings), settings)
