"""Answers that may grow large: in memory at first, then in a file without a name beside the store.

A trace of 100,000 spans is a hundred megabytes of JSON. Written as it is made, it never is in memory as a whole, and
the thread that reads the store does not wait for whoever takes the answer slowly.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from typing import Final, Self

from starlette.responses import Response, StreamingResponse

from jaegerlite.limits import QueryLimitError, QueryLimits
from jaegerlite.store import Store

MEMORY_BYTES_MAX: Final = 4_000_000
PIECE_BYTES: Final = 256_000
JSON: Final = "application/json"


class Spool:
    """An answer, written on the thread that reads the store and sent from the event loop."""

    def __init__(self, store: Store, limits: QueryLimits) -> None:
        self._limits = limits
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES_MAX, dir=str(store.path.parent))  # noqa: SIM115 - sent later

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        """Whole, it stays open to be sent; where writing failed, it goes."""
        if error is not None:
            self.close()

    def close(self) -> None:
        """Give it up."""
        self._file.close()

    def write(self, piece: bytes) -> None:
        """Write more of it.

        Raises:
            QueryLimitError: it is larger than an answer may be, or there is no room for it.
        """
        self._limits.take_bytes(len(piece))
        try:
            self._file.write(piece)
        except OSError as error:
            raise QueryLimitError(503, f"there is no room for the answer: {error.strerror}; ask for less") from error

    def answer(self) -> Response:
        """What was written, as JSON."""
        size = self._file.tell()
        self._file.seek(0)
        if size <= MEMORY_BYTES_MAX:
            with self._file:
                return Response(self._file.read(), media_type=JSON)
        return StreamingResponse(self._pieces(), media_type=JSON, headers={"Content-Length": str(size)})

    async def _pieces(self) -> AsyncIterator[bytes]:
        with self._file:
            while piece := await asyncio.to_thread(self._file.read, PIECE_BYTES):
                yield piece
