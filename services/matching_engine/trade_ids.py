"""Numbers of trades: each is given once, whichever engine gives it, and a later trade has a greater one."""

from shared.ids import next_after
from shared.shards import Shards


class TradeIds:
    """Those of one shard. An engine alone counts; of several, each makes ids that sort by time and tell its number."""

    def __init__(self, shards: Shards = Shards(), shard: int = 0) -> None:  # noqa: B008
        self._alone = shards.count == 1
        self._shard = shard
        self.last = 0

    def next(self, time_us: int) -> int:
        """The number of a trade at this time, in microseconds of Unix time."""
        self.last = self.last + 1 if self._alone else next_after(self.last, time_us, self._shard)
        return self.last
