"""One partition: its tables, and figures of it that are kept in memory."""

from dataclasses import dataclass
from typing import Final

I64_MAX: Final = 2**63 - 1


@dataclass(slots=True)
class Partition:
    """One partition. Its figures grow before the spans they count can be seen, so a reader may trust the times."""

    number: int
    first_chunk: int
    opened_ms: int
    start_ns_min: int = I64_MAX
    start_ns_max: int = 0
    spans: int = 0
    live_bytes: int = 0
    replaced_bytes: int = 0
    small_chunks: int = 0
    rollup_rows: int = 0
    rollup_rows_summed: int = 0

    @property
    def chunk_table(self) -> str:
        """The table of its chunks."""
        return f"chunk_{self.number:d}"

    @property
    def span_table(self) -> str:
        """The table of its spans."""
        return f"span_{self.number:d}"

    @property
    def red_table(self) -> str:
        """The table of its counted spans."""
        return f"red_{self.number:d}"

    @property
    def edge_table(self) -> str:
        """The table of its counted calls between services."""
        return f"edge_{self.number:d}"

    @property
    def tables(self) -> tuple[str, str, str, str]:
        """All of its tables."""
        return self.chunk_table, self.span_table, self.red_table, self.edge_table

    def widen(self, spans: int, packed_bytes: int, start_ns_min: int, start_ns_max: int) -> None:
        """Count a chunk in."""
        self.spans += spans
        self.live_bytes += packed_bytes
        self.start_ns_min = min(self.start_ns_min, start_ns_min)
        self.start_ns_max = max(self.start_ns_max, start_ns_max)
