"""Which chunks a trace lies in: four bytes per trace and chunk in memory, ten million spans in a few megabytes."""

import numpy as np
import numpy.typing as npt


class TraceDirectory:
    """A list of (trace hash, chunk) pairs, only ever appended to and cut at its old end.

    One thread writes; readers take the tuple of arrays that is there. A hash that two traces share costs a look into
    a chunk too many, never a wrong answer, since the chunk's rows hold the whole trace id.
    """

    def __init__(self) -> None:
        empty: npt.NDArray[np.uint32] = np.empty(0, np.uint32)
        self._settled = (empty, empty)
        self._recent: list[tuple[npt.NDArray[np.uint32], int]] = []

    def add(self, chunk: int, hashes: npt.NDArray[np.uint32]) -> None:
        """Note the traces of a chunk."""
        self._recent = [*self._recent, (hashes, chunk)]
        if len(self._recent) >= 64:
            self._settle()

    def _settle(self) -> None:
        recent = self._recent
        hashes = np.concatenate([self._settled[0], *(h for h, _ in recent)])
        chunks = np.concatenate([self._settled[1], *(np.full(len(h), c, np.uint32) for h, c in recent)])
        self._settled = (hashes, chunks)
        self._recent = []

    def drop(self, chunks: npt.NDArray[np.uint32]) -> None:
        """Forget chunks that are gone."""
        self._settle()
        keep = ~np.isin(self._settled[1], chunks)
        self._settled = (self._settled[0][keep], self._settled[1][keep])

    def chunks_of(self, hashes: npt.NDArray[np.uint32]) -> list[int]:
        """The chunks that may hold any of these traces, ascending."""
        recent, (settled, chunks) = self._recent, self._settled
        found = set(np.unique(chunks[np.isin(settled, hashes)]).tolist())
        found.update(chunk for known, chunk in recent if np.isin(hashes, known).any())
        return sorted(found)
