# cython: language_level=3, annotation_typing=False
"""Spans that become bytes the moment they end: the way to backends that speak OTLP.

What a span is made of lies in the processor's cache while it ends, and in a busy service has been pushed out of it when
the export thread comes round. So an ended span is redacted and written at once, behind the others of its
instrumentation scope, and forgotten: what waits to be sent are bytes, no objects.
"""

from collections import deque
from typing import Any

import cython

from shared.tracing.buffer import Encoder, SpanBuffer
from shared.tracing.origin import Scope
from shared.tracing.otlp import close_resource, close_scope, open_scope, write_entry
from shared.tracing.redact import redact_entry
from shared.tracing.span_group import Ended
from shared.tracing.wire import Writer, put_back, take_writer

COMPILED = cython.compiled
"""In plain Python a thread may be interrupted anywhere, so `OtlpEncoder` is for one thread there."""

REQUEST_BYTES_MAX = 512 * 1024
"""A request with more is full. Receivers of gRPC take 4 MB by default."""


class OtlpEncoder(Encoder):
    """The open request, and those that are full, as bytes.

    One thread at a time writes: whoever comes while another does, because the interpreter switched threads or because
    what is encoded ended a span itself, is sent away, and the span takes the way by the buffer. A request is full with
    `spans_max` spans; beyond the bound of the buffer the oldest full one goes and is counted there.
    """

    def __init__(self, buffer: SpanBuffer, spans_max: int) -> None:
        self.buffer = buffer
        self.spans_max = spans_max
        self.writers: dict[Scope, Writer] = {}
        self.scope: Scope | None = None
        self.writer: Any = None
        self.spans = 0
        self.full: deque[tuple[int, bytes]] = deque()
        self.full_spans = 0
        self.busy = False

    def add(self, ended: Ended, spans: int) -> bool:
        """Write what has ended; False if that can't be done now, or not at all."""
        if self.busy:
            return False
        self.busy = True
        try:
            scope = ended.scope
            if scope is not self.scope:
                self.change_scope(scope)
            writer = self.writer
            start = writer.size
            try:
                redact_entry(ended)
                write_entry(writer, ended)
            except Exception:
                # The export thread comes upon the same, and has the time to say so.
                writer.take_back(start)
                return False
            except BaseException:
                writer.take_back(start)
                raise
            self.spans += spans
            if self.spans >= self.spans_max or writer.size >= REQUEST_BYTES_MAX:
                self.close()
                if self.buffer.wake is not None:
                    self.buffer.wake()
        finally:
            self.busy = False
        return True

    def change_scope(self, scope: Scope) -> None:
        """Write behind the spans of another scope from now on."""
        writer = self.writers.get(scope)
        if writer is None:
            writer = self.writers[scope] = take_writer()
            open_scope(writer, scope)
        self.scope = scope
        self.writer = writer

    def close(self) -> None:
        """Finish the open request: one part for each scope, since the fields of messages in a row are those of one."""
        parts = []
        for scope, writer in self.writers.items():
            close_scope(writer, scope, 0)
            close_resource(writer, self.buffer.resource)
            parts.append(writer.finish())
            put_back(writer)
        self.writers.clear()
        self.scope = self.writer = None
        self.full.append((self.spans, parts[0] if len(parts) == 1 else b"".join(parts)))
        self.full_spans += self.spans
        self.spans = 0
        while self.full_spans > self.buffer.max_queue_size:
            spans, _ = self.full.popleft()
            self.full_spans -= spans
            self.buffer.dropped += spans

    def waiting(self) -> int:
        """How many spans have not been taken out."""
        return self.full_spans + self.spans

    def close_open(self) -> bool:
        """Have the open request count as full; False while somebody writes it."""
        if self.busy:
            return False
        self.busy = True
        try:
            if self.spans:
                self.close()
        finally:
            self.busy = False
        return True

    def take_full(self) -> list[tuple[int, bytes]]:
        """The full requests, each with its number of spans, oldest first."""
        taken = list(self.full)
        self.full.clear()
        self.full_spans = 0
        return taken
