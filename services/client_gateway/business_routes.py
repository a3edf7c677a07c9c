"""``/admin/figures``: how business goes, asked of every service."""

import asyncio
import time
from typing import Any

from fastapi import Response

from services.client_gateway.admin_routes import admins
from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.business_figures import Page, figures_view, read_page
from services.client_gateway.settings import GatewaySettings
from shared.contracts.operations import ENGINE, GATEWAY, MARKET, NOTIFICATION, ORDERS, REPORTING, RISK, WALLET
from shared.metrics import exposition
from shared.transport import Transport
from shared.web import json_response

ASKED = (WALLET, RISK, ORDERS, ENGINE, MARKET, REPORTING, NOTIFICATION)
ANSWER_S_MAX = 2.0
SHARED_S = 3.0
"""However many look, and however often, the services are asked once in so long; the desk looks every 5 s."""


class BusinessRoutes:
    """The handler, and whom it asks."""

    def __init__(self, settings: GatewaySettings) -> None:
        # Of several engines each is asked by itself: those that lead are known by what they say.
        urls = {name: settings.url_of(name).replace(";", ",").split(",") for name in ASKED}
        self._addresses = [(name, url) for name, those in urls.items() for url in those]
        self._looking: asyncio.Task[dict[str, Any]] | None = None
        self._began_s = 0.0

    def install(self, api: Api) -> None:
        api.route("GET", "/admin/figures", admins(self.figures), tag="admin")

    async def figures(self, call: Call, _query: Nothing) -> Response:
        """Orders by outcome, fills, value, time to settlement, open orders, backlogs: since each service started.

        A service in ``silent`` did not answer, and its figures are missing. Orders are those of the gateway that is
        asked. They are up to 3 s old.
        """
        looking = self._looking
        if looking is None or (looking.done() and time.monotonic() - self._began_s > SHARED_S):
            looking = self._looking = asyncio.create_task(self._look())
            self._began_s = time.monotonic()
        return json_response(await asyncio.shield(looking))  # who stops waiting does not end it for the others

    async def _look(self) -> dict[str, Any]:
        asked = await asyncio.gather(*(_page(name, url) for name, url in self._addresses))
        own = read_page(GATEWAY, exposition("")[0].decode())
        pages = [own, *(page for page in asked if page is not None)]
        answered = {page.service for page in pages}
        return figures_view(pages, [name for name in ASKED if name not in answered])


async def _page(service: str, url: str) -> Page | None:
    """What a process says of itself; None where it does not."""
    transport = Transport(url, {})
    try:
        status, body = await transport.request("GET", "/metrics", timeout_s=ANSWER_S_MAX)
    except (OSError, TimeoutError):
        return None
    finally:
        transport.close()
    return read_page(service, body.decode()) if status == 200 else None
