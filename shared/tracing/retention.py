# cython: language_level=3, annotation_typing=False
"""Retroactive sampling: spans that were sampled out wait in a bounded ring until it is known whether they matter.

A trace matters when one of its spans ends with an error, or its root is slow. The process that sees this keeps the
trace's id and announces it (`triggers`); every process then sends what it holds of that trace, and what still comes.
The idea is that of Hindsight (Zhang et al., NSDI 2023). The ring holds spans as they were recorded: that costs 0.65 µs
of CPU a span, encoding them first 1.75 µs for half the memory, and nearly all of them are thrown away.

Everything here but `announced` runs on the export thread.
"""

import queue
import time
from collections.abc import Callable, Sequence

from shared.tracing.slowness import Slowness
from shared.tracing.span import Ended, Span, SpanGroup

SAMPLED = 0x01
ERROR = 2
SPAN_BYTES, ATTRIBUTE_BYTES = 450, 60
"""What a span and one of its attributes take in memory, roughly; what hangs on a span is not looked at one by one."""

EVENT_BYTES = 2000
KEPT_S = 60.0
"""How long a kept trace's id is remembered, for spans that end late."""

KEPT_MAX = 100_000


class Held:
    """What the ring holds of one trace."""

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.size = 0
        self.spans: list[Span] = []


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
        self.ring: dict[int, Held] = {}
        self.kept: dict[int, float] = {}
        self.size = 0
        self.held_spans = 0
        self.counts = {"kept": 0, "expired": 0, "evicted": 0, "triggers": 0, "triggers_limited": 0}

    def sort(self, batch: list[Ended]) -> list[Ended]:
        """Those of some ended spans that are to be sent, with what was held of their traces; the others are held."""
        now_s = time.monotonic()
        sending: list[Ended] = []
        triggered: list[int] = []
        for entry in batch:
            if isinstance(entry, SpanGroup):
                sending.append(entry)
                continue
            span = entry
            slow = not span.parent_id and self.slowness.note(span.span_name, span.end_ns - span.start_ns)
            if span.flags & SAMPLED:
                sending.append(span)
                continue
            key = span.trace_id()
            if key in self.kept:
                sending.append(span)
                self.counts["kept"] += 1
                continue
            self.hold(key, span, now_s)
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

    def hold(self, key: int, span: Span, now_s: float) -> None:
        """Put a span into the ring."""
        held = self.ring.get(key)
        if held is None:
            held = self.ring[key] = Held(now_s)
        held.spans.append(span)
        size = SPAN_BYTES
        if span.attribute_map is not None:
            size += ATTRIBUTE_BYTES * len(span.attribute_map)
        if span.event_list is not None:
            size += EVENT_BYTES * len(span.event_list)
        held.size += size
        self.size += size
        self.held_spans += 1

    def release(self, key: int, now_s: float, sending: list[Ended]) -> None:
        """Keep a trace from now on: what is held of it is to be sent, and what comes later will be."""
        if key in self.kept:
            return
        self.kept[key] = now_s + KEPT_S
        if len(self.kept) > KEPT_MAX:
            del self.kept[next(iter(self.kept))]
        held = self.ring.pop(key, None)
        if held is not None:
            self.forget(held)
            self.counts["kept"] += len(held.spans)
            sending.extend(held.spans)

    def allowed(self, now_s: float) -> bool:
        """Whether one more trace may be found to matter now; a token bucket with one second's worth."""
        allowance = self.allowance + (now_s - self.allowance_at_s) * self.kept_per_s_max
        self.allowance_at_s = now_s
        self.allowance = min(self.kept_per_s_max, allowance)
        if self.allowance < 1.0:
            self.counts["triggers_limited"] += 1
            return False
        self.allowance -= 1.0
        self.counts["triggers"] += 1
        return True

    def expire(self, now_s: float) -> None:
        """Let go of the oldest traces: those that nobody asked for in time, and as many as the ring's bound demands."""
        while self.ring:
            key = next(iter(self.ring))
            held = self.ring[key]
            in_time = now_s - held.since_s < self.hold_s
            if in_time and self.size <= self.bytes_max:
                break
            del self.ring[key]
            self.forget(held)
            self.counts["evicted" if in_time else "expired"] += len(held.spans)
        while self.kept:
            key = next(iter(self.kept))
            if self.kept[key] > now_s:
                break
            del self.kept[key]

    def forget(self, held: Held) -> None:
        """Take a trace out of the sums."""
        self.size -= held.size
        self.held_spans -= len(held.spans)

    def clear(self) -> None:
        """Hold nothing: a forked child leaves its parent's spans to the parent."""
        self.ring.clear()
        self.size = self.held_spans = 0
