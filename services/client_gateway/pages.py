"""``/``: the trading desk as ``make web`` builds it, or a plain page that says how to build it.

A built file carries a hash of its content in its name, so a browser may keep it for ever, and so do we: in memory, from
the first time that somebody asks, packed as the build left it (``.br``, ``.gz``) or by us. The page itself is read each
time, so that a new build shows at once.
"""

import asyncio
import gzip
import html
import mimetypes
import re
from collections.abc import Container
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from services.client_gateway.settings import GatewaySettings

PLAIN_PAGE = Path(__file__).parent / "page.html"
ASSET_NAME = re.compile(r"[\w-][\w.-]*", re.ASCII)
COMPRESSED = ("text/", "image/svg")
CODINGS = {"br": ".br", "gzip": ".gz"}
"""What the build leaves beside a file, the smallest first."""
REFUSED = re.compile(r";\s*q=0(\.0*)?\s*$")

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
    def forms(name: str) -> tuple[str, dict[str, bytes]]:
        """Its media type, and what it is in each coding."""
        file = settings.web_dir / "assets" / name
        found = {"": file.read_bytes()}
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if kind.startswith(COMPRESSED):
            for coding, ending in CODINGS.items():
                packed = file.with_name(name + ending)
                if packed.is_file():
                    found[coding] = packed.read_bytes()
            found.setdefault("gzip", gzip.compress(found[""], 9, mtime=0))
        return kind, found

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
            kind, found = await asyncio.to_thread(forms, name)
        except OSError as error:
            raise HTTPException(404) from error
        coding = accepted(request.headers.get("accept-encoding", ""), found)
        headers = ASSET_HEADERS | {"ETag": f'"{name}{CODINGS.get(coding, "")}"', "Vary": "Accept-Encoding"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if coding:
            headers["Content-Encoding"] = coding
        return Response(found[coding], headers=headers, media_type=kind)

    app.add_route("/", page, include_in_schema=False)
    app.add_route("/assets/{name}", asset, include_in_schema=False)


def accepted(header: str, found: Container[str]) -> str:
    """The smallest of the codings that a file is found in and ``Accept-Encoding`` names; empty for none."""
    named = {part.partition(";")[0].strip() for part in header.lower().split(",") if not REFUSED.search(part)}
    return next((coding for coding in CODINGS if coding in found and coding in named), "")
