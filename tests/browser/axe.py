"""Accessibility by the rules of axe-core, which is installed with the libraries of `web/`."""

from typing import Final

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PROJECT

AXE: Final = PROJECT / "web" / "node_modules" / "axe-core" / "axe.min.js"
RUN: Final = """async () => (await axe.run(document, {
    runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
})).violations.map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`)"""


def accessibility_problems(page: Page) -> list[str]:
    """What breaks WCAG 2.2 A or AA on the page as it is: the rule, and the first element that breaks it."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed (npm ci in web/)")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return [str(one) for one in page.evaluate(RUN)]
