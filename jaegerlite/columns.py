"""The columns that spans wait in between their arrival and their chunk on disk.

A span never becomes a Python object on its way in: the decoder writes its fixed fields into these arrays, one row per
span, and leaves everything else (attributes, events, links, status) where it is, in the body of its request, with the
borders of it in `rest_start` and `rest_stop`.
"""

from bisect import bisect_right
from typing import Final

import numpy as np
import numpy.typing as npt

U64Array = npt.NDArray[np.uint64]
I64Array = npt.NDArray[np.int64]
I32Array = npt.NDArray[np.int32]
U8Array = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]

# The smallest span that can be accepted: tag and length of the span itself, a trace id (18 bytes) and a span id (10
# bytes).
SPAN_BYTES_MIN: Final = 30
ROWS_AT_FIRST: Final = 8192


class SpanColumns:
    """Rows of spans in order of arrival; `count` rows are in use.

    Times are nanoseconds since 1970, ids are the big-endian numbers of their bytes, `parent_id` 0 means none, `series`
    numbers come from `SeriesRegistry`, `status` is OTLP's code (0 unset, 1 ok, 2 error). `rest_start` and `rest_stop`
    count bytes as if the bodies of the requests lay one after the other, each from its `body_starts` on; they are not
    copied together, since that would cost as much as to decode them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bodies: list[bytes] = []
        self.body_starts: list[int] = []
        self.bodies_bytes = 0
        self.trace_hi: U64Array = np.empty(ROWS_AT_FIRST, np.uint64)
        self.trace_lo: U64Array = np.empty(ROWS_AT_FIRST, np.uint64)
        self.span_id: U64Array = np.empty(ROWS_AT_FIRST, np.uint64)
        self.parent_id: U64Array = np.empty(ROWS_AT_FIRST, np.uint64)
        self.start_ns: I64Array = np.empty(ROWS_AT_FIRST, np.int64)
        self.duration_ns: I64Array = np.empty(ROWS_AT_FIRST, np.int64)
        self.rest_start: I64Array = np.empty(ROWS_AT_FIRST, np.int64)
        self.rest_stop: I64Array = np.empty(ROWS_AT_FIRST, np.int64)
        self.series: I32Array = np.empty(ROWS_AT_FIRST, np.int32)
        self.status: U8Array = np.empty(ROWS_AT_FIRST, np.uint8)

    def reserve_for(self, body_bytes: int) -> None:
        """Make room for every span that a body of this many bytes can hold, so that the decoder need not ask."""
        rows = self.count + body_bytes // SPAN_BYTES_MIN + 1
        if rows <= len(self.trace_hi):
            return
        rows = max(rows, 2 * len(self.trace_hi))
        for name, column in list(vars(self).items()):
            if isinstance(column, np.ndarray):
                wider = np.empty(rows, column.dtype)
                wider[: self.count] = column[: self.count]
                setattr(self, name, wider)

    def add_body(self, body: bytes) -> None:
        """Keep the body of a request, whose rows have been written."""
        self.bodies.append(body)
        self.body_starts.append(self.bodies_bytes)
        self.bodies_bytes += len(body)

    def rest(self, row: int) -> bytes:
        """What a row's span has besides its columns, as it came."""
        place = bisect_right(self.body_starts, self.rest_start[row]) - 1
        start = self.body_starts[place]
        return self.bodies[place][self.rest_start[row] - start : self.rest_stop[row] - start]

    @property
    def waiting_bytes(self) -> int:
        """What the rows in use hold in memory, in bytes."""
        return self.bodies_bytes + 73 * self.count
