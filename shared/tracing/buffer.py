# cython: language_level=3, annotation_typing=False
"""The buffer that takes spans when they have ended, until the export thread takes them out."""

from collections import deque
from collections.abc import Callable
from typing import Any

from shared.tracing.origin import Resource
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits


class Encoder:
    """What can take ended spans before the buffer does (`early`)."""

    def add(self, ended: Any, spans: int) -> bool:
        """Whether it took an ended span, or a group of so many."""
        return False

    def waiting(self) -> int:
        """How many of the spans that it took are still here."""
        return 0


class SpanBuffer:
    """What all spans of a process share: resource, sampler, limits, and the bounded buffer of those that have ended.

    An entry of it is one span or a group of them (`span_group`), and has their number as `count`.

    `wake` is called when the buffer reaches `wake_at` spans, so that a burst does not wait for the export's timer.
    """

    def __init__(self, resource: Resource, sampler: Sampler, limits: Limits, max_queue_size: int, wake_at: int) -> None:
        self.resource = resource
        self.sampler = sampler
        self.parent_based = sampler.parent_based
        self.limits = limits
        self.span_attributes_max = limits.span_attributes
        self.span_value_length = limits.span_value_length
        self.max_queue_size = max_queue_size
        self.wake_at = wake_at
        self.wake: Callable[[], None] | None = None
        # With retroactive sampling, spans that were sampled out are recorded too: their trace may turn out to matter.
        self.records_unsampled = False
        self.encoder: Encoder | None = None
        self.ended: deque[Any] = deque()
        self.append = self.ended.append
        self.recorded = 0
        self.sampled_out = 0
        self.dropped = 0

    def take(self, ended: Any, spans: int) -> None:
        """Keep an ended span, or a group of so many; when the buffer is full the oldest goes and is counted."""
        self.recorded += spans
        if self.encoder is not None and self.encoder.add(ended, spans):
            return
        waiting = len(self.ended)
        if waiting >= self.max_queue_size:
            self.dropped += self.ended.popleft().count
        self.append(ended)
        if waiting + 1 == self.wake_at and self.wake is not None:
            self.wake()

    def waiting(self) -> int:
        """How many spans, or groups of them, the export thread has not taken out."""
        return len(self.ended) + (self.encoder.waiting() if self.encoder is not None else 0)

    def take_out(self, count: int) -> list[Any]:
        """The oldest that have ended, `count` entries at most."""
        taken: list[Any] = []
        while self.ended and len(taken) < count:
            taken.append(self.ended.popleft())
        return taken
