"""Everything an engine must remember, as a snapshot keeps it."""

import zlib

import msgspec

from services.matching_engine.resting import Resting
from services.matching_engine.terms import BookTerms
from shared.contracts.engine import Instrument, Matched


class EngineState(msgspec.Struct):
    """Encoded by name, so that fields with a default may be added."""

    seq: int
    trade_id: int
    books: list[bytes]
    resting: dict[int, Resting]
    last_prices: dict[str, int]
    answers: list[tuple[int, int, Matched]]
    barred: list[tuple[int, int]]
    terms: dict[str, BookTerms] = {}
    blocked: list[int] = []
    instruments: list[Instrument] | None = None
    """What is listed; None in a snapshot from before that could change."""

    def packed(self) -> tuple[bytes, int]:
        """The state as bytes, and their CRC-32. Equal states give equal bytes."""
        data = msgspec.msgpack.encode(self)
        return data, zlib.crc32(data)
