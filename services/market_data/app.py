"""market-data's HTTP face."""

from pathlib import Path

from fastapi import FastAPI

from services.market_data.consumer import Executions
from services.market_data.feed import Feed
from services.market_data.market import Market
from services.market_data.queries import Queries
from services.market_data.retention import Retention
from shared.contracts import market as contract
from shared.contracts.events import EXECUTIONS
from shared.contracts.operations import MARKET
from shared.service import Service
from shared.settings import ServiceSettings
from shared.tracing import ItemAttributes

MIGRATIONS = Path(__file__).parent / "migrations"

QUERY = ItemAttributes({"order.symbol": "symbol"})


def create_app(settings: ServiceSettings) -> FastAPI:
    """The app of one market-data."""
    service = Service(MARKET, settings, MIGRATIONS)
    market = Market(service.clients, service.database)
    feed = Feed(market, service.redis)
    queries = Queries(market, service.database)
    executions = service.follow(EXECUTIONS, Executions(market, feed).apply, gather_s=0.02)
    for part in (market, feed, Retention(market, service.database)):
        service.keep_running(part.run)
    service.check("books", market.ready)
    service.serve(contract.GET_ORDER_BOOK, queries.order_book, QUERY, fresh=executions)
    service.serve(contract.GET_TRADES, queries.trades, QUERY, fresh=executions)
    service.serve(contract.GET_CANDLES, queries.candles, QUERY, fresh=executions)
    service.serve(contract.GET_TICKERS, queries.tickers, fresh=executions)
    return service.app
