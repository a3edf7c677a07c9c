"""MarketDataRequest as topics of the market data feed, and what the feed tells as FIX messages. No I/O."""

from collections.abc import Iterable, Mapping
from typing import Any

from services.fix_gateway.requests import utc_timestamp
from services.fix_gateway.wire import Fields, Message, printable
from shared.errors import Problem

BID, OFFER, TRADES = "0", "1", "2"
"""MDEntryType."""

ADDED, CHANGED, GONE = "0", "1", "2"
"""MDUpdateAction."""

SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE = "0", "1", "2"
"""SubscriptionRequestType."""

SYMBOLS_MAX = 50
SIDES = ((BID, "bid", "bids"), (OFFER, "ask", "asks"))

REJECT_REASONS = {
    "unknown_symbol": "0",
    "duplicate_md_req_id": "1",
    "invalid_subscription_type": "4",
    "invalid_market_depth": "5",
    "invalid_update_type": "6",
    "invalid_entry_type": "8",
}
"""MDReqRejReason by our code."""


class Wanted:
    """A MarketDataRequest that makes sense: which topics, and how they are told. Raises Problem."""

    def __init__(self, request: Message) -> None:
        self.request_id = request.get(262)
        kind = request.get(263)
        if kind not in (SNAPSHOT, SUBSCRIBE, UNSUBSCRIBE):
            raise Problem(422, "invalid_subscription_type", "SubscriptionRequestType (263) must be 0, 1 or 2.")
        self.ends = kind == UNSUBSCRIBE
        self.goes_on = kind == SUBSCRIBE
        depth, types = request.get(264), set(request.all(269))
        if depth not in ("0", "1"):
            raise Problem(422, "invalid_market_depth", "MarketDepth (264) must be 0 (all levels) or 1 (the best).")
        if not types or types - {BID, OFFER, TRADES}:
            raise Problem(422, "invalid_entry_type", "MDEntryType (269) must be 0 (bid), 1 (offer) or 2 (trade).")
        self.whole = request.get(265) == "0"
        if request.get(265) not in ("", "0", "1") or (self.whole and depth == "0" and self.goes_on):
            detail = "MDUpdateType (265) must be 1 (incremental); 0 (full refresh) goes with MarketDepth (264) 1."
            raise Problem(422, "invalid_update_type", detail)
        self.symbols = list(dict.fromkeys(request.all(55)))
        if not 1 <= len(self.symbols) <= SYMBOLS_MAX:
            raise Problem(422, "unknown_symbol", f"Name 1 to {SYMBOLS_MAX} symbols (55).")
        self.types = frozenset(types)
        self.channels: list[str] = []
        if types & {BID, OFFER}:
            self.channels.append("L1" if depth == "1" else "L2")
        if TRADES in types:
            self.channels.append("trades")


class Topic:
    """A channel of a symbol as one client follows it: what it was told of the book."""

    def __init__(self, wanted: Wanted, channel: str, symbol: str) -> None:
        self.wanted = wanted
        self.channel = channel
        self.symbol = symbol
        self._levels: dict[str, dict[str, tuple[str, int]]] = {BID: {}, OFFER: {}}

    def snapshot(self, said: Mapping[str, Any]) -> Fields:
        """MarketDataSnapshotFullRefresh."""
        self._levels = {BID: {}, OFFER: {}}
        entries: list[Fields] = []
        if self.channel == "trades":
            entries = [[(269, TRADES), *_trade(trade)] for trade in said["trades"]]
        for side, levels in self._told(said):
            self._levels[side] = {price: (quantity, orders) for price, quantity, orders in levels}
            entries += [[(269, side), *_level(level)] for level in levels]
        count = str(len(entries))
        flat = [field for entry in entries for field in entry]
        return [(35, "W"), (262, self.wanted.request_id), (55, self.symbol), (268, count), *flat]

    def update(self, said: Mapping[str, Any]) -> Fields | None:
        """MarketDataIncrementalRefresh, or a whole one for who asked for that; None where nothing is new."""
        if self.wanted.whole and self.channel == "L1":
            return self.snapshot(said)
        symbol = (55, self.symbol)
        if self.channel == "trades":
            added = ((279, ADDED), (269, TRADES))
            entries = [[*added, (278, trade["trade_id"]), symbol, *_trade(trade)] for trade in said["trades"]]
        else:
            entries = [
                [(279, action), (269, side), symbol, *_level(level)]
                for side, levels in self._told(said)
                for action, level in self._changes(side, levels)
            ]
        if not entries:
            return None
        flat = [field for entry in entries for field in entry]
        return [(35, "X"), (262, self.wanted.request_id), (268, str(len(entries))), *flat]

    def _told(self, said: Mapping[str, Any]) -> list[tuple[str, list[list[Any]]]]:
        """The levels of each side that is wanted. Of L1 the best one, or none."""
        if self.channel == "trades":
            return []
        found = []
        for side, best, all_of_them in SIDES:
            if side in self.wanted.types:
                levels = said[all_of_them] if self.channel == "L2" else [said[best]] if said[best] else []
                found.append((side, levels))
        return found

    def _changes(self, side: str, levels: list[list[Any]]) -> Iterable[tuple[str, list[Any]]]:
        """What became of each level. L2 tells those that changed, L1 the only one there is."""
        known = self._levels[side]
        if self.channel == "L1":
            named = {level[0] for level in levels}
            levels = [[price, "0", 0] for price in known if price not in named] + levels
        for price, quantity, orders in levels:
            before = known.get(price)
            if quantity == "0":
                if known.pop(price, None) is not None:
                    yield GONE, [price, "", 0]
            elif before != (quantity, orders):
                known[price] = (quantity, orders)
                yield (ADDED if before is None else CHANGED), [price, quantity, orders]


def request_rejected(request: Message, problem: Problem) -> Fields:
    """MarketDataRequestReject."""
    text = printable(f"{problem.code}: {problem.detail}")
    fields = [(35, "Y"), (262, request.get(262)), (58, text)]
    reason = REJECT_REASONS.get(problem.code)
    return [*fields, (281, reason)] if reason is not None else fields


def security_list(request: Message, symbols: Iterable[str]) -> Fields:
    """SecurityList: everything that is traded."""
    names = list(symbols)
    head = [(35, "y"), (320, request.get(320)), (322, request.get(320)), (560, "0"), (393, str(len(names)))]
    return [*head, (893, "Y"), (146, str(len(names))), *((55, name) for name in names)]


def _level(level: list[Any]) -> Fields:
    price, quantity, orders = level
    return [(270, price), (271, quantity), (346, str(orders) if orders else "")]


def _trade(trade: Mapping[str, Any]) -> Fields:
    time = utc_timestamp(trade["time_us"])
    day, _, clock = time.partition("-")
    return [
        (270, trade["price"]),
        (271, trade["quantity"]),
        (272, day),
        (273, clock),
    ]
