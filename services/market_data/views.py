"""What the channels hold, as clients see it (docs/market-data.md): prices, quantities and ids as text."""

from collections.abc import Iterable, Sequence
from typing import Any

from services.market_data.book import Change, MarketBook, Resting
from shared.contracts.codes import Side
from shared.contracts.market import Candle, Level, PublicTrade, Ticker
from shared.contracts.money import money_text

SIDES = {side.value: side.name for side in Side}


def level_view(level: Level) -> tuple[str, str, int]:
    return money_text(level.price), str(level.quantity), level.order_count


def levels_view(levels: Iterable[Level]) -> list[tuple[str, str, int]]:
    return [level_view(level) for level in levels]


def l1_view(best: tuple[Level | None, Level | None]) -> dict[str, Any]:
    bid, ask = best
    return {"bid": level_view(bid) if bid else None, "ask": level_view(ask) if ask else None}


def l2_view(book: MarketBook) -> dict[str, Any]:
    bids, asks = book.depth(len(book.bids.prices) + len(book.asks.prices))
    return {"bids": levels_view(bids), "asks": levels_view(asks), "checksum": book.checksum()}


def l3_view(book: MarketBook) -> dict[str, Any]:
    bids, asks = book.orders()
    return {"bids": _orders(bids), "asks": _orders(asks), "checksum": book.checksum()}


def levels_changed_view(bids: Iterable[Level], asks: Iterable[Level], book: MarketBook) -> dict[str, Any]:
    return {"bids": levels_view(bids), "asks": levels_view(asks), "checksum": book.checksum()}


def orders_changed_view(changes: Iterable[Change], book: MarketBook) -> dict[str, Any]:
    return {"changes": [change_view(change) for change in changes], "checksum": book.checksum()}


def change_view(change: Change) -> tuple[str, ...]:
    if change[0] == "add":
        _, order_id, side, price, quantity = change
        return ("add", str(order_id), SIDES[side], money_text(price), str(quantity))
    if change[0] == "quantity":
        return ("quantity", str(change[1]), str(change[2]))
    return ("remove", str(change[1]))


def trades_view(trades: Iterable[PublicTrade]) -> dict[str, Any]:
    return {
        "trades": [
            {
                "trade_id": str(trade.trade_id),
                "price": money_text(trade.price),
                "quantity": str(trade.quantity),
                "side": SIDES[trade.side],
                "time_us": trade.time_us,
            }
            for trade in trades
        ]
    }


def candles_view(candles: Iterable[Candle]) -> dict[str, Any]:
    return {
        "candles": [
            {
                "start_s": candle.start_s,
                "open": money_text(candle.open),
                "high": money_text(candle.high),
                "low": money_text(candle.low),
                "close": money_text(candle.close),
                "volume": str(candle.volume),
                "trade_count": candle.trade_count,
            }
            for candle in candles
        ]
    }


def ticker_view(ticker: Ticker) -> dict[str, Any]:
    traded = bool(ticker.trade_count)
    return {
        "last": money_text(ticker.last) if ticker.last else None,
        "open": money_text(ticker.open) if traded else None,
        "high": money_text(ticker.high) if traded else None,
        "low": money_text(ticker.low) if traded else None,
        "change": money_text(ticker.last - ticker.open) if traded else None,
        "volume": str(ticker.volume),
        "trade_count": ticker.trade_count,
    }


def _orders(orders: Sequence[tuple[int, Resting]]) -> list[tuple[str, str, str]]:
    return [(str(order_id), money_text(order.price), str(order.shown)) for order_id, order in orders]
