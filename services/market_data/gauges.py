"""Best prices and sessions as figures: read off the books whenever somebody asks for figures."""

from prometheus_client import Gauge

from services.market_data.view import MarketView
from shared.contracts.codes import Session
from shared.contracts.money import MONEY_SCALE

BEST_PRICE = Gauge("outcry_best_price_dollars", "Best price of a side of the book", ["symbol", "side"])
SESSION = Gauge("outcry_session", "1 for the session that a symbol is in", ["symbol", "session"])


def show(view: MarketView) -> None:
    """Sets the gauges to what the books are now. An empty side has no price; a book in doubt shows nothing."""
    BEST_PRICE.clear()
    SESSION.clear()
    for symbol, book in view.books.items():
        if symbol in view.faulty:
            continue
        SESSION.labels(symbol, Session(book.status.session).name).set(1)
        for side, price in (("bid", book.best_bid), ("ask", book.best_ask)):
            if price:
                BEST_PRICE.labels(symbol, side).set(price / MONEY_SCALE)
