"""The pages of the query port: the explorer where its built files are at hand, else a plain page that needs no build.

The explorer is `explorer.html` with the files that it names, all under `/assets` (`assets.py`). The page itself is
asked for each time.
"""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from jaegerlite.api.assets import assets_route
from jaegerlite.backend import Backend

PLAIN_PAGE: Final = Path(__file__).with_name("page.html")
PAGE_PATHS: Final = ("/", "/search", "/trace/{id}", "/dependencies", "/monitor", "/insights", "/compare", "/alerts")
# Scripts and styles only from here, requests only to here; `data:` and `blob:` for icons and the download of a trace.
EXPLORER_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# The plain page carries its script and styles in itself.
PLAIN_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src 'self';"
    " base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
log = logging.getLogger("jaegerlite")


def routes(backend: Backend) -> list[BaseRoute]:
    """The pages, from the folder that the settings name."""
    return page_routes(backend.settings.ui_dir)


def page_routes(ui_dir: Path | None) -> list[BaseRoute]:
    """Routes of the pages, and of the explorer's assets.

    Args:
        ui_dir: folder with `explorer.html` and `assets/`; without it, or while it has no such page, the plain page
            serves. Looked at with each request, so that a build that ends after the start is seen.
    """
    explorer = None if ui_dir is None else ui_dir / "explorer.html"
    if explorer is not None and not explorer.is_file():
        log.info("no explorer.html in %s: serving the plain page until it is built", ui_dir)

    async def page(_: Request) -> Response:
        return _page(explorer)

    routes: list[BaseRoute] = [Route(path, page) for path in PAGE_PATHS]
    if ui_dir is not None:
        routes.append(assets_route(ui_dir / "assets"))
    return routes


def not_found(ui_dir: Path | None) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What answers where there is no route: a browser gets the page, which says so and leads on."""
    explorer = None if ui_dir is None else ui_dir / "explorer.html"

    async def answer(request: Request, error: Exception) -> Response:
        is_for_people = "text/html" in request.headers.get("accept", "")
        if is_for_people and not request.url.path.startswith(("/api/", "/assets/")):
            return _page(explorer, 404)
        return PlainTextResponse(str(getattr(error, "detail", "Not Found")), 404)

    return answer


def _page(explorer: Path | None, status: int = 200) -> Response:
    is_built = explorer is not None and explorer.is_file()
    headers = {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": EXPLORER_POLICY if is_built else PLAIN_POLICY,
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }
    file = explorer if explorer is not None and is_built else PLAIN_PAGE
    return FileResponse(file, status, headers=headers, media_type="text/html")
