"""What one query may cost: so much time, so many spans read in full, so many bytes of answer, and then it ends."""

import math
import threading
import time
from typing import Final

SPANS_BETWEEN_CHECKS: Final = 1000
ANSWER_MEMORY_BYTES_MAX: Final = 48_000_000


class QueryLimitError(Exception):
    """A query cost more than it may; the text says what to do. `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class QueryLimits:
    """The limits of one running query; without arguments there are none."""

    def __init__(
        self, seconds_max: float = math.inf, spans_max: float = math.inf, answer_bytes_max: float = math.inf
    ) -> None:
        self.seconds_max = seconds_max
        self._deadline_s = time.monotonic() + seconds_max
        self._spans_max = self._spans_left = spans_max
        self._bytes_max = self._bytes_left = answer_bytes_max

    def check(self) -> None:
        """Raise QueryLimitError once the time is up."""
        if time.monotonic() > self._deadline_s:
            raise self.too_long()

    def too_long(self) -> QueryLimitError:
        """What to say when the time is up."""
        return QueryLimitError(504, f"the query took longer than {self.seconds_max:g} s; narrow it")

    def take_spans(self, count: int) -> None:
        """Count spans that are read in full. Raises QueryLimitError when they are too many, or the time is up."""
        self._spans_left -= count
        if self._spans_left < 0:
            raise QueryLimitError(413, f"the answer would hold more than {self._spans_max:g} spans; set a lower limit")
        self.check()

    def take_bytes(self, count: int) -> None:
        """Count bytes of the answer. Raises QueryLimitError when they are too many."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise QueryLimitError(413, f"the answer would be larger than {self._bytes_max:g} bytes; set a lower limit")


class AnswerMemory:
    """Room in memory for all answers together that are being made or sent; on any thread."""

    def __init__(self, bytes_max: int = ANSWER_MEMORY_BYTES_MAX) -> None:
        self._left = bytes_max
        self._lock = threading.Lock()

    def take(self, count: int) -> bool:
        """Take so many bytes of it, if they are left."""
        with self._lock:
            if count > self._left:
                return False
            self._left -= count
            return True

    def give(self, count: int) -> None:
        """Give so many bytes back."""
        with self._lock:
            self._left += count
