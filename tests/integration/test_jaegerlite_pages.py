"""What jaegerlite serves as its pages: the built explorer where there is one, else its plain page."""

import gzip
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette

from jaegerlite.api.pages import not_found, page_routes


@contextmanager
def _serving(ui_dir: Path | None) -> Iterator[str]:
    """A server with nothing but the pages, and its address."""
    sock = socket.create_server(("127.0.0.1", 0))
    app = Starlette(routes=page_routes(ui_dir), exception_handlers={404: not_found(ui_dir)})
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        sock.close()


def _get(url: str, **headers: str) -> tuple[int, Any, str]:
    asked = urllib.request.Request(url, headers={name.replace("_", "-"): text for name, text in headers.items()})
    try:
        with urllib.request.urlopen(asked, timeout=10) as response:
            return response.status, response.headers, response.read().decode("latin-1")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


@pytest.fixture
def ui_dir(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "explorer.html").write_text("<title>the explorer</title>")
    (tmp_path / "assets" / "explorer-1a2b.js").write_text("export {}")
    return tmp_path


def test_an_address_of_nothing_gives_browsers_the_page(ui_dir: Path) -> None:
    """The page says that there is nothing, with status 404; who asks for no page, or for an API, is told plainly."""
    with _serving(ui_dir) as url:
        asked = [("/nothing", "text/html"), ("/nothing", "*/*"), ("/api/nothing", "text/html")]
        answers = [_get(url + path, Accept=accept) for path, accept in asked]
    assert [(status, body) for status, _, body in answers] == [
        (404, "<title>the explorer</title>"),
        (404, "Not Found"),
        (404, "Not Found"),
    ]
    assert "script-src 'self'" in answers[0][1]["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search?service=a",
        "/trace/1f",
        "/trace/1f...2e",
        "/dependencies",
        "/monitor",
        "/insights",
        "/compare",
        "/alerts",
    ],
)
def test_every_page_address_gives_the_explorer(ui_dir: Path, path: str) -> None:
    """Each address of Jaeger's UI opens the built explorer, which scripts of no other origin can enter."""
    with _serving(ui_dir) as url:
        status, headers, body = _get(url + path)
    assert (status, body) == (200, "<title>the explorer</title>")
    assert "script-src 'self';" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-cache"


def test_assets_are_kept_by_browsers(ui_dir: Path) -> None:
    """An asset may be kept for good, since its name changes with its content; a missing one is a 404 nobody keeps."""
    with _serving(ui_dir) as url:
        status, headers, _ = _get(f"{url}/assets/explorer-1a2b.js")
        missing_status, missing_headers, _ = _get(f"{url}/assets/gone.js")
    assert status == 200
    assert "immutable" in headers["Cache-Control"]
    assert headers["Content-Type"].startswith("text/javascript")
    assert missing_status == 404
    assert "Cache-Control" not in missing_headers


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip", "gzip"),
        ("gzip;q=0.5, br;q=0", "gzip"),
        ("*", "br"),
        ("identity", None),
        ("", None),
    ],
)
def test_assets_travel_packed(ui_dir: Path, accepted: str, coding: str | None) -> None:
    """An asset comes in the smallest form that the client accepts, and not at all where the client has that form."""
    script = "export const numbers = [" + "1234567890, " * 1000 + "]"
    (ui_dir / "assets" / "explorer-1a2b.js").write_text(script)
    (ui_dir / "assets" / "explorer-1a2b.js.br").write_bytes(b"packed by the build")
    with _serving(ui_dir) as url:
        status, headers, body = _get(f"{url}/assets/explorer-1a2b.js", Accept_Encoding=accepted)
        again = _get(f"{url}/assets/explorer-1a2b.js", Accept_Encoding=accepted, If_None_Match=headers["ETag"])
    content = body.encode("latin-1")
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, coding, "Accept-Encoding")
    assert len(content) == int(headers["Content-Length"])
    if coding != "br":
        assert (gzip.decompress(content) if coding else content).decode() == script
    else:
        assert content == b"packed by the build"
    assert (again[0], again[1]["ETag"], again[2]) == (304, headers["ETag"], "")


def test_nothing_outside_the_assets_is_served(ui_dir: Path) -> None:
    """A path that climbs out of the assets finds nothing."""
    with _serving(ui_dir) as url:
        for path in ("%2e%2e/explorer.html", "%2e%2e%2fexplorer.html", ".%2fexplorer-1a2b.js", "%00", "a" * 300):
            status, _, body = _get(f"{url}/assets/{path}")
            assert status == 404
            assert "title" not in body


@pytest.mark.parametrize("has_folder", [True, False])
def test_plain_page_without_a_build(tmp_path: Path, has_folder: bool) -> None:
    """Without a built explorer the plain page serves, folder or not."""
    with _serving(tmp_path / "dist" if has_folder else None) as url:
        status, _, body = _get(url + "/")
        asset_status = _get(f"{url}/assets/explorer-1a2b.js")[0]
    assert (status, asset_status) == (200, 404)
    assert "<title>jaegerlite</title>" in body


def test_a_build_after_the_start_is_seen(tmp_path: Path) -> None:
    """An explorer that is built while the server runs serves from the next request on."""
    with _serving(tmp_path) as url:
        before = _get(url + "/")[2]
        (tmp_path / "explorer.html").write_text("<title>the explorer</title>")
        after = _get(url + "/")[2]
    assert "jaegerlite" in before
    assert after == "<title>the explorer</title>"
