"""Which chunks a trace lies in: eight bytes per trace and chunk in memory, ten million spans in some ten megabytes."""

from typing import Final

import numpy as np
import numpy.typing as npt

U32Array = npt.NDArray[np.uint32]
RECENT_MAX: Final = 64
Run = tuple[U32Array, U32Array]
"""Trace hashes in ascending order, and the chunk that each belongs to."""


class TraceDirectory:
    """Sorted runs of (trace hash, chunk), each at least twice as long as the next: a few binary searches find a trace.

    One thread writes; readers take the lists that are there, which are replaced and never changed. A hash that two
    traces share costs a look into a chunk too many, never a wrong answer, since the rows hold the whole trace id.
    """

    def __init__(self) -> None:
        self._runs: list[Run] = []
        self._recent: list[tuple[U32Array, int]] = []

    def add(self, chunk: int, hashes: U32Array) -> None:
        """Note the traces of a chunk, given in ascending order of their hashes."""
        self._recent = [*self._recent, (hashes, chunk)]
        if len(self._recent) >= RECENT_MAX:
            self._settle()

    def _settle(self) -> None:
        """Make a run of the recent chunks, and one of the last two runs while they are of like length."""
        if not self._recent:
            return
        recent = [(hashes, np.full(len(hashes), chunk, np.uint32)) for hashes, chunk in self._recent]
        runs = [*self._runs, _merged(recent)]
        while len(runs) > 1 and len(runs[-2][0]) < 2 * len(runs[-1][0]):
            runs[-2:] = [_merged(runs[-2:])]
        # In this order: a reader may find a chunk in both, but no moment has it in neither.
        self._runs = runs
        self._recent = []

    def drop(self, chunks: U32Array) -> None:
        """Forget chunks that are gone."""
        self._settle()
        kept = [(hashes, of, ~np.isin(of, chunks)) for hashes, of in self._runs]
        self._runs = [(hashes[keep], of[keep]) for hashes, of, keep in kept if keep.any()]

    def chunks_of(self, hashes: U32Array) -> list[int]:
        """The chunks that may hold any of these traces, ascending."""
        # The recent ones first: what is settled meanwhile is found among the runs.
        recent, found = self._recent, set[int]()
        for known, chunk in recent:
            place = np.searchsorted(known, hashes)
            if (known[np.minimum(place, len(known) - 1)] == hashes).any():
                found.add(chunk)
        for known, of in self._runs:
            first, stop = np.searchsorted(known, hashes), np.searchsorted(known, hashes, "right")
            for begin, end in zip(first.tolist(), stop.tolist(), strict=True):
                if begin < end:
                    found.update(of[begin:end].tolist())
        return sorted(found)


def _merged(runs: list[Run]) -> Run:
    hashes, chunks = (np.concatenate([run[part] for run in runs]) for part in (0, 1))
    order = np.argsort(hashes, kind="stable")
    return hashes[order], chunks[order]
