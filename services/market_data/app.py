"""market-data's HTTP face."""

from functools import partial
from pathlib import Path

from fastapi import FastAPI

from services.market_data.consumer import Executions
from services.market_data.exports import Exports
from services.market_data.feed import Feed
from services.market_data.gauges import show
from services.market_data.market import Market
from services.market_data.queries import Queries
from services.market_data.retention import Retention
from services.market_data.settings import Settings
from shared.contracts import market as contract
from shared.contracts.events import EXECUTIONS
from shared.contracts.operations import MARKET
from shared.service import Service
from shared.tracing import ItemAttributes

MIGRATIONS = Path(__file__).parent / "migrations"

QUERY = ItemAttributes({"order.symbol": "symbol"})
SNAPSHOT = ItemAttributes({"order.symbol": "symbol", "market.channel": ("channel", str)})


def create_app(settings: Settings) -> FastAPI:
    """The app of one market-data."""
    service = Service(MARKET, settings, MIGRATIONS)
    market = Market(service.clients, service.database)
    feed = Feed(market, service.valkey)
    queries = Queries(market, service.database)
    executions = service.follow(EXECUTIONS, Executions(market, feed).apply, gather_s=0.02)
    exports = Exports(service.database, settings.exports_max)
    for part in (market, feed, exports, Retention(market, service.database, settings)):
        service.keep_running(part.run)
    service.check("books", market.ready)
    service.measure(partial(show, market))
    service.serve(contract.GET_ORDER_BOOK, queries.order_book, QUERY, fresh=executions)
    service.serve(contract.GET_TRADES, queries.trades, QUERY, fresh=executions)
    service.serve(contract.GET_CANDLES, queries.candles, QUERY, fresh=executions)
    service.serve(contract.GET_SNAPSHOT, queries.snapshot, SNAPSHOT, fresh=executions)
    service.serve(contract.GET_TICKERS, queries.tickers, fresh=executions)
    service.serve(contract.EXPORT_EVENTS, exports.export)
    service.serve(contract.READ_EXPORT, exports.piece)
    return service.app
