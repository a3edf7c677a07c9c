"""A real browser for tests: Debian's Chromium, driven by Playwright, with a profile of its own that is thrown away.

Without Chromium or without built pages these tests are skipped and say so: everything else of the exchange runs without
both.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

PROJECT = Path(__file__).parents[2]
OUTPUT = PROJECT / "test-output"
PAGES = Path(os.environ.get("WEB_DIR") or PROJECT / "web" / "dist")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or ""
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps", "--no-default-browser-check"),
)

# Waiting costs nothing where it goes well; a machine that does other things beside gets its time.
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)

Look = Callable[[Page, str], None]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a module. Its loop ends with them, so that asynchronous tests may follow."""
    if not CHROMIUM:
        pytest.skip("no chromium here (apt-get install chromium, or set CHROMIUM)")
    if not (PAGES / "desk.html").is_file():
        pytest.skip("the pages are not built (make web)")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own for each test, which ends without an error in its console and without a request elsewhere."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    opened = context.new_page()
    opened.set_default_timeout(WAIT_MS)
    wrong: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not expected(message):
            wrong.append(f"{message.text} ({message.location.get('url', '')})")

    opened.on("console", hear)
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda request: None if "127.0.0.1" in request.url else wrong.append(request.url))
    yield opened
    context.close()
    assert wrong == []


def expected(message: ConsoleMessage) -> bool:
    """The browser itself reports each answer of 400 and above, and each refused connection, however well handled."""
    return message.text.startswith(("Failed to load resource", "WebSocket connection to"))


@pytest.fixture
def look() -> Look:
    """Keeps a picture of the page in light and in dark, in test-output/."""

    def take(page: Page, name: str) -> None:
        OUTPUT.mkdir(exist_ok=True)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            expect(page.locator("html")).to_have_attribute("data-theme", scheme)
            page.wait_for_timeout(250)  # canvases repaint in the next frames
            page.screenshot(path=OUTPUT / f"{name}-{scheme}.png")

    return take
