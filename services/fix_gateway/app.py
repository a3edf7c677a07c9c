"""The FIX gateway: FIX 4.4 on a port of its own; health and figures over HTTP as in every service."""

from fastapi import FastAPI

from services.fix_gateway.gateway import FixGateway
from services.fix_gateway.settings import FixSettings
from shared.contracts.operations import FIX, GATEWAY
from shared.service import Service


def create_app(settings: FixSettings) -> FastAPI:
    """The app of one FIX gateway."""
    service = Service(FIX, settings)
    gateway = FixGateway(settings)
    service.at_start(gateway.open)
    service.keep_running(gateway.run)
    service.check(GATEWAY, lambda: gateway.exchange.request("GET", "/health"))
    service.measure(gateway.measure)
    return service.app
