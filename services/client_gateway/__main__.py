"""``python -m services.client_gateway``"""

from services.client_gateway.app import create_app
from services.client_gateway.frames import FrameProtocol
from services.client_gateway.settings import GatewaySettings
from shared.contracts.operations import GATEWAY
from shared.service import run
from shared.settings import load

settings = load(GatewaySettings)
run(GATEWAY, lambda: create_app(settings), settings, sockets=FrameProtocol)
