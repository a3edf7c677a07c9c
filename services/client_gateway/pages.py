"""``/``: the trading desk as ``make web`` builds it, or a plain page that says how to build it.

A built file carries a hash of its content in its name, so a browser may keep it for ever, and so do we: compressed, in
memory, from the first time that somebody asks. The page itself is read each time, so that a new build shows at once.
"""

import gzip
import html
import mimetypes
import re
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from services.client_gateway.settings import GatewaySettings

PLAIN_PAGE = Path(__file__).parent / "page.html"
ASSET_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)
COMPRESSED = ("text/", "image/svg")

PAGE_HEADERS = {
    # Nothing comes from anywhere else, nothing runs that is not a file of ours, nobody may frame the page.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
ASSET_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}


def install_pages(app: FastAPI, settings: GatewaySettings) -> None:
    """Adds ``/`` and ``/assets/{name}``."""
    desk = settings.web_dir / "desk.html"
    explorer_url = html.escape(settings.trace_explorer_url.rstrip("/"))

    @lru_cache(maxsize=256)
    def packed(name: str) -> tuple[bytes, bytes, str]:
        content = (settings.web_dir / "assets" / name).read_bytes()
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return content, gzip.compress(content, 9, mtime=0) if kind.startswith(COMPRESSED) else b"", kind

    async def page(_request: Request) -> Response:
        if not desk.is_file():
            return Response(PLAIN_PAGE.read_text().replace("{{explorer}}", explorer_url), media_type="text/html")
        text = desk.read_text().replace("{{explorer}}", explorer_url)
        return Response(text, headers=PAGE_HEADERS, media_type="text/html")

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        if not ASSET_NAME.fullmatch(name):
            raise HTTPException(404)
        try:
            content, compressed, kind = packed(name)
        except OSError as error:
            raise HTTPException(404) from error
        headers = ASSET_HEADERS | {"Vary": "Accept-Encoding"}
        if compressed and "gzip" in request.headers.get("accept-encoding", ""):
            content, headers = compressed, headers | {"Content-Encoding": "gzip"}
        return Response(content, headers=headers, media_type=kind)

    app.add_route("/", page, include_in_schema=False)
    app.add_route("/assets/{name}", asset, include_in_schema=False)
