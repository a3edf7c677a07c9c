"""``/marketdata``: what is traded and at which prices. No token needed: it is the same for everybody."""

from fastapi import Response

from services.client_gateway.api import Api, Call, Nothing
from services.client_gateway.instruments import Listing
from services.client_gateway.requests import BookQuery, CandlesQuery, SymbolQuery, TickersQuery, TradesQuery
from services.client_gateway.views import side_name, time_text
from shared.contracts import market
from shared.contracts.money import Money, money_text
from shared.errors import Problem
from shared.web import json_response


class MarketRoutes:
    """The handlers, and what they need."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing

    def install(self, api: Api) -> None:
        api.route("GET", "/marketdata/symbols", self.symbols, public=True, tag="market data")
        for path, handler, query in (
            ("/marketdata/orderBook/L1", self.best, SymbolQuery),
            ("/marketdata/orderBook/L2", self.book, BookQuery),
            ("/marketdata/orderBook/L3", self.orders, SymbolQuery),
            ("/marketdata/session", self.session, SymbolQuery),
            ("/marketdata/tickers", self.tickers, TickersQuery),
            ("/marketdata/trades", self.trades, TradesQuery),
            ("/marketdata/candles", self.candles, CandlesQuery),
        ):
            api.route("GET", path, handler, query=query, public=True, tag="market data")

    async def symbols(self, call: Call, _query: Nothing) -> Response:
        """Everything that can be traded, with its tick, its lot and its best prices."""
        answer = await call.ask(market.GET_TICKERS, market.TickerQuery(traceparent=call.traceparent))
        tickers = {ticker.symbol: ticker for ticker in answer.tickers}
        rows = []
        for symbol, instrument in sorted(self._listing.instruments.items()):
            ticker = tickers.get(symbol)
            rows.append(
                {
                    "symbol": symbol,
                    "name": instrument.name,
                    "tick_size": money_text(instrument.tick_size),
                    "lot_size": instrument.lot_size,
                    "maker_fee_ppm": instrument.maker_fee_ppm,
                    "taker_fee_ppm": instrument.taker_fee_ppm,
                    "reference_price": money_text(instrument.reference_price),
                    "bid": _price(ticker.bid) if ticker else None,
                    "ask": _price(ticker.ask) if ticker else None,
                    "last": _price(ticker.last) if ticker else None,
                    "volume": ticker.day_volume if ticker else 0,
                }
            )
        return json_response({"symbols": rows})

    async def best(self, call: Call, query: SymbolQuery) -> Response:
        """The best level of each side: price, quantity, number of orders; null where there is none."""
        return await self._snapshot(call, market.Channel.L1, query.symbol)

    async def orders(self, call: Call, query: SymbolQuery) -> Response:
        """Every order that the book shows, in the order in which they trade: its id, price, quantity."""
        return await self._snapshot(call, market.Channel.L3, query.symbol)

    async def session(self, call: Call, query: SymbolQuery) -> Response:
        """The symbol's session and, where orders are only collected, the auction as it would be now."""
        return await self._snapshot(call, market.Channel.SESSION, query.symbol)

    async def tickers(self, call: Call, query: TickersQuery) -> Response:
        """Best prices, last price and the figures of the last 24 hours, of all symbols or of one."""
        answer = await call.ask(market.GET_TICKERS, market.TickerQuery(traceparent=call.traceparent))
        symbol = self._known(query.symbol) if query.symbol else ""
        rows = [ticker_view(ticker) for ticker in answer.tickers if symbol in ("", ticker.symbol)]
        return json_response({"tickers": rows})

    async def book(self, call: Call, query: BookQuery) -> Response:
        """The best ``depth`` levels of each side: price, quantity, number of orders."""
        view = await call.ask(
            market.GET_ORDER_BOOK,
            market.MarketQuery(symbol=self._known(query.symbol), depth=query.depth, traceparent=call.traceparent),
        )
        return json_response(book_view(view))

    async def trades(self, call: Call, query: TradesQuery) -> Response:
        """Trades of a symbol, newest first. ``next_cursor`` continues where this page ends."""
        page = await call.ask(
            market.GET_TRADES,
            market.MarketQuery(
                symbol=self._known(query.symbol), before=query.cursor, limit=query.limit, traceparent=call.traceparent
            ),
        )
        rows = page.trades
        return json_response(
            {
                "symbol": query.symbol,
                "trades": [
                    {
                        "trade_id": str(row.trade_id),
                        "price": money_text(row.price),
                        "quantity": row.quantity,
                        "side": side_name(row.side),
                        "time": time_text(row.time_us),
                    }
                    for row in rows
                ],
                "next_cursor": str(rows[-1].trade_id) if len(rows) == query.limit else None,
            }
        )

    async def candles(self, call: Call, query: CandlesQuery) -> Response:
        """Open, high, low, close and volume per interval, oldest first. An interval without a trade has no candle."""
        if query.interval not in market.INTERVALS_S:
            raise Problem(422, "invalid_interval", f"interval must be one of {', '.join(market.INTERVALS_S)}.")
        answer = await call.ask(
            market.GET_CANDLES,
            market.MarketQuery(
                symbol=self._known(query.symbol),
                interval_s=market.INTERVALS_S[query.interval],
                limit=query.limit,
                traceparent=call.traceparent,
            ),
        )
        rows = [
            {
                "start": time_text(candle.start_s * 1_000_000),
                "open": money_text(candle.open),
                "high": money_text(candle.high),
                "low": money_text(candle.low),
                "close": money_text(candle.close),
                "volume": candle.volume,
                "trade_count": candle.trade_count,
            }
            for candle in answer.candles
        ]
        return json_response({"symbol": query.symbol, "interval": query.interval, "candles": rows})

    async def _snapshot(self, call: Call, channel: market.Channel, symbol: str) -> Response:
        """What a subscriber to the channel would get first."""
        query = market.SnapshotQuery(channel=channel, symbol=self._known(symbol), traceparent=call.traceparent)
        return Response(bytes((await call.ask(market.GET_SNAPSHOT, query)).message), media_type="application/json")

    def _known(self, symbol: str) -> str:
        if symbol not in self._listing.instruments:
            names = ", ".join(sorted(self._listing.instruments))
            raise Problem(422, "unknown_symbol", f"symbol must be one of {names}.")
        return symbol


def book_view(view: market.BookView) -> dict[str, object]:
    """A book as clients see it, after update ``sequence`` of its L2 channel."""
    return {
        "symbol": view.symbol,
        "sequence": view.sequence,
        "checksum": view.checksum,
        **market.status_view(view.session, view.indication),
        "bids": [[money_text(level.price), str(level.quantity), level.order_count] for level in view.bids],
        "asks": [[money_text(level.price), str(level.quantity), level.order_count] for level in view.asks],
    }


def ticker_view(ticker: market.Ticker) -> dict[str, object]:
    """A ticker as clients see it; null where there was no trade."""
    traded = bool(ticker.trade_count)
    return {
        "symbol": ticker.symbol,
        "bid": _price(ticker.bid),
        "ask": _price(ticker.ask),
        "last": _price(ticker.last),
        "open": _price(ticker.open),
        "high": _price(ticker.high),
        "low": _price(ticker.low),
        "change": money_text(ticker.last - ticker.open) if traded else None,
        "volume": str(ticker.volume),
        "trade_count": ticker.trade_count,
    }


def _price(price: Money) -> str | None:
    return money_text(price) if price else None
