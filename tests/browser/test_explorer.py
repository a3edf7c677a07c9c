"""The trace explorer in a browser, against a jaegerlite that was fed some hundred orders."""

import json
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import accessibility_problems
from tests.browser.conftest import OUTPUT, PAGES, Look
from tests.browser.sample_traces import SampleTrace, order_trace, sample_orders, send, wide_trace
from tests.ports import free_ports

ORDERS = 120
START_SECONDS_MAX = 60.0
MANY_SPANS = 10_000
SLOW_S = 120
SOUTH_US = 150_000
# 0.4 s on an idle machine; one that runs other things beside the tests gets its time.
OPEN_MS_MAX = 8_000
THEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")


@dataclass
class Backend:
    """A running jaegerlite and what was sent to it."""

    url: str
    otlp_url: str
    orders: list[SampleTrace]
    good: SampleTrace
    failed: SampleTrace
    many: SampleTrace
    rules: Path
    slow_since_ms: int


def _wait_until(what: str, is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        time.sleep(0.05)


def _rules(error_rate: float) -> str:
    """A file with one rule, about every operation."""
    return f"""
interval: 1s
rules:
  - {{name: FailedCalls, measure: error_rate, above: {error_rate}, window: 30m, for: 0s, each: operation, calls_min: 5}}
"""


OTHER_PORTS = ("OTLP_GRPC", "JAEGER_COMPACT", "JAEGER_BINARY", "JAEGER_HTTP", "ZIPKIN", "SAMPLING")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def backend(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """A jaegerlite with orders of the last ten minutes, two orders made for the tests, and a trace of many spans.

    In the last two minutes reading accounts in the south was slow.
    """
    query_port, otlp_port = free_ports(2)
    rules = tmp_path_factory.mktemp("alerts") / "rules.yaml"
    rules.write_text(_rules(error_rate=0.01))
    environment = os.environ | {
        **{f"JAEGERLITE_{name}_PORT": "0" for name in OTHER_PORTS},
        "JAEGERLITE_QUERY_PORT": str(query_port),
        "JAEGERLITE_OTLP_HTTP_PORT": str(otlp_port),
        "JAEGERLITE_DATA_DIR": str(tmp_path_factory.mktemp("jaegerlite")),
        "JAEGERLITE_UI_DIR": str(PAGES),
        "JAEGERLITE_ALERT_RULES": str(rules),
    }
    process = subprocess.Popen([sys.executable, "-m", "jaegerlite"], env=environment)
    url, otlp_url = f"http://127.0.0.1:{query_port}", f"http://127.0.0.1:{otlp_port}"
    try:
        _wait_until("jaegerlite", lambda: _answers(f"{url}/ready"))
        now_ns, rng = time.time_ns(), random.Random(1)
        good = order_trace(rng, now_ns - 3_000_000_000, failed=False)
        failed = order_trace(rng, now_ns - 2_000_000_000, failed=True)
        many = wide_trace(rng, now_ns - 60_000_000_000, MANY_SPANS)
        usual = sample_orders(7, ORDERS // 2, (SLOW_S, 600))
        orders = [*usual, *sample_orders(8, ORDERS // 2, (5, SLOW_S), SOUTH_US), good, failed]
        for trace in [*orders, many]:
            send(otlp_url, trace)
        for trace in (failed, many):
            _wait_until("the spans", lambda sent=trace: _answers(f"{url}/api/traces/{sent.trace_id}"))  # type: ignore[misc]
        yield Backend(url, otlp_url, orders, good, failed, many, rules, now_ns // 1_000_000 - SLOW_S * 1000)
    finally:
        process.terminate()
        process.wait(10)


def _slow_against_usual(backend: Backend) -> str:
    """The comparison of the time when the south was slow with the time before."""
    end_ms = backend.slow_since_ms + SLOW_S * 1000
    return f"/compare?lookback={SLOW_S}s&end={end_ms}&against=then&baseLookback=8m&baseEnd={backend.slow_since_ms}"


def _send_old(backend: Backend, rng: random.Random) -> None:
    """Sends a failed order that began before the time that searches look at, so that none of them counts it."""
    send(backend.otlp_url, order_trace(rng, time.time_ns() - 2 * 3_600_000_000_000, failed=True))


def _rows(page: Page) -> Locator:
    return page.get_by_role("treegrid", name="Spans").locator(".span-row")


def _every_page(backend: Backend, page: Page) -> Iterator[str]:
    """Opens each page in turn and gives its name."""
    page.goto(f"{backend.url}/search?service=client-gateway&limit=40")
    page.get_by_role("heading", name=f"40 of {len(backend.orders)} traces").wait_for()
    yield "search"
    page.get_by_role("button", name="Table").click()
    yield "search-table"
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    _rows(page).nth(2).click()
    yield "trace"
    page.get_by_role("tab", name="Graph", exact=True).click()
    yield "graph"
    page.get_by_role("tab", name="Flame graph").click()
    yield "flame"
    page.get_by_role("tab", name="Statistics").click()
    yield "statistics"
    page.get_by_role("tab", name="Spans").click()
    yield "spans"
    page.goto(f"{backend.url}/trace/{backend.failed.trace_id}")
    page.get_by_role("button", name="failed first").click()
    yield "findings"
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}...{backend.failed.trace_id}")
    page.get_by_role("heading", name="Comparison of two traces").wait_for()
    yield "compare"
    page.goto(f"{backend.url}/search?q=(status = error")
    page.get_by_text("a parenthesis is not closed").wait_for()
    page.get_by_text("How to write a query").click()
    yield "search-refused"
    page.goto(f"{backend.url}/search?live=1")
    page.get_by_text("Waiting for spans").wait_for()
    _send_old(backend, random.Random(3))
    page.locator(".live-spans li").first.wait_for()
    yield "live"
    page.goto(f"{backend.url}/dependencies?show=errors")
    page.get_by_role("link", name="matching-engine", exact=False).first.wait_for()
    yield "dependencies"
    page.goto(f"{backend.url}/insights")
    page.get_by_text("SELECT account", exact=True).wait_for()
    yield "insights"
    page.goto(f"{backend.url}{_slow_against_usual(backend)}")
    page.get_by_text("shard = south").wait_for()
    yield "windows"
    page.goto(f"{backend.url}/monitor")
    page.get_by_role("heading", name="order-manager").wait_for()
    yield "monitor"
    page.goto(f"{backend.url}/alerts")
    page.get_by_role("cell", name="check_balance", exact=True).wait_for()
    yield "alerts"
    page.get_by_role("button", name="Keep quiet: FailedCalls: wallet-service").click()
    yield "silence"
    page.goto(f"{backend.url}/search?service=nobody")
    page.get_by_text("No trace fits").wait_for()
    yield "nothing-found"
    page.goto(f"{backend.url}/trace/1234")
    page.get_by_text("There is no such trace").wait_for()
    yield "no-such-trace"


def test_pages_are_accessible_in_both_themes(backend: Backend, page: Page, look: Look) -> None:
    """Each page meets WCAG 2.2 AA by axe's rules in light and dark, and leaves pictures to look at."""
    problems: dict[str, list[str]] = {}
    for name in _every_page(backend, page):
        look(page, f"explorer-{name}")
        for scheme in THEMES:
            page.emulate_media(color_scheme=scheme)
            page.locator(f"html[data-theme={scheme}]").wait_for(state="attached")
            problems[f"{name} {scheme}"] = accessibility_problems(page)
    assert problems == {name: [] for name in problems}


def test_pages_fit_a_phone(backend: Backend, page: Page) -> None:
    """At a phone's width no page scrolls sideways."""
    page.set_viewport_size({"width": 390, "height": 800})
    for name in _every_page(backend, page):
        page.screenshot(path=OUTPUT / f"explorer-{name}-phone.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name


def test_search_by_tag_finds_the_failed_orders(backend: Backend, page: Page) -> None:
    """A search typed into the form finds what fits, and its address finds the same again."""
    expected = sum(any("status" in span for _, span in trace.spans) for trace in backend.orders)
    page.goto(backend.url)
    page.get_by_label("Service").select_option("wallet-service")
    page.get_by_label("Operation").select_option("check_balance")
    page.get_by_label("Tags").fill("error=true")
    page.get_by_label("At most").fill("500")
    page.get_by_role("button", name="Find traces").click()
    page.get_by_role("heading", name=f"{expected} traces").wait_for()
    page.goto(page.url)
    page.get_by_role("heading", name=f"{expected} traces").wait_for()
    assert page.locator(".results li").count() == page.locator(".results .chip.sell").count() == expected


def test_search_over_all_services_is_one_list(backend: Backend, page: Page) -> None:
    """Without a service every trace is found, newest first; how many there are stands beside how many are shown."""
    page.goto(f"{backend.url}/search?limit=5")
    total = len(backend.orders) + 1
    page.get_by_role("heading", name=f"5 of {total} traces").wait_for()
    expect(page.locator(".results li").first).to_contain_text(backend.failed.trace_id[:8])
    page.get_by_role("button", name="Show more").click()
    page.get_by_role("heading", name=f"10 of {total} traces").wait_for()
    expect(page.locator(".results li")).to_have_count(10)
    expect(page).to_have_url(re.compile("limit=10"))


def test_a_query_finds_what_forms_cannot_ask(backend: Backend, page: Page) -> None:
    """AND, OR and NOT, text in any attribute and the slowest part are asked in the form and stand in the address."""
    failed = sum(any("status" in span for _, span in trace.spans) for trace in backend.orders)
    page.goto(f"{backend.url}/search")
    page.get_by_label("Query", exact=True).fill(
        '"INSUFFICIENT funds" AND NOT (service = batch-runner OR shard = nowhere)'
    )
    page.get_by_label("At most").fill("500")
    page.get_by_label("Query", exact=True).press("Enter")
    page.get_by_role("heading", name=re.compile(rf"^{failed} traces$")).wait_for()
    page.reload()
    page.get_by_role("heading", name=re.compile(rf"^{failed} traces$")).wait_for()
    page.get_by_label("Query", exact=True).fill("service = client-gateway")
    page.get_by_label("Of those that fit").select_option("The slowest 5 %")
    page.get_by_role("button", name="Find traces").click()
    page.get_by_role("heading", name=re.compile(r"^7 traces$")).wait_for()
    expect(page.get_by_label("Query", exact=True)).to_have_value("service = client-gateway")


def test_a_wrong_query_says_where(backend: Backend, page: Page) -> None:
    """What the backend cannot read is told beneath the field, with the place marked, and can be mended there."""
    page.goto(backend.url)
    query = page.get_by_label("Query", exact=True)
    query.fill("status = error AND )")
    query.press("Enter")
    expect(page.locator(".refused-query mark")).to_have_text(")")
    expect(query).to_have_attribute("aria-invalid", "true")
    query.fill("status = error")
    query.press("Enter")
    page.get_by_role("heading", name="traces").wait_for()
    expect(query).not_to_have_attribute("aria-invalid", "true")


def test_live_spans_come_wait_and_are_filtered(backend: Backend, page: Page) -> None:
    """Following live shows what fits as it is stored, waits while paused, and narrows what is shown."""
    page.goto(f"{backend.url}/search?service=wallet-service&live=1")
    live = page.get_by_role("region", name="Live spans")
    live.get_by_text("Live", exact=True).wait_for()
    rows = page.get_by_role("list", name="Live spans, newest first").get_by_role("listitem")
    rng = random.Random(5)
    _send_old(backend, rng)
    expect(rows).to_have_count(2)
    live.get_by_label("Errors only").check()
    expect(rows).to_have_count(1)
    live.get_by_label("Errors only").uncheck()
    live.get_by_label("Filter what is shown").fill("select acc")
    expect(rows).to_have_count(1)
    live.get_by_label("Filter what is shown").fill("")
    live.get_by_role("button", name="Pause").click()
    _send_old(backend, rng)
    live.get_by_role("button", name="Go on (2 new)").wait_for()
    expect(rows).to_have_count(2)
    live.get_by_role("button", name="Go on (2 new)").click()
    expect(rows).to_have_count(4)
    rows.get_by_role("link").first.click()
    page.wait_for_url("**/trace/*")


def test_search_says_what_cannot_be_asked(backend: Backend, page: Page) -> None:
    """A duration without a unit is refused beside its field, before anything is asked."""
    page.goto(backend.url)
    page.get_by_label("Longer than").fill("5")
    page.get_by_role("button", name="Find traces").click()
    page.get_by_text("Write a number and a unit").wait_for()
    assert page.url.rstrip("/") == backend.url


def test_links_of_jaegers_ui_open_here(backend: Backend, page: Page) -> None:
    """An address as Jaeger's own UI writes it shows its search."""
    now_us = time.time_ns() // 1000
    page.goto(
        f"{backend.url}/search?end={now_us}&limit=20&lookback=1h&maxDuration&minDuration&operation=all"
        f"&service=user-service&start={now_us - 3_600_000_000}&tags=%7B%22span.kind%22%3A%22server%22%7D"
    )
    page.get_by_role("heading", name="20 of ").wait_for()
    expect(page.get_by_label("Service")).to_have_value("user-service")
    expect(page.get_by_label("Tags")).to_have_value("span.kind=server")


def test_waterfall_by_keyboard(backend: Backend, page: Page) -> None:
    """The arrow keys walk and fold the tree, Enter opens the details, and the current row is told to screen readers."""
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    grid = page.get_by_role("treegrid", name="Spans")
    grid.focus()
    _rows(page).first.wait_for()
    all_rows = _rows(page).count()
    assert all_rows == len(backend.good.spans)
    page.keyboard.press("ArrowDown")
    expect(grid).to_have_attribute("aria-activedescendant", "span-1")
    page.keyboard.press("[")
    expect(_rows(page)).to_have_count(1)
    expect(grid).to_have_attribute("aria-activedescendant", "span-0")
    page.keyboard.press("]")
    expect(_rows(page)).to_have_count(all_rows)
    page.keyboard.press("Enter")
    page.locator(".span-detail").get_by_text("http.route").wait_for()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()


def test_find_marks_and_goes_to_spans(backend: Backend, page: Page) -> None:
    """Finding marks every span that fits, goes through them, and stands in the address."""
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    _rows(page).first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("wallet-service")
    page.get_by_text("of 3").wait_for()
    expect(page.locator(".span-row.match")).to_have_count(3)
    page.keyboard.press("Enter")
    page.get_by_text("1 of 3").wait_for()
    expect(page).to_have_url(re.compile("uiFind=wallet-service"))


def test_deep_link_opens_its_span(backend: Backend, page: Page) -> None:
    """A link to a span deep in a large trace opens the trace at that span, with its details."""
    span_id = backend.many.spans[8_765][1]["spanId"]
    page.goto(f"{backend.url}/trace/{backend.many.trace_id}?uiFind={span_id}")
    page.locator(".span-detail").get_by_text(span_id).wait_for()
    expect(page.locator(".span-detail")).to_be_visible()


def test_finding_leads_to_its_spans(backend: Backend, page: Page) -> None:
    """What the backend has found stands on top of the trace; choosing it shows the waterfall with its spans marked."""
    page.goto(f"{backend.url}/trace/{backend.failed.trace_id}")
    page.get_by_role("tab", name="Statistics").click()
    page.get_by_role("button", name="wallet-service check_balance failed first (insufficient funds)").click()
    expect(page.locator(".span-row.match")).to_have_count(2)
    expect(page.get_by_role("row", name=re.compile("part of a finding"))).to_have_count(2)
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    page.get_by_text("Nothing stands out").wait_for()


def test_graph_leads_to_spans_by_keyboard(backend: Backend, page: Page) -> None:
    """Boxes and arrows of a trace's graph take the focus, say what they are, and show their spans."""
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    _rows(page).first.wait_for()
    page.keyboard.press("2")
    page.wait_for_url("**/trace/*?view=graph")
    page.reload()
    graph = page.get_by_role("group", name="Graph of the trace")
    box = graph.get_by_role("link", name=re.compile("^create_order order-manager .*on the critical path$"))
    box.focus()
    page.keyboard.press("Tab")
    arrow = graph.get_by_role("link", name=re.compile("^order-manager: create_order calls order-manager: "))
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") in [
        one.get_attribute("aria-label") for one in arrow.all()
    ]
    page.keyboard.press("Enter")
    expect(page.locator(".span-row.match")).to_have_count(1)
    expect(page).to_have_url(f"{backend.url}/trace/{backend.good.trace_id}")


def test_spans_as_a_table(backend: Backend, page: Page) -> None:
    """10,000 spans sort and filter in a table; only what is in sight is in the page, and the address keeps it all."""
    page.goto(f"{backend.url}/trace/{backend.many.trace_id}?view=table")
    grid = page.get_by_role("grid", name="Table of the spans")
    lines = grid.locator(".span-lines .span-line")
    expect(page.get_by_text("10,000 spans", exact=True)).to_be_visible()
    grid.get_by_role("button", name="Duration").click()
    expect(lines.first).to_contain_text("nightly batch")
    page.get_by_label("Operation has").fill("SLICE")
    expect(page.get_by_text("100 of 10,000 spans")).to_be_visible()
    page.get_by_label("Took at least").fill("1ms")
    page.get_by_label("Service", exact=True).select_option("batch-runner")
    page.wait_for_url("**&service=batch-runner")
    page.reload()
    expect(page.get_by_text("100 of 10,000 spans")).to_be_visible()
    page.get_by_label("Failed only").check()
    page.get_by_text("No span fits").wait_for()
    page.get_by_label("Failed only").uncheck()
    page.get_by_label("Operation has").fill("")
    page.get_by_label("Took at least").fill("")
    page.get_by_label("Service", exact=True).select_option("")
    expect(page.get_by_text("10,000 spans", exact=True)).to_be_visible()
    grid.focus()
    page.keyboard.press("End")
    last = grid.locator(f"#row-{MANY_SPANS - 1}")
    expect(last).to_have_attribute("aria-selected", "true")
    assert lines.count() < 100
    span_id = last.locator("code").inner_text()
    page.keyboard.press("Enter")
    page.locator(".span-detail").get_by_text(span_id).wait_for()


def test_minimap_drag_zooms(backend: Backend, page: Page) -> None:
    """Dragging over the right half of the minimap shows the second half of the time; 0 shows all again."""
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    _rows(page).first.wait_for()
    box = page.locator(".minimap-picture").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 1, box["y"] + 30, steps=5)
    page.mouse.up()
    page.get_by_text("Shows ").wait_for()
    expect(page.locator(".span-row").first.locator(".bar")).to_have_count(0)
    page.keyboard.press("0")
    page.get_by_text("Drag over the picture").wait_for()
    expect(page.locator(".span-row").first.locator(".bar")).to_have_count(1)


def test_downloaded_trace_opens_again(backend: Backend, page: Page, tmp_path: Path) -> None:
    """A trace saved as JSON opens from its file, also where no backend has it; a file that is none is refused."""
    page.goto(f"{backend.url}/trace/{backend.good.trace_id}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download JSON").click()
    text = Path(download.value.path()).read_text()
    file = tmp_path / "trace.json"
    file.write_text(text.replace(backend.good.trace_id, "00000000000000ab"))
    page.goto(f"{backend.url}/search")
    page.locator("input[type=file]").set_input_files(file)
    page.wait_for_url("**/trace/00000000000000ab")
    _rows(page).first.wait_for()
    assert page.get_by_role("button", name="Archive").count() == 0
    assert _rows(page).count() == len(json.loads(text)["data"][0]["spans"])
    page.goto(f"{backend.url}/search")
    file.write_text("[]")
    page.locator("input[type=file]").set_input_files(file)
    page.get_by_text("the file holds no trace").wait_for()


def test_archived_trace_is_kept(backend: Backend, page: Page) -> None:
    """The button on a trace puts it into the archive, and the trace shows the mark whenever it is opened again."""
    kept = f"{backend.url}/api/archive/{backend.failed.trace_id}"
    assert page.request.get(kept).status == 404
    page.goto(f"{backend.url}/trace/{backend.failed.trace_id}")
    page.get_by_role("button", name="Archive").click()
    page.get_by_role("button", name="✓ Archived").wait_for()
    assert len(page.request.get(kept).json()["data"][0]["spans"]) == len(backend.failed.spans)
    page.reload()
    page.get_by_role("button", name="✓ Archived").wait_for()


def test_two_chosen_traces_are_compared(backend: Backend, page: Page) -> None:
    """Two traces chosen in the results stand side by side, with what only one of them did."""
    page.goto(f"{backend.url}/search?traceID={backend.good.trace_id}&traceID={backend.failed.trace_id}")
    page.get_by_role("heading", name="2 traces").wait_for()
    for box in page.get_by_role("checkbox", name="Compare trace").all():
        box.check()
    page.get_by_role("button", name="Compare 2 of 2").click()
    page.get_by_role("heading", name="Comparison of two traces").wait_for()
    expect(page.get_by_role("row", name="matching-engine match_order").get_by_text("only in B")).to_be_visible()


def test_map_leads_to_traces(backend: Backend, page: Page) -> None:
    """The map tells rates, errors and durations; a service leads to its traces, a call to its own."""
    failed = sum(any("status" in span for _, span in trace.spans) for trace in backend.orders)
    page.goto(f"{backend.url}/dependencies?lookback=30m")
    calls = page.get_by_role("row", name=re.compile("client-gateway wallet-service"))
    expect(calls).to_contain_text("%")
    page.get_by_role("group", name="Arrows show").get_by_role("button", name="Errors").click()
    expect(page.locator(".arrow-figure.failing").first).to_contain_text("%")
    expect(page).to_have_url(re.compile("show=errors"))
    calls.get_by_role("link", name="Failed traces of client-gateway calling wallet-service").click()
    page.wait_for_url("**/search?q=trace.service*service=wallet-service*")
    page.get_by_label("At most").fill("500")
    page.get_by_role("button", name="Find traces").click()
    page.get_by_role("heading", name=re.compile(r"^\d+ traces$")).wait_for()
    assert page.locator(".results li").count() == page.locator(".results .chip.sell").count() >= failed
    page.go_back()
    page.go_back()
    page.get_by_role("link", name=re.compile("^reporting")).click()
    page.wait_for_url("**/search?service=reporting*lookback=30m*")
    page.get_by_role("heading", name="20 of ").wait_for()


def test_arrows_of_the_map_are_reached_by_keyboard(backend: Backend, page: Page) -> None:
    """An arrow follows the box that it leaves, says its figures, and leads to its traces as a click on it does."""
    page.goto(f"{backend.url}/dependencies?lookback=30m")
    picture = page.get_by_role("group", name="Map of the services")
    picture.get_by_role("link", name=re.compile(r"^matching-engine \d")).focus()
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert re.match(r"matching-engine calls [\w-]+: [\d.]+/s · \d", focused), focused
    page.keyboard.press("Enter")
    page.wait_for_url("**/search?q=trace.service*matching-engine*")
    page.get_by_role("heading", name=re.compile(r"^20 of \d+ traces$")).wait_for()


def test_insights_lead_to_examples(backend: Backend, page: Page) -> None:
    """What costs most time in total stands first, and leads to a trace that shows it."""
    page.goto(f"{backend.url}/insights")
    first = page.get_by_role("region", name="What costs most time").get_by_role("listitem").first
    expect(first).to_contain_text("SELECT account")
    expect(first).to_contain_text("Slow query")
    first.get_by_role("link").first.click()
    page.get_by_role("button", name=re.compile("wallet-service waited")).wait_for()


def test_windows_are_compared(backend: Backend, page: Page) -> None:
    """Two windows show what got slower, by how much, and what the slow ones share; that leads to them."""
    page.goto(f"{backend.url}{_slow_against_usual(backend)}")
    where = page.get_by_role("region", name="Operations of the sampled traces")
    expect(where.get_by_role("row").nth(1)).to_contain_text("SELECT account")
    page.get_by_label("Against").select_option("the time before it")
    page.wait_for_url("**against=before")
    page.go_back()
    page.goto(f"{backend.url}{_slow_against_usual(backend)}")
    page.get_by_role("link", name="shard = south").click()
    page.wait_for_url("**/search?service=wallet-service&operation=SELECT*")
    page.get_by_role("heading", name="traces").wait_for()
    expect(page.get_by_label("Tags")).to_have_value("shard=south")
    expect(page.get_by_label("Of those that fit")).to_have_value("longest")


def test_peak_in_the_monitor_leads_to_its_traces(backend: Backend, page: Page) -> None:
    """From a service to its operations, and from the peak of their errors to the failed traces of that minute."""
    page.goto(f"{backend.url}/monitor?lookback=30m")
    page.get_by_role("region", name="client-gateway").get_by_role("link", name="client-gateway").click()
    page.wait_for_url("**/monitor?service=client-gateway&lookback=30m")
    expect(page.get_by_role("region", name="wallet-service")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^Errors: traces of the peak")).click()
    page.wait_for_url("**/search?service=client-gateway&operation=POST*")
    page.get_by_role("heading", name=re.compile(r"^[1-9]\d* traces?$")).wait_for()
    assert page.locator(".results li").count() == page.locator(".results .chip.sell").count()


def test_alert_is_looked_into_kept_quiet_and_ends(backend: Backend, page: Page) -> None:
    """An alert leads to a trace that shows it, can be kept quiet, and stands in the history once it is over."""
    page.goto(f"{backend.url}/alerts")
    now = page.get_by_role("region", name="Alerts now")
    alert = now.get_by_role("row").filter(has_text="check_balance")
    alert.get_by_role("link").first.click()
    page.get_by_role("button", name="failed first").wait_for()
    page.go_back()
    alert.get_by_role("button", name="Keep quiet").click()
    page.get_by_label("Why").fill("being mended")
    page.get_by_role("dialog").get_by_role("button", name="Keep quiet").click()
    expect(alert.get_by_text("firing, silenced")).to_be_visible()
    quiet = page.get_by_role("row").filter(has_text="being mended")
    quiet.get_by_role("button", name="End the silence").click()
    expect(quiet).to_have_count(0)
    backend.rules.write_text(_rules(error_rate=0.9))
    _wait_until("the end of the alerts", lambda: not page.request.get(f"{backend.url}/api/alerts").json()["alerts"])
    page.get_by_role("button", name="Refresh").click()
    page.get_by_role("region", name="Alerts that are over").get_by_text("check_balance").wait_for()
    expect(now).to_have_count(0)


def test_many_spans_open_soon_and_few_are_in_the_page(backend: Backend, page: Page) -> None:
    """10,000 spans stand in the page soon after their answer came, and only those in sight are in it."""
    page.goto(f"{backend.url}/trace/{backend.many.trace_id}")
    _rows(page).first.wait_for()
    took_ms = page.evaluate(
        "performance.now() - performance.getEntriesByType('resource')"
        ".find((one) => one.name.includes('/api/')).responseEnd"
    )
    assert took_ms < OPEN_MS_MAX
    page.locator(".waterfall-rows").evaluate("(frame) => { frame.scrollTop = frame.scrollHeight }")
    page.locator(f"#span-{MANY_SPANS - 1}").wait_for()
    assert _rows(page).count() < 100


def test_unknown_trace_leads_on(backend: Backend, page: Page) -> None:
    """A trace that is not there, and an id that is none, say so and lead back to the search."""
    page.goto(f"{backend.url}/trace/1234")
    page.get_by_text("There is no such trace").wait_for()
    page.goto(f"{backend.url}/trace/order-1")
    page.get_by_text("a trace id has 1 to 32 hexadecimal digits").wait_for()
    page.get_by_role("link", name="Search", exact=True).last.click()
    page.wait_for_url("**/search")
