"""What orders leave on disk: bytes of the database's tables and of the traces, over what was placed in between."""

from pathlib import Path
from typing import NamedTuple

from benchmarks.metrics import read_batches
from outcry.home import Home

FOLDERS = {"database": Path("postgres/data/base"), "traces": Path("jaegerlite")}
"""PostgreSQL's write-ahead log comes on top: it is used again and does not grow with what is kept."""


class Footprint(NamedTuple):
    """Orders placed since the start, and bytes on disk by what they hold."""

    orders: float
    size: dict[str, int]

    def per_order_since(self, before: "Footprint") -> dict[str, float]:
        """Bytes that an order left; empty where none was placed."""
        placed = self.orders - before.orders
        return {part: (size - before.size[part]) / placed for part, size in self.size.items()} if placed else {}


async def read(home: Home) -> Footprint:
    """The footprint just now. Spans of the last second may not be on disk yet."""
    _, orders = (await read_batches(home)).get("create_order", (0.0, 0.0))
    return Footprint(orders, {part: _size(home.folder / folder) for part, folder in FOLDERS.items()})


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # files come and go
            continue
    return total
