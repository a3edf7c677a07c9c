"""What market-data is asked and what it publishes: books, trades and candles as the engine's events made them."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from shared.contracts.codes import Session, Side
from shared.contracts.money import Money, Shares, money_text
from shared.contracts.operations import MARKET, Answer, Item, Operation


class Channel(StrEnum):
    """What can be followed of a symbol on the socket (docs/market-data.md)."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    TRADES = "trades"
    TICKER = "ticker"
    CANDLES = "candles"
    SESSION = "session"


INTERVALS_S = {"1s": 1, "1m": 60, "5m": 300, "1h": 3600, "1d": 86400}
"""The candles that clients may ask for. Each starts at a multiple of its length in Unix time, so days are UTC days."""


class TopicKey(NamedTuple):
    """One sequence of messages: a channel of a symbol; of candles, one ``interval``."""

    channel: Channel
    symbol: str
    interval: str = ""

    @property
    def valkey_channel(self) -> str:
        """Where market-data publishes it: ``KIND SEQUENCE``, a line feed, and the JSON object for clients."""
        return ":".join(("market-data", *filter(None, self)))

    def named(self) -> dict[str, str]:
        """As every message to clients names it."""
        return {name: value for name, value in self._asdict().items() if value}


class Kind(StrEnum):
    """What a published message is, also its ``type`` for clients."""

    SNAPSHOT = "snapshot"
    UPDATE = "update"
    HEARTBEAT = "heartbeat"


HEARTBEAT_S = 5.0
"""How often a topic tells its sequence while somebody follows it."""


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
    """The best levels of a book, as it is after message ``sequence`` of its L2 topic."""

    symbol: str
    sequence: int
    position: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    checksum: int
    session: int = 1
    indication: tuple[Money, Shares, int] | None = None


class SnapshotQuery(Item, frozen=True, kw_only=True):
    """Ask for a topic as it is now."""

    channel: Channel
    symbol: str
    interval: str = ""
    position: int = 0


class Snapshot(Answer, frozen=True, kw_only=True, tag=True):
    """A topic after its message ``sequence``, as the JSON object for clients. The next message follows on it."""

    sequence: int
    message: msgspec.Raw


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


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Best prices and the last one. 0 where there is none."""

    symbol: str
    bid: Money
    ask: Money
    last: Money


class Ticker(Quote, frozen=True, kw_only=True):
    """A quote, and the figures of the last 24 hours (the minute that runs and the 1,439 before it); 0 for none.

    ``day_volume`` is what was traded since 00:00 UTC.
    """

    day_volume: Shares
    open: Money
    high: Money
    low: Money
    volume: Shares
    trade_count: int


class Tickers(Answer, frozen=True, kw_only=True, tag=True):
    """One ticker per symbol."""

    tickers: tuple[Ticker, ...]


class ExportQuery(Item, frozen=True, kw_only=True):
    """Begin to make a file of a day's events (days since 1970, UTC), of one symbol or all; or ask how far it is."""

    day: int = 0
    symbol: str = ""
    export_id: str = ""


class Export(Answer, frozen=True, kw_only=True, tag=True):
    """A file, once it is ready with its size. It is kept for a minute after it was last asked for."""

    export_id: str
    ready: bool
    size_bytes: int


class ExportPieceQuery(Item, frozen=True, kw_only=True):
    """Ask for the bytes of a file from ``offset`` on."""

    export_id: str
    offset: int


class ExportPiece(Answer, frozen=True, kw_only=True, tag=True):
    """Some bytes; none where the file ends."""

    data: bytes


GET_ORDER_BOOK = Operation(MARKET, "get_order_book", MarketQuery, BookView)
GET_TRADES = Operation(MARKET, "get_trades", MarketQuery, PublicTrades)
GET_CANDLES = Operation(MARKET, "get_candles", MarketQuery, Candles)
GET_SNAPSHOT = Operation(MARKET, "get_snapshot", SnapshotQuery, Snapshot)
EXPORT_EVENTS = Operation(MARKET, "export_events", ExportQuery, Export)
READ_EXPORT = Operation(MARKET, "read_export", ExportPieceQuery, ExportPiece, traced=False)
GET_TICKERS = Operation(MARKET, "get_tickers", TickerQuery, Tickers)

QUOTES_KEY = "market-data:quotes"
"""Valkey hash: symbol -> JSON ``Quote``. May be lost; then instruments' reference prices stand in."""


def status_view(session: int, indication: tuple[Money, Shares, int] | None) -> dict[str, object]:
    """A symbol's session, and the auction if it were now, as clients see them. Its ``side`` has the surplus."""
    shown = None
    if indication is not None and indication[1]:
        price, volume, imbalance = indication
        side = None if imbalance == 0 else Side.BUY.name if imbalance > 0 else Side.SELL.name
        shown = {"price": money_text(price), "volume": volume, "imbalance": abs(imbalance), "side": side}
    return {"session": Session(session).name, "indication": shown}
