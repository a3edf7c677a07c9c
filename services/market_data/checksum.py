"""The checksum by which a client knows that its book is right (docs/market-data.md)."""

import zlib
from collections.abc import Iterable
from itertools import islice

from shared.contracts.money import Money, Shares, money_text

LEVELS = 10


def checksum(bids: Iterable[tuple[Money, Shares]], asks: Iterable[tuple[Money, Shares]]) -> int:
    """CRC-32 of the ten best levels of each side, each given from the best price on as (price, quantity)."""
    return zlib.crc32(f"{_text(bids)}|{_text(asks)}".encode())


def _text(levels: Iterable[tuple[Money, Shares]]) -> str:
    return ",".join([f"{money_text(price)}:{quantity}" for price, quantity in islice(levels, LEVELS)])
