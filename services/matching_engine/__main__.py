"""``python -m services.matching_engine``"""

from services.matching_engine.app import create_app
from services.matching_engine.settings import EngineSettings
from shared.contracts.operations import ENGINE
from shared.service import run
from shared.settings import load

settings = load(EngineSettings)
run(ENGINE, lambda: create_app(settings), settings)
