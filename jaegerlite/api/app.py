"""The application of the query port: all routes, behind what every request passes."""

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from jaegerlite.api import all_routes
from jaegerlite.backend import Backend


class _TenantOfRequest:
    """Puts the tenant of each request where `tenant_of` finds it."""

    def __init__(self, app: ASGIApp, backend: Backend) -> None:
        self._app = app
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["tenant"] = self._backend.tenant()
        await self._app(scope, receive, send)


def query_app(backend: Backend) -> ASGIApp:
    """All routes, each request with its tenant."""
    return _TenantOfRequest(Starlette(routes=all_routes(backend)), backend)
