"""Which of several matching-engines trades which symbol. Callers and engines are told the same, by one setting."""

from collections.abc import Iterable

REST = "*"
"""Stands for all symbols that are not named."""


class Shards:
    """Symbols by shard, from a text such as "AAPL,MSFT;NVDA;*": shards are parted by semicolons, numbered from 0.

    Raises ValueError where a symbol has no shard or two.
    """

    def __init__(self, text: str = REST) -> None:
        groups = [sorted({symbol.strip() for symbol in group.split(",")}) for group in text.split(";")]
        named = [symbol for group in groups for symbol in group]
        if not all(named) or len(named) != len(set(named)) or REST not in named:
            raise ValueError(f"name each symbol once, and {REST} once for all others, such as AAPL,MSFT;{REST}")
        self._shard_of = {symbol: number for number, group in enumerate(groups) for symbol in group}
        self.count = len(groups)
        self.text = ";".join(",".join(group) for group in groups)
        """The same for equal shards."""

    def of(self, symbol: str) -> int:
        """The number of the shard that trades this symbol, from 0."""
        number = self._shard_of.get(symbol)
        return self._shard_of[REST] if number is None else number

    def share(self, shard: int, symbols: Iterable[str]) -> list[str]:
        """Those of the symbols that this shard trades."""
        return [symbol for symbol in symbols if self.of(symbol) == shard]
