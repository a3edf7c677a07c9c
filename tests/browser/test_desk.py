"""The trading desk in a browser, on the whole exchange: sign in, trade, see it move, see why, lose the connection."""

import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.axe import accessibility_problems
from tests.browser.conftest import PAGES, Look
from tests.e2e.exchange import ADMIN, Exchange, User, eventually, running_exchange

PASSWORD = "correct horse"
FIRST_LOAD_BYTES_MAX = 300_000


@pytest.fixture(scope="module")
def exchange(browser: Browser) -> Iterator[Exchange]:
    """An exchange for the tests of this module; the browser comes first, because without one nothing is started."""
    folder = Path(tempfile.mkdtemp(prefix="outcry-desk-"))
    folder.chmod(0o755)
    with running_exchange(folder / "home", WEB_DIR=str(PAGES), **ADMIN) as running:
        yield running
    shutil.rmtree(folder)


@pytest.fixture
def trader(exchange: Exchange) -> User:
    """Somebody with money and some shares."""
    return exchange.user(cash=20_000, AAPL=50)


def open_desk(page: Page, exchange: Exchange, symbol: str = "AAPL") -> None:
    page.goto(exchange.url)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile(f"^{symbol}")).click()


def sign_in(page: Page, exchange: Exchange, user: User, symbol: str = "AAPL") -> None:
    open_desk(page, exchange, symbol)
    page.get_by_label("User name").fill(user.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Password").press("Enter")
    expect(page.get_by_role("heading", name=f"Order · {symbol}")).to_be_visible()


def write_order(page: Page, quantity: str, price: str = "", side: str = "Buy") -> Locator:
    """Fills the ticket in and gives its button."""
    page.get_by_role("radio", name=side).check(force=True)
    page.get_by_label("Shares", exact=True).fill(quantity)
    if price:
        page.get_by_label("Limit price").fill(price)
    return page.locator(".ticket button[type=submit]")


def open_tab(page: Page, name: str) -> Locator:
    page.get_by_role("tab", name=re.compile(f"^{name}")).click()
    return page.locator(".account .tab-panel")


def test_a_newcomer_registers_pays_in_and_trades(page: Page, exchange: Exchange) -> None:
    """From nothing to a filled order, with the balances moving by what was traded."""
    exchange.user(MSFT=10).placed(symbol="MSFT", side="SELL", quantity=10, price="420.50")
    open_desk(page, exchange, "MSFT")
    page.get_by_role("tab", name="Register").click()
    page.get_by_label("User name").fill(f"new_{secrets.token_hex(6)}")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Register").click()
    cash = open_tab(page, "Cash")
    page.get_by_label("Amount").fill("5000")
    page.get_by_role("button", name="Pay in").click()
    expect(cash.get_by_role("row", name=re.compile("^USD"))).to_contain_text("$5,000.00")
    page.get_by_role("button", name=re.compile("^ask 420.50")).click()
    expect(page.get_by_label("Limit price")).to_have_value("420.50")
    button = write_order(page, "4")
    expect(page.locator(".cost")).to_contain_text("$1,682.00")
    expect(page.locator(".cost")).to_contain_text("4 at $420.50")
    button.click()
    expect(page.locator(".placed")).to_contain_text("Order filled, 4 at $420.50")
    expect(cash.get_by_role("row", name=re.compile("^USD"))).to_contain_text("$3,318.00")
    expect(open_tab(page, "Positions").get_by_role("row", name=re.compile("^MSFT"))).to_contain_text("$1,682.00")
    expect(open_tab(page, "Fills").get_by_role("row", name=re.compile("MSFT"))).to_contain_text("taker")
    expect(page.locator(".tape")).to_contain_text("420.50")


def test_an_order_waits_and_is_cancelled(page: Page, exchange: Exchange, trader: User) -> None:
    """A resting order shows in the list and in the ladder, holds its cost, and gives it back when cancelled."""
    sign_in(page, exchange, trader)
    write_order(page, "10", "145").click()
    orders = open_tab(page, "Open orders")
    expect(orders.get_by_role("row", name=re.compile("AAPL"))).to_contain_text("0 / 10")
    expect(page.get_by_role("button", name=re.compile(r"^bid 145\.00.*you have an order here"))).to_be_visible()
    expect(open_tab(page, "Cash").get_by_role("row", name=re.compile("^USD"))).to_contain_text("$1,450.00")
    open_tab(page, "Open orders").get_by_role("button", name=re.compile("^Cancel")).click()
    expect(orders).to_contain_text("No open orders")
    expect(open_tab(page, "Cash").get_by_role("row", name=re.compile("^USD"))).to_contain_text("$0.00")
    expect(open_tab(page, "History")).to_contain_text("cancelled")


def test_an_open_order_is_amended(page: Page, exchange: Exchange, trader: User) -> None:
    """A new price and quantity show in the list and in what is held; a refusal stands in the dialog."""
    trader.placed(quantity=10, price=145)
    sign_in(page, exchange, trader)
    orders = open_tab(page, "Open orders")
    orders.get_by_role("button", name=re.compile("^Amend")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Shares in all").fill("1000000")
    dialog.get_by_role("button", name="Amend").click()
    expect(dialog.get_by_role("alert")).to_be_visible()
    dialog.get_by_label("Shares in all").fill("12")
    dialog.get_by_label("New limit price").fill("144.50")
    assert accessibility_problems(page) == []
    dialog.get_by_role("button", name="Amend").click()
    expect(orders.get_by_role("row", name=re.compile("AAPL"))).to_contain_text("0 / 12")
    expect(orders).to_contain_text("144.50")
    expect(open_tab(page, "Cash").get_by_role("row", name=re.compile("^USD"))).to_contain_text("$1,734.00")


def test_stops_wait_linked_and_end_together(page: Page, exchange: Exchange, trader: User) -> None:
    """A stop shows its trigger, can be linked to another order, and one press cancels everything."""
    trader.placed(symbol="AAPL", side="SELL", quantity=5, price=170)
    sign_in(page, exchange, trader)
    expect(open_tab(page, "Open orders")).to_contain_text("170.00")
    page.get_by_label("Type").select_option("STOP")
    page.get_by_label("Stop price").fill("120")
    page.get_by_text("More options").click()
    page.get_by_label("One cancels the other").select_option(index=1)
    write_order(page, "5", side="Sell").click()
    orders = open_tab(page, "Open orders")
    expect(orders).to_contain_text("stop 120.00")
    linked = [order["linked_order_id"] for order in trader.get("/v1/orders", status="OPEN")["orders"]]
    assert sum(one is not None for one in linked) >= 1
    orders.get_by_role("button", name=re.compile("^Cancel all")).click()
    expect(orders).to_contain_text("No open orders")


def test_a_halt_shows_and_stops_the_ticket(page: Page, exchange: Exchange, trader: User) -> None:
    """A halted symbol says so in the book, takes no order, and goes on by itself when it resumes."""
    sign_in(page, exchange, trader, "AMZN")
    button = write_order(page, "1", "170")
    expect(button).to_be_enabled()
    halt = exchange.admin.http.post("/admin/symbols/AMZN/session", json={"session": "HALTED"})
    assert halt.status_code == 200, halt.text
    expect(page.locator(".book header")).to_contain_text("halted")
    expect(page.locator(".cost")).to_contain_text("orders can only be cancelled")
    expect(button).to_be_disabled()
    resume = exchange.admin.http.post("/admin/symbols/AMZN/session", json={"session": "CONTINUOUS"})
    assert resume.status_code == 200, resume.text
    expect(button).to_be_enabled()


def open_exchange(page: Page, exchange: Exchange) -> Locator:
    """Signs the administrator in and opens their page; gives the panel of its tabs."""
    open_desk(page, exchange, "META")
    page.get_by_label("User name").fill(exchange.admin.name)
    page.get_by_label("Password").fill(ADMIN["ADMIN_PASSWORD"])
    page.get_by_label("Password").press("Enter")
    page.get_by_role("link", name="Exchange").click()
    return page.locator(".exchange .tab-panel")


def look_through(page: Page, look: Look, name: str) -> None:
    """Leaves pictures, and finds nothing against the rules of accessibility, nor anything wider than a phone."""
    look(page, name)
    assert accessibility_problems(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    look(page, f"{name}-phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
    page.set_viewport_size({"width": 1440, "height": 900})


def wait_for_session(exchange: Exchange, symbol: str, session: str) -> None:
    """Until the book of a symbol, which hears of it from the engine's events, tells this session."""
    book = f"/marketdata/orderBook/L2?symbol={symbol}"
    assert eventually(lambda: exchange.http.get(book).json()["session"], lambda told: told == session) == session


def test_an_administrator_halts_and_resumes(page: Page, exchange: Exchange, look: Look) -> None:
    """Administrators see the services' health, turn sessions, switch faults, find what they did; nobody else does."""
    panel = open_exchange(page, exchange)
    expect(panel).to_contain_text("matching-engine: ok")
    page.get_by_role("tab", name="Sessions").click()
    for session in ("HALTED", "CONTINUOUS"):
        page.get_by_label("Session of META", exact=True).select_option(session)
        page.get_by_role("button", name="Set the session of META").click()
        expect(page.locator(".toasts")).to_contain_text(f"META is {session.lower()} now")
        expect(page.get_by_role("button", name="Set the session of META")).to_be_disabled()
        wait_for_session(exchange, "META", session)
    look_through(page, look, "desk-exchange-sessions")
    page.get_by_role("tab", name="Faults").click()
    fault = panel.get_by_role("button", name="Fault slow consumer")
    for pressed, told in (("true", "slow consumer is on."), ("false", "slow consumer is off.")):
        fault.click()
        expect(page.locator(".toasts")).to_contain_text(told)
        expect(fault).to_have_attribute("aria-pressed", pressed)
    page.get_by_role("tab", name="Record").click()
    expect(panel.get_by_role("row", name=re.compile("META.*HALTED"))).to_be_visible()
    look_through(page, look, "desk-exchange-record")
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, exchange, exchange.user(), "META")
    expect(page.get_by_role("link", name="Exchange")).to_have_count(0)


def test_an_administrator_limits_and_blocks(page: Page, exchange: Exchange, trader: User, look: Look) -> None:
    """Limits, a firm and the kill switch are set from the user's dialog and act on the user's next order."""
    panel = open_exchange(page, exchange)
    page.get_by_role("tab", name="Firms").click()
    firm = f"Firm {secrets.token_hex(4)}"
    page.get_by_label("Name of a new firm").fill(firm)
    page.get_by_role("button", name="Make a firm").click()
    expect(panel.get_by_role("row", name=firm)).to_contain_text("may trade")
    page.get_by_role("tab", name="Users and limits").click()
    page.get_by_label("Find users by name").fill(trader.name)
    look_through(page, look, "desk-exchange-users")
    page.get_by_role("button", name=f"Limits, role, block: {trader.name}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Shares of an order").fill("5")
    dialog.get_by_role("button", name="Set limits").click()
    expect(page.locator(".toasts")).to_contain_text(f"Limits of {trader.name} are set")
    expect(dialog.get_by_role("button", name="Set limits")).to_be_disabled()
    assert trader.order(quantity=6, price=145).json()["code"] == "order_quantity_limit"
    dialog.get_by_label("Firm").select_option(firm)
    expect(page.locator(".toasts")).to_contain_text(f"{trader.name} belongs to {firm}")
    trader.placed(quantity=5, price=145)
    dialog.get_by_role("button", name="Block").click()
    expect(dialog.get_by_text("blocked", exact=True)).to_be_visible()
    assert trader.order(quantity=1, price=145).json()["code"] == "account_blocked"
    assert eventually(lambda: trader.get("/v1/orders", status="OPEN")["orders"], lambda open_ones: not open_ones) == []
    look_through(page, look, "desk-exchange-user")
    dialog.get_by_role("button", name="Let in again").click()
    expect(dialog.get_by_text("may trade", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Firms").click()
    expect(panel.get_by_role("row", name=firm)).to_contain_text("1")
    page.get_by_role("tab", name="Record").click()
    page.get_by_role("button", name="Risk controls").click()
    expect(panel.get_by_role("row", name=re.compile(f"order quantity account {trader.user_id} .*5"))).to_be_visible()


def test_business_figures_are_shown(page: Page, exchange: Exchange, look: Look) -> None:
    """Orders by outcome, value and open orders stand on the page, and follow what is traded."""
    maker = exchange.user(GOOGL=3)
    maker.placed(symbol="GOOGL", side="SELL", quantity=3, price=170)
    panel = open_exchange(page, exchange)
    traded = panel.get_by_role("region", name="Business by symbol").get_by_role("row", name=re.compile("^GOOGL"))
    expect(traded).to_contain_text("1")
    exchange.user(cash=1_000).placed(symbol="GOOGL", quantity=3, price=170)
    expect(traded).to_contain_text("$510.00", timeout=30_000)
    expect(panel).to_contain_text("Success rate")
    look_through(page, look, "desk-exchange")


def test_a_resting_order_is_filled_by_somebody_else(page: Page, exchange: Exchange, trader: User) -> None:
    """The desk tells of a fill by itself, and its lists follow without a reload."""
    sign_in(page, exchange, trader)
    write_order(page, "5", "151", "Sell").click()
    expect(open_tab(page, "Open orders")).to_contain_text("0 / 5")
    exchange.user(cash=10_000).placed(quantity=5, price=151)
    expect(page.locator(".toasts")).to_contain_text("You sold 5 AAPL at $151.00.")
    expect(open_tab(page, "Open orders")).to_contain_text("No open orders")
    expect(open_tab(page, "Notifications")).to_contain_text("You sold 5 AAPL at $151.00.")
    page.locator(".account").get_by_role("button", name=re.compile("^Its way")).first.click()
    expect(page.get_by_role("dialog")).to_contain_text("filled by orders that came later")


def test_an_order_tells_its_way(page: Page, exchange: Exchange, trader: User, look: Look) -> None:
    """One click from the answer opens the story, with its figures, the waterfall and the way into the explorer."""
    exchange.user(AAPL=10).placed(side="SELL", quantity=10, price="149.50")
    sign_in(page, exchange, trader)
    write_order(page, "10", "150").click()
    page.locator(".placed").get_by_role("button", name="Its way").click()
    story = page.get_by_role("list", name="Story")
    for told in ("held $1,500.00 in", "passed 9 limits in", "matched 1 resting order in", "answered you after"):
        expect(story).to_contain_text(told)
    expect(story).to_contain_text(re.compile("settled .* (later|before you had your answer)"))
    expect(page.get_by_role("region", name="Waterfall")).to_contain_text("INSERT journal")
    link = page.get_by_role("link", name="Open in the explorer").get_attribute("href") or ""
    assert re.fullmatch(rf"http://localhost:{exchange.ports['JAEGERLITE_QUERY_PORT']}/trace/[0-9a-f]{{32}}", link)
    expect(page.get_by_role("dialog")).not_to_contain_text("more may arrive")
    look(page, "desk-story")
    assert accessibility_problems(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_refusal_tells_its_way_too(page: Page, exchange: Exchange, trader: User) -> None:
    """What the exchange refuses shows the sentence, and one click on shows which step said no."""
    sign_in(page, exchange, trader)
    write_order(page, "1", "1").click()
    page.get_by_role("alert").get_by_role("button", name="What happened").click()
    expect(page.get_by_role("list", name="Story")).to_contain_text("stopped by a limit (price collar")


def test_what_cannot_be_placed_says_why(page: Page, exchange: Exchange, trader: User) -> None:
    """Too little cash, a price off the tick, more shares than there are: the reason stands beside the button."""
    sign_in(page, exchange, trader)
    button = write_order(page, "1000", "150")
    expect(page.locator(".cost")).to_contain_text("This needs $150,000.00; $20,000.00 is available.")
    expect(button).to_be_disabled()
    write_order(page, "1", "150.001")
    expect(page.get_by_text("A multiple of 0.01.")).to_be_visible()
    write_order(page, "51", "150", "Sell")
    expect(page.locator(".cost")).to_contain_text("You can sell 50 AAPL at most")
    expect(button).to_be_disabled()


def test_a_market_order_needs_no_price(page: Page, exchange: Exchange, trader: User) -> None:
    """A market order trades at once; what it may cost at most stands there before."""
    exchange.user(TSLA=3).placed(symbol="TSLA", side="SELL", quantity=3, price="250")
    sign_in(page, exchange, trader, "TSLA")
    expect(page.get_by_role("button", name=re.compile("^ask 250.00"))).to_be_visible()
    page.get_by_label("Type").select_option("MARKET")
    button = write_order(page, "3")
    expect(page.locator(".cost")).to_contain_text("$787.50")
    button.click()
    expect(page.locator(".placed")).to_contain_text("Order filled, 3 at $250.00")


def test_a_lost_connection_shows_and_heals(page: Page, exchange: Exchange, trader: User) -> None:
    """After the gateway was killed the desk says so, comes back by itself and misses nothing of the book."""
    sign_in(page, exchange, trader, "NVDA")
    exchange.kill("client-gateway")
    expect(page.get_by_text("Connection lost. Trying again…")).to_be_visible()
    assert eventually(exchange.ready, bool, 30)
    trader.placed(symbol="NVDA", quantity=7, price="128.80")
    expect(page.get_by_text("Live", exact=True)).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name=re.compile(r"^bid 128\.80\W+7\W+shares"))).to_be_visible()
    expect(open_tab(page, "Open orders").get_by_role("row", name=re.compile("NVDA"))).to_contain_text("0 / 7")
    trader.placed(symbol="NVDA", quantity=3, price="128.80")
    expect(page.get_by_role("button", name=re.compile(r"^bid 128\.80\W+10\W+shares"))).to_be_visible()


def test_the_keyboard_is_enough(page: Page, exchange: Exchange, trader: User) -> None:
    """An order goes from the skip link to the book without a pointer; arrows move in tabs and in the ladder."""
    trader.placed(symbol="AAPL", quantity=1, price="144")
    sign_in(page, exchange, trader)
    page.keyboard.press("Control+Home")
    page.locator("a.skip").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#ticket")).to_be_focused()
    shares = page.get_by_label("Shares", exact=True)
    for _ in range(12):
        page.keyboard.press("Tab")
        if shares.evaluate("element => element === document.activeElement"):
            break
    page.keyboard.type("2")
    page.keyboard.press("Tab")
    page.keyboard.type("143")
    page.keyboard.press("Enter")
    expect(page.locator(".placed")).to_contain_text("Order open")
    page.get_by_role("tab", name=re.compile("^Open orders")).focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Positions")).to_be_focused()
    page.locator(".level.bid").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Limit price")).to_have_value(re.compile(r"14\d\.00"))


def test_a_session_survives_a_reload_and_ends_with_sign_out(page: Page, exchange: Exchange, trader: User) -> None:
    """A reload stays signed in; signing out ends the token at the exchange, and nothing of the account stays."""
    sign_in(page, exchange, trader)
    token = page.evaluate("sessionStorage.getItem('outcry.token')")
    page.reload()
    expect(page.get_by_role("heading", name="Order · AAPL")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("Nobody is signed in")).to_be_visible()
    answer = eventually(
        lambda: exchange.http.get("/auth/me", headers={"Authorization": f"Bearer {token}"}),
        lambda found: found.status_code == 401,
    )
    assert answer.json()["code"] == "token_revoked"


def test_a_wrong_password_says_so(page: Page, exchange: Exchange, trader: User) -> None:
    """The sentence of the exchange stands in the form, and the form can be sent again."""
    open_desk(page, exchange)
    page.get_by_label("User name").fill(trader.name)
    page.get_by_label("Password").fill("wrong password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_enabled()


def test_the_first_load_is_small(page: Page, exchange: Exchange) -> None:
    """All files of the first load together, as they travel, are below 300 KB."""
    open_desk(page, exchange)
    loaded = page.evaluate("performance.getEntriesByType('resource').map(one => [one.name, one.encodedBodySize])")
    sizes = [size for name, size in loaded if "/assets/" in name]
    assert len(sizes) >= 3
    assert 0 < sum(sizes) < FIRST_LOAD_BYTES_MAX


def test_the_switch_of_colours_stays(page: Page, exchange: Exchange) -> None:
    """What the reader chose is kept over a reload, whatever the system wishes."""
    page.emulate_media(color_scheme="light")
    open_desk(page, exchange)
    page.get_by_role("button", name="Switch to dark colours").click()
    page.reload()
    expect(page.get_by_role("button", name="Switch to light colours")).to_be_visible()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def busy_market(exchange: Exchange) -> None:
    """Some trades and levels, so that there is something to see."""
    maker, taker = exchange.user(cash=2_000_000, AAPL=5000), exchange.user(cash=200_000)
    for step in range(8):
        maker.placed(side="SELL", quantity=20 + 13 * step % 70, price=f"{152 + step * 0.05:.2f}")
        maker.placed(side="BUY", quantity=15 + 17 * step % 80, price=f"{149.4 - step * 0.05:.2f}")
    for _ in range(5):
        taker.placed(order_type="MARKET", price=None, quantity=7)


TABS = ("Open orders", "Positions", "Fills", "History", "Cash", "Notifications")


def test_every_page_is_accessible_in_both_themes(page: Page, exchange: Exchange, trader: User, look: Look) -> None:
    """axe finds nothing against WCAG 2.2 A and AA: signed out and in, in each tab, in light and in dark."""
    busy_market(exchange)
    open_desk(page, exchange)
    look(page, "desk-signed-out")
    assert accessibility_problems(page) == []
    sign_in(page, exchange, trader)
    write_order(page, "10", "145").click()
    expect(page.locator(".placed")).to_be_visible()
    write_order(page, "3", "153").click()
    expect(page.locator(".placed")).to_contain_text("filled")
    for tab in TABS:
        open_tab(page, tab)
        expect(page.locator(".account .skeleton")).to_have_count(0)
        look(page, f"desk-{tab.lower().replace(' ', '-')}")
        assert accessibility_problems(page) == [], f"{tab}, dark"
        if tab in ("Positions", "Cash"):  # all colours there are; the other tabs take theirs from the same names
            page.emulate_media(color_scheme="light", reduced_motion="reduce")
            assert accessibility_problems(page) == [], f"{tab}, light"


@pytest.mark.parametrize("width", [360, 768, 2200])
def test_it_fits_every_width(page: Page, exchange: Exchange, trader: User, look: Look, width: int) -> None:
    """From a phone to a wide screen the page never scrolls sideways."""
    page.set_viewport_size({"width": width, "height": 900})
    sign_in(page, exchange, trader)
    expect(page.locator(".ladder, .book .empty")).to_be_visible()
    expect(page.locator(".account .empty")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    look(page, f"desk-{width}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
