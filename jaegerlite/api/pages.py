"""The pages of the query port: the explorer where its built files are at hand, else a plain page that needs no build.

The explorer is `explorer.html` with the files that it names, all under `/assets`. Their names carry a hash of what is
in them, so a browser may keep them for good; the page itself is asked for each time.
"""

import logging
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

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
ASSET_SECONDS: Final = 365 * 24 * 3600
log = logging.getLogger("jaegerlite")


class _Assets(StaticFiles):
    """Files whose names change with their content; a folder that is not built yet has none."""

    async def check_config(self) -> None:
        """Accept a missing folder, which Starlette takes for a mistake: the build may come later."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = f"public, max-age={ASSET_SECONDS}, immutable"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


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

    async def page(request: Request) -> Response:
        is_built = explorer is not None and explorer.is_file()
        headers = {
            "Cache-Control": "no-cache",
            "Content-Security-Policy": EXPLORER_POLICY if is_built else PLAIN_POLICY,
            "Referrer-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        }
        file = explorer if explorer is not None and is_built else PLAIN_PAGE
        return FileResponse(file, headers=headers, media_type="text/html")

    routes: list[BaseRoute] = [Route(path, page) for path in PAGE_PATHS]
    if ui_dir is not None:
        routes.append(Mount("/assets", _Assets(directory=ui_dir / "assets", check_dir=False)))
    return routes
