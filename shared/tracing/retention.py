# cython: language_level=3, annotation_typing=False
"""Retroactive sampling: spans that were sampled out wait in a bounded ring until it is known whether they matter.

A trace matters when one of its spans ends with an error, or its root is slow. The process that sees this keeps the
trace's id and announces it (`triggers`); every process then sends what it holds of that trace, and what still comes.
The idea is that of Hindsight (Zhang et al., NSDI 2023). The ring holds spans as they were recorded, since nearly all of
them are thrown away: to encode them first would take half the memory, and more time.

A trace is known here by the low half of its id, which is random (W3C trace context). Everything here but `announced`
runs on the export thread.
"""

import queue
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from shared.tracing.slowness import Slowness
from shared.tracing.span import Span
from shared.tracing.span_group import Ended, SpanGroup

SAMPLED = 0x01
ERROR = 2
SPAN_BYTES, ATTRIBUTE_BYTES = 450, 60
"""What a span and one of its attributes take in memory, roughly; what hangs on a span is not looked at one by one."""

ITEM_BYTES = 500
EVENT_BYTES = 2000
MEMBER_BYTES = 200
"""A place in a group, with its share of the group."""

KEPT_S = 60.0
"""How long a kept trace's id is remembered, for spans that end late."""

KEPT_MAX = 100_000


class Held:
    """What the ring holds of one trace: spans, and pairs of a group of spans and a place in it."""

    def __init__(self) -> None:
        self.key: int = 0
        self.since_s = 0.0
        self.size = 0
        self.entries: list[Any] = []


class Retention:
    """The ring, and the ids of the traces that are kept.

    `announce` is told of traces that were found to matter here. `hold_s` is how long spans wait, `bytes_max` bounds
    their memory (an estimate), `kept_per_s_max` how many traces this process may find to matter: in an outage, when
    all of them do, the trace backend is not flooded.
    """

    def __init__(
        self,
        slowness: Slowness,
        announce: Callable[[Sequence[int]], None],
        hold_s: float = 15.0,
        bytes_max: int = 32 * 1024 * 1024,
        kept_per_s_max: float = 500.0,
    ) -> None:
        self.slowness = slowness
        self.announce = announce
        self.hold_s = hold_s
        self.bytes_max = bytes_max
        self.kept_per_s_max = kept_per_s_max
        self.allowance = kept_per_s_max
        self.allowance_at_s = time.monotonic()
        self.announced: queue.SimpleQueue[int] = queue.SimpleQueue()
        # Beside each table its keys from the oldest on: the first key of a dictionary is found ever more slowly the
        # more were deleted before it.
        self.ring: dict[int, Held] = {}
        self.by_age: deque[Held] = deque()
        self.kept: set[int] = set()
        self.kept_by_age: deque[tuple[float, int]] = deque()
        self.size = 0
        self.held_spans = 0
        self.kept_spans = self.expired_spans = self.evicted_spans = 0
        self.triggers = self.triggers_limited = 0

    @property
    def counts(self) -> dict[str, int]:
        """What became of spans and triggers so far."""
        return {
            "kept": self.kept_spans,
            "expired": self.expired_spans,
            "evicted": self.evicted_spans,
            "triggers": self.triggers,
            "triggers_limited": self.triggers_limited,
        }

    def sort(self, batch: list[Ended]) -> list[Ended]:
        """Those of some ended spans that are to be sent, with what was held of their traces; the others are held."""
        now_s = time.monotonic()
        sending: list[Ended] = []
        triggered: list[int] = []
        for entry in batch:
            if isinstance(entry, SpanGroup):
                group = entry
                if group.parents[0].flags & SAMPLED:
                    sending.append(group)
                else:
                    self.sort_group(group, now_s, sending)
                continue
            span = entry
            slow = not span.parent_id and self.slowness.note(span.span_name, span.end_ns - span.start_ns)
            if span.flags & SAMPLED:
                sending.append(span)
                continue
            key: int = span.trace_low
            if key in self.kept:
                sending.append(span)
                self.kept_spans += 1
                continue
            self.hold(key, span, size_of(span), now_s)
            if (slow or span.status_code == ERROR) and self.allowed(now_s):
                triggered.append(key)
                self.release(key, now_s, sending)
        if triggered:
            self.announce(triggered)
        self.expire(now_s)
        return sending

    def due(self) -> list[Ended]:
        """What is held of traces that other processes announced; lets go of what has waited long enough."""
        now_s = time.monotonic()
        sending: list[Ended] = []
        while not self.announced.empty():
            self.release(self.announced.get_nowait(), now_s, sending)
        self.expire(now_s)
        return sending

    def sort_group(self, group: SpanGroup, now_s: float, sending: list[Ended]) -> None:
        """The same for a group of spans that were sampled out: each is sent with its trace, or held as its place."""
        for index in range(len(group.parents)):
            parent = group.parents[index]
            key: int = parent.trace_low
            if key in self.kept:
                sending.append(group.span(index))
                self.kept_spans += 1
            else:
                self.hold(key, (group, index), MEMBER_BYTES, now_s)

    def hold(self, key: int, entry: Any, size: int, now_s: float) -> None:
        """Put an entry of this size into the ring."""
        held = self.ring.get(key)
        if held is None:
            held = Held()
            held.key = key
            held.since_s = now_s
            self.ring[key] = held
            self.by_age.append(held)
        held.entries.append(entry)
        held.size += size
        self.size += size
        self.held_spans += 1

    def release(self, key: int, now_s: float, sending: list[Ended]) -> None:
        """Keep a trace from now on: what is held of it is to be sent, and what comes later will be."""
        if key in self.kept:
            return
        self.kept.add(key)
        self.kept_by_age.append((now_s, key))
        held = self.ring.pop(key, None)
        if held is not None:
            self.kept_spans += len(held.entries)
            for entry in held.entries:
                sending.append(entry[0].span(entry[1]) if isinstance(entry, tuple) else entry)
            self.forget(held)

    def allowed(self, now_s: float) -> bool:
        """Whether one more trace may be found to matter now; a token bucket with one second's worth."""
        allowance = self.allowance + (now_s - self.allowance_at_s) * self.kept_per_s_max
        self.allowance_at_s = now_s
        self.allowance = min(self.kept_per_s_max, allowance)
        if self.allowance < 1.0:
            self.triggers_limited += 1
            return False
        self.allowance -= 1.0
        self.triggers += 1
        return True

    def expire(self, now_s: float) -> None:
        """Let go of the oldest traces: those that nobody asked for in time, and as many as the ring's bound demands."""
        while self.by_age:
            held = self.by_age[0]
            if held.entries:
                in_time = now_s - held.since_s < self.hold_s
                if in_time and self.size <= self.bytes_max:
                    break
                if in_time:
                    self.evicted_spans += len(held.entries)
                else:
                    self.expired_spans += len(held.entries)
                del self.ring[held.key]
                self.forget(held)
            self.by_age.popleft()
        while self.kept_by_age and (len(self.kept) > KEPT_MAX or self.kept_by_age[0][0] + KEPT_S < now_s):
            self.kept.discard(self.kept_by_age.popleft()[1])

    def forget(self, held: Held) -> None:
        """A trace is no longer held."""
        self.size -= held.size
        self.held_spans -= len(held.entries)
        held.entries = []

    def clear(self) -> None:
        """Hold nothing: a forked child leaves its parent's spans to the parent."""
        self.ring.clear()
        self.by_age.clear()
        self.size = self.held_spans = 0


def size_of(span: Span) -> int:
    """The memory that a span takes, roughly."""
    size = SPAN_BYTES
    if span.item is not None:
        size += ITEM_BYTES
    if span.attribute_map is not None:
        size += ATTRIBUTE_BYTES * len(span.attribute_map)
    if span.event_list is not None:
        size += EVENT_BYTES * len(span.event_list)
    return size
