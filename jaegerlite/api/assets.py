"""The explorer's built files, small on the wire: as the build packed them, else packed here when first asked for.

Their names carry a hash of what is in them, so a browser may keep them for good, and the name serves as their tag.
"""

import functools
import gzip
import mimetypes
import re
from pathlib import Path
from typing import Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

NAME: Final = re.compile(r"[\w-][\w.-]*", re.ASCII)
ASSET_SECONDS: Final = 365 * 24 * 3600
KEPT_MAX: Final = 256
TEXTS: Final = ("text/", "image/svg")
# What the build leaves beside a file, the smallest first.
PACKED: Final = {"br": ".br", "gzip": ".gz"}


def assets_route(folder: Path) -> Route:
    """`/assets/{name}`: the files of a folder, which may come to be later."""

    @functools.lru_cache(KEPT_MAX)
    def forms(name: str) -> tuple[str, dict[str, bytes]]:
        """Its media type, and what it is in each coding; raises OSError where there is none."""
        found = {"": (folder / name).read_bytes()}
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        if media.startswith(TEXTS):
            for coding, ending in PACKED.items():
                packed = folder / (name + ending)
                if packed.is_file():
                    found[coding] = packed.read_bytes()
            found.setdefault("gzip", gzip.compress(found[""], 9, mtime=0))
        return media, found

    async def asset(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            if not NAME.fullmatch(name):
                raise FileNotFoundError(name)
            media, found = await to_thread.run_sync(forms, name)
        except OSError:
            return Response("Not Found", 404, media_type="text/plain")
        coding = _coding(request.headers.get("accept-encoding", ""), found)
        tag = f'"{name}{PACKED.get(coding, "")}"'
        headers = {
            "Cache-Control": f"public, max-age={ASSET_SECONDS}, immutable",
            "ETag": tag,
            "Vary": "Accept-Encoding",
            "X-Content-Type-Options": "nosniff",
        }
        if tag in {text.strip().removeprefix("W/") for text in request.headers.get("if-none-match", "").split(",")}:
            return Response(status_code=304, headers=headers)
        if coding:
            headers["Content-Encoding"] = coding
        return Response(found[coding], headers=headers, media_type=media)

    return Route("/assets/{name}", asset)


def _coding(accepted: str, found: dict[str, bytes]) -> str:
    """The smallest of the codings that a file is found in and a client accepts; empty for none."""
    weights = {}
    for part in accepted.lower().split(","):
        coding, _, weight = part.replace(" ", "").partition(";q=")
        weights[coding] = weight.strip("0.") != "" or weight == ""
    wanted = (coding for coding in PACKED if coding in found and weights.get(coding, weights.get("*", False)))
    return next(wanted, "")
