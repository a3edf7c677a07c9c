"""The application of the query port: all routes, behind the question who asks."""

from typing import Final

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from jaegerlite.access import Access, DeniedError, Role
from jaegerlite.api import all_routes
from jaegerlite.api.answers import error_answer
from jaegerlite.api.pages import not_found
from jaegerlite.backend import Backend

OPEN_PATHS: Final = frozenset({"/health", "/ready"})
READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What changes nothing, or what whoever sends spans may do, though it comes by POST.
ROLE_BY_PATH: Final = {"/api/transform": Role.READ, "/api/archive": Role.WRITE}


class _Guarded:
    """Lets requests through to the routes with their tenant, or answers why not.

    Whoever may read may send GET; anything else is for administrators, unless `ROLE_BY_PATH` says otherwise.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] not in OPEN_PATHS:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            try:
                if scope["method"] not in READING and headers.get("sec-fetch-site") == "cross-site":
                    raise DeniedError(403, "forbidden", "another site may not ask for this in your name")
                role = _role(scope["method"], scope["path"])
                scope["tenant"] = await self._access.tenant(headers, scope.get("client"), role)
            except DeniedError as denied:
                answer = error_answer(denied.status, denied.text)
                answer.headers.update(denied.headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _role(method: str, path: str) -> Role:
    if method in READING:
        return Role.READ
    return next((role for start, role in ROLE_BY_PATH.items() if path.startswith(start)), Role.ADMIN)


def query_app(backend: Backend) -> ASGIApp:
    """All routes, each request with its tenant."""
    app = Starlette(routes=all_routes(backend), exception_handlers={404: not_found(backend.settings.ui_dir)})
    return _Guarded(app, backend.access)
