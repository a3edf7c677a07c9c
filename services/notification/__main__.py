"""``python -m services.notification``"""

from services.notification.app import create_app
from services.notification.settings import Settings
from shared.contracts.operations import NOTIFICATION
from shared.service import run
from shared.settings import load

settings = load(Settings)
run(NOTIFICATION, lambda: create_app(settings), settings)
