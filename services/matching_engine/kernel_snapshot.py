"""A book as bytes, the same bytes for the same state on every machine, so that their hash is the state's digest.

A mark, the symbol, the numbers of the book, then the resting orders in order of priority, all as little-endian 64-bit
integers; the last 32 bytes are the SHA-256 of what stands before them. Changing what is in here means a new mark.
"""

import hashlib
import struct
from typing import NamedTuple

MARK = b"OUTCRYB1"
DIGEST_BYTES = 32


class BookState(NamedTuple):
    """What a book is made of: its numbers, and one row of equal length per resting order, by priority."""

    symbol: str
    numbers: list[int]
    rows: list[tuple[int, ...]]


def pack(state: BookState) -> bytes:
    """Return the canonical bytes of a state, with their digest at the end."""
    symbol = state.symbol.encode()
    width = len(state.rows[0]) if state.rows else 0
    words = [len(symbol), len(state.numbers), len(state.rows), width, *state.numbers]
    for row in state.rows:
        words.extend(row)
    body = MARK + struct.pack(f"<{len(words)}q", *words) + symbol
    return body + hashlib.sha256(body).digest()


def unpack(data: bytes) -> BookState:
    """Return the state in `data`. Raises ValueError when it is not a whole, undamaged snapshot."""
    body = data[:-DIGEST_BYTES]
    if not body.startswith(MARK):
        raise ValueError(f"not a book snapshot: it begins with {data[:8]!r}, not {MARK!r}")
    if hashlib.sha256(body).digest() != data[-DIGEST_BYTES:]:
        raise ValueError(f"damaged book snapshot of {len(data)} bytes: its digest does not match")
    symbol_length, number_count, row_count, width = struct.unpack_from("<4q", body, len(MARK))
    words = struct.unpack_from(f"<{number_count + row_count * width}q", body, len(MARK) + 32)
    rows = [words[at : at + width] for at in range(number_count, len(words), width or 1)]
    return BookState(body[len(body) - symbol_length :].decode(), list(words[:number_count]), rows)
