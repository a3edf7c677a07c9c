"""Answers that may grow large: in memory while there is room, the rest in a file without a name beside the store.

A trace of 100,000 spans is a hundred megabytes of JSON. Written as it is made, it never is in memory as a whole, and
the thread that reads the store does not wait for whoever takes the answer slowly.
"""

import asyncio
import contextlib
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from typing import IO, Final, Self

from starlette.responses import Response, StreamingResponse

from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.store import Store

# A trace is written span by span, of a thousand bytes each: to keep and send them one by one would cost as much as to
# make them.
PIECE_BYTES: Final = 256_000
WHOLE_BYTES_MAX: Final = 4_000_000
JSON: Final = "application/json"


class Spool:
    """An answer, written on the thread that reads the store and sent from the event loop."""

    def __init__(self, store: Store, limits: QueryLimits) -> None:
        self._limits = limits
        self._memory = store.answer_memory
        self._folder = str(store.path.parent)
        self._unjoined: list[bytes] = []
        self._unjoined_bytes = 0
        self._pieces: deque[bytes] = deque()
        self._file: IO[bytes] | None = None
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Whole, it stays to be sent; where writing failed, it goes."""
        with contextlib.ExitStack() as failing:
            failing.callback(self.close)
            if error is None:
                self._join()
                failing.pop_all()

    def close(self) -> None:
        """Give up what was not sent."""
        while self._pieces:
            self._memory.give(len(self._pieces.popleft()))
        if self._file is not None:
            self._file.close()

    def __del__(self) -> None:
        """Whoever wanted it may be gone before it is sent."""
        self.close()

    def write(self, piece: bytes) -> None:
        """Write more of it.

        Raises:
            QueryLimitError: it is larger than an answer may be, or there is no room for it.
        """
        self._unjoined.append(piece)
        self._unjoined_bytes += len(piece)
        if self._unjoined_bytes >= PIECE_BYTES:
            self._join()

    def _join(self) -> None:
        if not self._unjoined:
            return
        joined, self._unjoined, self._unjoined_bytes = b"".join(self._unjoined), [], 0
        self._limits.take_bytes(len(joined))
        self._size += len(joined)
        # What follows a piece in the file is in the file, too.
        if self._file is None and self._memory.take(len(joined)):
            self._pieces.append(joined)
            return
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(joined)
        except OSError as error:
            raise QueryLimitError(503, f"there is no room for the answer: {error.strerror}; ask for less") from error

    def _open(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._folder)

    def answer(self) -> Response:
        """What was written, as JSON."""
        if self._size <= WHOLE_BYTES_MAX and self._file is None:
            body = b"".join(self._pieces)
            self.close()
            return Response(body, media_type=JSON)
        return StreamingResponse(self._sent(), media_type=JSON, headers={"Content-Length": str(self._size)})

    async def _sent(self) -> AsyncIterator[bytes]:
        try:
            while self._pieces:
                yield self._pieces[0]
                self._memory.give(len(self._pieces.popleft()))
            if self._file is not None:
                self._file.seek(0)
                while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
                    yield piece
        finally:
            self.close()
