"""A symbol's topics: what is told of its book and tape, each a sequence of messages without a gap.

Messages are made in one step with the change that they tell of, so a snapshot is always exactly the topic after its
last message. A topic that nobody hears costs next to nothing: its numbers go on, its messages are not made. It is live
from the first snapshot that is asked for until a message reaches nobody; whoever asks is subscribed before.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from services.market_data import views
from services.market_data.book import MarketBook
from services.market_data.tape import Tape
from shared.contracts.market import (
    INTERVALS_S,
    Channel,
    Kind,
    Level,
    PublicTrade,
    Snapshot,
    Ticker,
    TopicKey,
    status_view,
)

TICKER_EVERY_US = 1_000_000
"""Trades move the ticker at most this often."""

_encode = msgspec.json.Encoder().encode


class Topic:
    """One sequence. It begins live: who followed the one before a restart is still there."""

    def __init__(self, key: TopicKey, sequence: int) -> None:
        self.key = key
        self.valkey_channel = key.valkey_channel
        self.sequence = sequence
        self.live = True
        self.asked = 0
        """How many snapshots were asked for: a message from before the last one says nothing about who hears now."""
        self._head = {"channel": key.channel, "symbol": key.symbol} | (
            {"interval": key.interval} if key.interval else {}
        )
        self.kept: tuple[int, bytes] | None = None
        """The last snapshot that was made, and its sequence."""

    def message(self, kind: Kind, content: dict[str, Any]) -> bytes:
        return _encode({"type": kind, **self._head, "sequence": self.sequence, **content})


class Published(NamedTuple):
    """A message on its way out."""

    topic: Topic
    asked: int
    payload: bytes

    @classmethod
    def of(cls, topic: Topic, kind: Kind, message: bytes) -> "Published":
        return cls(topic, topic.asked, f"{kind} {topic.sequence}\n".encode() + message)

    def reached(self, count: int) -> None:
        """So many heard it."""
        if not count and self.asked == self.topic.asked:
            self.topic.live = False


class SymbolTopics:
    """All topics of one symbol."""

    def __init__(self, book: MarketBook, tape: Tape, ticker: Callable[[], Ticker], sequence: int) -> None:
        """``sequence``: where all of them start."""
        self._book = book
        self._tape = tape
        self._ticker = ticker
        self._topics: dict[tuple[Channel, str], Topic] = {}
        for channel in Channel:
            for interval in INTERVALS_S if channel is Channel.CANDLES else ("",):
                self._topics[channel, interval] = Topic(TopicKey(channel, book.symbol, interval), sequence)
        self._contents: dict[Channel, Callable[[str], dict[str, Any]]] = {
            Channel.L1: lambda _: views.l1_view(self._best),
            Channel.L2: lambda _: views.l2_view(self._book),
            Channel.L3: lambda _: views.l3_view(self._book),
            Channel.TRADES: lambda _: views.trades_view(self._tape.recent),
            Channel.TICKER: lambda _: views.ticker_view(self._ticker()),
            Channel.CANDLES: self._newest_candle,
            Channel.SESSION: lambda _: status_view(*self._book.status),
        }
        self._best = best_of(book)
        self._status = book.status
        self._ticker_told_us = 0
        self._ticker_told = ticker()

    def sequence(self, channel: Channel) -> int:
        """Of the last message of a channel that has no intervals."""
        return self._topics[channel, ""].sequence

    def snapshot(self, channel: Channel, interval: str) -> Snapshot | None:
        """A topic as it is now, None where there is no such interval. From now on its messages are made."""
        topic = self._topics.get((channel, interval))
        if topic is None:
            return None
        topic.live = True
        topic.asked += 1
        return Snapshot(sequence=topic.sequence, message=msgspec.Raw(self._snapshot(topic)))

    def restart(self, book: MarketBook, sequence: int) -> list[Published]:
        """Another book than the messages led to: every topic goes on with a snapshot, at a higher number."""
        self._book = book
        self._best, self._status = best_of(book), book.status
        messages = []
        for topic in self._topics.values():
            topic.sequence = max(sequence, topic.sequence + 1)
            if topic.live:
                messages.append(Published.of(topic, Kind.SNAPSHOT, self._snapshot(topic)))
        return messages

    def seal(self, trades: Sequence[PublicTrade], time_us: int) -> list[Published]:
        """The messages about what changed since this was last asked; ``time_us`` is that of the last event in it."""
        told = [
            *self._tell_status(time_us),
            *self._tell_book(time_us),
            *(self._tell(Channel.TRADES, time_us, views.trades_view, trades) if trades else ()),
        ]
        for interval, candles in self._tape.take_candles().items():
            told += self._tell(Channel.CANDLES, time_us, views.candles_view, candles, interval=interval)
        return told

    def tick(self, now_us: int) -> list[Published]:
        """The ticker, where it is due: some trades have not moved it yet, or an old minute has left it."""
        if now_us - self._ticker_told_us < TICKER_EVERY_US:
            return []
        self._ticker_told_us = now_us
        ticker = self._ticker()
        if _figures(ticker) == _figures(self._ticker_told):
            return []
        self._ticker_told = ticker
        return self._tell(Channel.TICKER, now_us, views.ticker_view, ticker)

    def heartbeats(self) -> list[Published]:
        """What tells those who follow a quiet topic that they have missed nothing."""
        live = [topic for topic in self._topics.values() if topic.live]
        return [Published.of(topic, Kind.HEARTBEAT, topic.message(Kind.HEARTBEAT, {})) for topic in live]

    def _tell_status(self, time_us: int) -> list[Published]:
        if self._book.status == self._status:
            return []
        self._status = self._book.status
        return self._tell(Channel.SESSION, time_us, status_view, *self._status)

    def _tell_book(self, time_us: int) -> list[Published]:
        book = self._book
        bids, asks, changes = book.bids.take_touched(), book.asks.take_touched(), book.take_changes()
        if not changes:
            return []
        best, told = best_of(book), list[Published]()
        if best != self._best:
            self._best = best
            told += self._tell(Channel.L1, time_us, views.l1_view, best)
        told += self._tell(Channel.L2, time_us, views.levels_changed_view, bids, asks, book)
        told += self._tell(Channel.L3, time_us, views.orders_changed_view, changes, book)
        return told

    def _tell(
        self, channel: Channel, time_us: int, view: Callable[..., dict[str, Any]], *changed: Any, interval: str = ""
    ) -> list[Published]:
        """The next message of a topic, where it is live: ``view`` makes its content of what changed."""
        topic = self._topics[channel, interval]
        topic.sequence += 1
        if not topic.live:
            return []
        return [Published.of(topic, Kind.UPDATE, topic.message(Kind.UPDATE, {"time_us": time_us, **view(*changed)}))]

    def _snapshot(self, topic: Topic) -> bytes:
        """Made once, however many ask before the next message."""
        if topic.kept is None or topic.kept[0] != topic.sequence:
            content = self._contents[topic.key.channel](topic.key.interval)
            topic.kept = (topic.sequence, topic.message(Kind.SNAPSHOT, content))
        return topic.kept[1]

    def _newest_candle(self, interval: str) -> dict[str, Any]:
        candle = self._tape.candle(interval)
        return views.candles_view([candle] if candle else [])


def best_of(book: MarketBook) -> tuple[Level | None, Level | None]:
    """The best level of each side, None where there is none."""
    bids, asks = book.depth(1)
    return (bids[0] if bids else None, asks[0] if asks else None)


def _figures(ticker: Ticker) -> tuple[int, ...]:
    return (ticker.last, ticker.open, ticker.high, ticker.low, ticker.volume, ticker.trade_count)
