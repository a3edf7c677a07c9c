"""What market-data is asked: books, trades and candles as the engine's events made them."""

import msgspec

from shared.contracts.codes import Session, Side
from shared.contracts.money import Money, Shares, money_text
from shared.contracts.operations import MARKET, Answer, Item, Operation


class MarketQuery(Item, frozen=True, kw_only=True):
    """What of a symbol: ``depth`` levels, ``limit`` rows below ``before`` (0: newest), candles of ``interval_s``."""

    symbol: str
    position: int = 0
    depth: int = 20
    limit: int = 100
    before: int = 0
    interval_s: int = 60


class Level(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """One price of one side."""

    price: Money
    quantity: Shares
    order_count: int


class BookView(Answer, frozen=True, kw_only=True, tag=True):
    """The best levels of a book. ``sequence`` counts this book's changes; deltas on the socket continue it."""

    symbol: str
    sequence: int
    position: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    session: int = 1
    indication: tuple[Money, Shares, int] | None = None


class PublicTrade(msgspec.Struct, frozen=True, kw_only=True):
    """A trade as everybody may see it. ``side`` is the taker's."""

    trade_id: int
    symbol: str
    price: Money
    quantity: Shares
    side: int
    time_us: int


class PublicTrades(Answer, frozen=True, kw_only=True, tag=True):
    """Trades, newest first."""

    trades: tuple[PublicTrade, ...]


class Candle(msgspec.Struct, frozen=True, kw_only=True):
    """Open, high, low, close and volume of ``interval_s`` from ``start_s`` (Unix time)."""

    start_s: int
    open: Money
    high: Money
    low: Money
    close: Money
    volume: Shares
    trade_count: int


class Candles(Answer, frozen=True, kw_only=True, tag=True):
    """Candles, oldest first; an interval without a trade has none."""

    candles: tuple[Candle, ...]


class TickerQuery(Item, frozen=True, kw_only=True):
    """Ask for the tickers of all symbols."""

    position: int = 0


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """Best prices and the day so far. 0 where there is none."""

    symbol: str
    bid: Money
    ask: Money
    last: Money
    volume: Shares


class Tickers(Answer, frozen=True, kw_only=True, tag=True):
    """One ticker per symbol."""

    tickers: tuple[Ticker, ...]


GET_ORDER_BOOK = Operation(MARKET, "get_order_book", MarketQuery, BookView)
GET_TRADES = Operation(MARKET, "get_trades", MarketQuery, PublicTrades)
GET_CANDLES = Operation(MARKET, "get_candles", MarketQuery, Candles)
GET_TICKERS = Operation(MARKET, "get_tickers", TickerQuery, Tickers)

QUOTES_KEY = "market-data:quotes"
"""Valkey hash: symbol -> JSON ``Ticker``. May be lost; then instruments' reference prices stand in."""


def status_view(session: int, indication: tuple[Money, Shares, int] | None) -> dict[str, object]:
    """A symbol's session, and the auction if it were now, as clients see them. Its ``side`` has the surplus."""
    shown = None
    if indication is not None and indication[1]:
        price, volume, imbalance = indication
        side = None if imbalance == 0 else Side.BUY.name if imbalance > 0 else Side.SELL.name
        shown = {"price": money_text(price), "volume": volume, "imbalance": abs(imbalance), "side": side}
    return {"session": Session(session).name, "indication": shown}


def market_channel(symbol: str) -> str:
    """Valkey channel on which market-data publishes a symbol's messages, ready encoded for the sockets."""
    return f"market-data:{symbol}"
