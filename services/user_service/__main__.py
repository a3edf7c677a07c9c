"""``python -m services.user_service``"""

from services.user_service.app import create_app
from services.user_service.settings import Settings
from shared.contracts.operations import USERS
from shared.service import run
from shared.settings import load

settings = load(Settings)
run(USERS, lambda: create_app(settings), settings)
