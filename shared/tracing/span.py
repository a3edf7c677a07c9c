# cython: language_level=3, annotation_typing=False
"""The span: what one operation of a trace notes about itself.

This runs inside the request, so it only notes facts: ids, times, attributes. Its end hands it on, to be written as
bytes there and then (`early`) or, for other protocols than OTLP, in the thread that sends them (`export`). The same
source runs compiled (`span.pxd` holds the C types) or as plain Python.
"""

import logging
import traceback
from collections.abc import Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Any

import cython
from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceState

from shared.tracing.attributes import clean_attributes, clean_key, clean_text, clean_time, clean_value
from shared.tracing.buffer import SpanBuffer
from shared.tracing.origin import Resource, Scope
from shared.tracing.sources import monotonic_ns
from shared.tracing.span_events import BoundedLink, Event, RemoteLink, exception_type
from shared.tracing.w3c import format_traceparent

logger = logging.getLogger(__name__)

BATCH_SIZE = "batch.size"


@cython.freelist(256)
@cython.no_gc
@cython.cclass
class Span:
    """One operation of a trace, implementing `opentelemetry.trace.Span` (registered as its virtual subclass).

    A span that was sampled out is the same object with `recording` False: it has ids to pass on and ignores the rest,
    unless the process samples retroactively (`SpanBuffer.records_unsampled`).
    Times are integers in nanoseconds since the Unix epoch.
    """

    def __init__(self, buffer: SpanBuffer, scope: Scope, name: str, kind: SpanKind) -> None:
        self.prepare(buffer, scope, name, kind)

    def prepare(self, buffer: SpanBuffer, scope: Scope, name: str, kind: SpanKind) -> None:
        """Fill in what every span begins with."""
        self.buffer = buffer
        self.scope = scope
        self.span_name = name if type(name) is str else clean_text(name)
        self.span_kind = kind
        # Attributes that are not in `attribute_map` yet: those of the item it is about, and the size of its batch.
        self.described: Any = None
        self.item: Any = None
        self.batch_size = 0
        self.trace_high = 0
        self.trace_low = 0
        self.span_id = 0
        self.parent_id = 0
        self.flags = 0
        self.parent_remote = False
        self.recording = False
        self.state: TraceState | None = None
        self.attribute_map: dict[str, Any] | None = None
        self.event_list: list[Event] | None = None
        self.link_list: list[Link | RemoteLink] | None = None
        self.context_made: SpanContext | None = None
        self.status_code = 0
        self.status_message: str | None = None
        self.start_ns = 0
        self.end_ns = 0
        self.clock_offset_ns = 0
        self.dropped_attributes = 0
        self.dropped_events = 0
        self.dropped_links = 0
        self.record_exceptions = True
        self.set_status_on_exception = True

    def get_span_context(self) -> SpanContext:
        """The immutable ids of this span, made on first use."""
        if self.context_made is None:
            flags = trace.TraceFlags(self.flags)
            self.context_made = SpanContext(self.trace_id(), self.span_id, False, flags, self.state)
        return self.context_made

    def trace_id(self) -> int:
        """The 128-bit id of the trace."""
        high: Any = self.trace_high
        return (high << 64) | self.trace_low  # type: ignore[no-any-return]

    def traceparent(self) -> str:
        """The W3C `traceparent` header value that makes another span a child of this one."""
        return format_traceparent(self.trace_high, self.trace_low, self.span_id, self.flags)

    def is_recording(self) -> bool:
        """True from the start to the end of a sampled span."""
        return self.recording

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; beyond the count limit new keys are dropped and counted, as the specification has it."""
        if not self.recording:
            return
        if type(key) is not str:
            key = clean_key(key)
        if type(value) is not str or self.buffer.span_value_length is not None:
            value = clean_value(value, self.buffer.span_value_length)
        if self.batch_size and (key == BATCH_SIZE or (self.described is not None and key in self.described.keys)):
            self.unfold()
        attributes = self.attribute_map
        if attributes is None:
            attributes = self.attribute_map = {}
        if not key or (len(attributes) + self.folded() >= self.buffer.span_attributes_max and key not in attributes):
            self.dropped_attributes += 1
            return
        attributes[key] = value

    def describe(self, described: Any, item: Any) -> None:
        """Take over the attributes that `described` (`ItemAttributes`) reads from an item, when the span is sent."""
        if not self.recording:
            return
        own = self.attribute_map
        many = (len(own) if own is not None else 0) + described.count > self.buffer.span_attributes_max
        if self.described is not None or many or self.buffer.span_value_length is not None:
            self.set_attributes(described.attributes(item))
            return
        if own is not None:
            for key in described.keys:
                own.pop(key, None)
        self.described = described
        self.item = item
        self.batch_size = self.batch_size or 1

    def folded(self) -> int:
        """How many attributes the span has beside those in its mapping."""
        if not self.batch_size:
            return 0
        return (self.batch_size > 1) + (self.described.count if self.described is not None else 0)

    def all_attributes(self) -> dict[str, Any] | None:
        """Its attributes in one mapping, in the order in which it got them."""
        if not self.batch_size:
            return self.attribute_map
        found: dict[str, Any] = {} if self.described is None else self.described.attributes(self.item)
        if self.batch_size > 1:
            found[BATCH_SIZE] = self.batch_size
        if self.attribute_map is not None:
            found.update(self.attribute_map)
        return found

    def unfold(self) -> None:
        """Bring all attributes into the span's mapping, e.g. because one of them is to be changed."""
        self.attribute_map = self.all_attributes()
        self.described = self.item = None
        self.batch_size = 0

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes, as `set_attribute` does each."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Note something that happened now, or at `timestamp` (ns); beyond the limit the oldest event is dropped."""
        if not self.recording:
            return
        limits = self.buffer.limits
        cleaned, dropped = clean_attributes(attributes, limits.event_attributes, limits.value_length)
        time_ns = self.now_ns() if timestamp is None else clean_time(timestamp)
        event = Event(clean_text(name), time_ns, cleaned, dropped)
        if self.event_list is None:
            self.event_list = []
        self.event_list.append(event)
        if len(self.event_list) > limits.events:
            del self.event_list[0]
            self.dropped_events += 1

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Point at another span; beyond the limit the oldest link is dropped."""
        if not self.recording or context is None or not (context.is_valid or attributes or context.trace_state):
            return
        limits = self.buffer.limits
        cleaned, dropped = clean_attributes(attributes, limits.link_attributes, limits.value_length)
        self.append_link(BoundedLink(context, cleaned, dropped))

    def append_link(self, link: Link | RemoteLink) -> None:
        """Add a link to a span that is recording."""
        if self.link_list is None:
            self.link_list = []
        self.link_list.append(link)
        if len(self.link_list) > self.buffer.limits.links:
            del self.link_list[0]
            self.dropped_links += 1

    def update_name(self, name: str) -> None:
        """Give the span a better name, e.g. once the route is known."""
        if self.recording:
            self.span_name = clean_text(name)

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Set the status. OK is final; UNSET changes nothing; a description belongs to ERROR only."""
        if not self.recording or self.status_code == 1:
            return
        if isinstance(status, Status):
            code, message = status.status_code.value, status.description
        else:
            code, message = status.value, description
        if code:
            self.status_code = code
            self.status_message = clean_text(message) if code == 2 and message else None

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, Any] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        """Add the `exception` event of the semantic conventions, stack trace included."""
        if not self.recording:
            return
        described: dict[str, Any] = {
            "exception.type": exception_type(exception),
            "exception.message": clean_text(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        if attributes:
            described.update(attributes)
        self.add_event("exception", described, timestamp)

    def end(self, end_time: int | None = None) -> None:
        """End the span, now or at `end_time` (ns), and hand it to the buffer. A second call only warns."""
        if not self.recording:
            if self.end_ns:
                logger.warning("Span %s was ended twice; the first end counts.", self.span_name)
            return
        self.end_at(monotonic_ns() + self.clock_offset_ns if end_time is None else clean_time(end_time))

    def end_at(self, end_ns: int) -> None:
        """End a span that is recording."""
        self.end_ns = end_ns
        self.recording = False
        self.buffer.take(self, 1)

    def now_ns(self) -> int:
        """Now on this span's clock: wall time at the local root, monotonic from there on."""
        return monotonic_ns() + self.clock_offset_ns

    def note_exception(self, exception: BaseException) -> None:
        """What leaving a `with` block by an exception does to a span."""
        if self.recording:
            if self.record_exceptions:
                self.record_exception(exception, None, None, True)
            if self.set_status_on_exception:
                self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {clean_text(exception)}")

    def __enter__(self) -> "Span":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        if exception is not None:
            self.note_exception(exception)
        self.end()

    # What the reference SDK's readable spans offer; instrumentations and tests look at these.
    @property
    def name(self) -> str:
        """The name as it is now."""
        return self.span_name

    @property
    def kind(self) -> SpanKind:
        """Server, client, producer, consumer or internal."""
        return self.span_kind

    @property
    def context(self) -> SpanContext:
        """Same as `get_span_context()`."""
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        """The ids of the parent, None for a root span."""
        if not self.parent_id:
            return None
        flags = trace.TraceFlags(self.flags)
        return SpanContext(self.trace_id(), self.parent_id, bool(self.parent_remote), flags, self.state)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A read-only view of the attributes."""
        return MappingProxyType(self.all_attributes() or {})

    @property
    def events(self) -> Sequence[Event]:
        """The events so far, oldest first."""
        return tuple(self.event_list or ())

    @property
    def links(self) -> Sequence[Link]:
        """The links so far, oldest first."""
        links = self.link_list or ()
        return tuple([link.link() if isinstance(link, RemoteLink) else link for link in links])

    @property
    def status(self) -> Status:
        """Unset, ok, or error with its description."""
        return Status(StatusCode(self.status_code), self.status_message)

    @property
    def start_time(self) -> int:
        """Nanoseconds since the Unix epoch."""
        return self.start_ns

    @property
    def end_time(self) -> int | None:
        """Nanoseconds since the Unix epoch, None while the span is open."""
        return self.end_ns or None

    @property
    def count(self) -> int:
        """One: a group of spans has more (`span_group`)."""
        return 1

    @property
    def resource(self) -> Resource:
        """Who made this span."""
        return self.buffer.resource

    @property
    def instrumentation_scope(self) -> Scope:
        """Which library made this span."""
        return self.scope

    def __repr__(self) -> str:
        return f"Span({self.span_name!r}, {self.traceparent()})"


trace.Span.register(Span)


def new_span(buffer: SpanBuffer, scope: Scope, name: str, kind: SpanKind) -> Span:
    """A span without ids or times; as `Span(...)`, without the price of a call from Python."""
    span: Span = Span.__new__(Span)
    span.prepare(buffer, scope, name, kind)
    return span
