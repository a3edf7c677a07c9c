# cython: language_level=3, annotation_typing=False
"""The recorder: the TracerProvider, Tracer and Span that stand behind the plain OpenTelemetry API.

Everything here runs inside the request, so it only notes facts: ids, times, attributes, one append to a bounded
buffer at the end. Encoding and sending happen in a thread of their own (`export`), sampling rules in `sampling`.
The same source runs compiled (C types come from `recorder.pxd`) or as plain Python.
"""

import contextlib
import logging
import os
import random
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns, time_ns
from types import MappingProxyType, TracebackType
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status, StatusCode, TraceState
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.attributes import clean_attributes, clean_value
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits

logger = logging.getLogger(__name__)

SAMPLED = 0x01
RANDOM_TRACE_ID = 0x02
CLOCK_REUSE_NS = 60_000_000_000
MASK_64 = 0xFFFFFFFFFFFFFFFF

_random = random.Random()
_random_bits = _random.getrandbits
os.register_at_fork(after_in_child=_random.seed)

_runtime = context_api._RUNTIME_CONTEXT
_context_variable = getattr(_runtime, "_current_context", None)


def current_context() -> Context:
    """The OpenTelemetry context of this task or thread."""
    return _context_variable.get() if _context_variable is not None else context_api.get_current()


class Span:
    """One operation of a trace, implementing `opentelemetry.trace.Span` (registered as its virtual subclass).

    A span that was sampled out is the same object with `recording` False: it has ids to pass on and ignores the rest.
    Times are integers in nanoseconds since the Unix epoch.
    """

    __slots__ = (
        "attributes_map",
        "clock_offset_ns",
        "context_cache",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_ns",
        "event_list",
        "flags",
        "link_list",
        "parent_id",
        "parent_remote",
        "record_exceptions",
        "recording",
        "set_status_on_exception",
        "span_id",
        "span_kind",
        "span_name",
        "start_ns",
        "state",
        "status_code",
        "status_message",
        "trace_high",
        "trace_low",
        "tracer",
    )

    def __init__(self, tracer: "Tracer", name: str, kind: SpanKind) -> None:
        self.tracer = tracer
        self.span_name = name
        self.span_kind = kind
        self.parent_id = 0
        self.parent_remote = False
        self.recording = False
        self.state: TraceState | None = None
        self.attributes_map: dict[str, Any] | None = None
        self.event_list: list[Event] | None = None
        self.link_list: list[Link] | None = None
        self.context_cache: SpanContext | None = None
        self.status_code = 0
        self.status_message: str | None = None
        self.start_ns = 0
        self.end_ns = 0
        self.dropped_attributes = 0
        self.dropped_events = 0
        self.dropped_links = 0
        self.record_exceptions = True
        self.set_status_on_exception = True

    def get_span_context(self) -> SpanContext:
        """The immutable ids of this span, made on first use."""
        if self.context_cache is None:
            trace_id = (int(self.trace_high) << 64) | int(self.trace_low)
            self.context_cache = SpanContext(trace_id, self.span_id, False, trace.TraceFlags(self.flags), self.state)
        return self.context_cache

    def traceparent(self) -> str:
        """The W3C `traceparent` header value that makes another span a child of this one."""
        return f"00-{self.trace_high:016x}{self.trace_low:016x}-{self.span_id:016x}-{self.flags:02x}"

    def trace_id_hex(self) -> str:
        """The trace id as 32 lower-case hexadecimal digits."""
        return f"{self.trace_high:016x}{self.trace_low:016x}"

    def is_recording(self) -> bool:
        """True from the start to the end of a sampled span."""
        return self.recording

    def set_attribute(self, key: str, value: Any) -> None:
        """Set one attribute; beyond the count limit new keys are dropped and counted, as the specification has it."""
        if not self.recording:
            return
        if type(value) is not str or self.tracer.provider.limits.span_value_length is not None:
            value = clean_value(value, self.tracer.provider.limits.span_value_length)
        if self.attributes_map is None:
            self.attributes_map = {}
        if not key or (
            len(self.attributes_map) >= self.tracer.provider.limits.span_attributes and key not in self.attributes_map
        ):
            self.dropped_attributes += 1
            return
        self.attributes_map[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Set several attributes, as `set_attribute` does each."""
        for key, value in attributes.items():
            self.set_attribute(key, value)

    def add_event(self, name: str, attributes: Mapping[str, Any] | None = None, timestamp: int | None = None) -> None:
        """Note something that happened now, or at `timestamp` (ns); beyond the limit the oldest event is dropped."""
        if not self.recording:
            return
        limits = self.tracer.provider.limits
        cleaned, dropped = clean_attributes(attributes, limits.event_attributes, limits.value_length)
        event = Event(name, timestamp if timestamp is not None else self.now_ns(), cleaned, dropped)
        if self.event_list is None:
            self.event_list = []
        self.event_list.append(event)
        if len(self.event_list) > limits.events:
            del self.event_list[0]
            self.dropped_events += 1

    def add_link(self, context: SpanContext, attributes: Mapping[str, Any] | None = None) -> None:
        """Point at another span; beyond the limit the oldest link is dropped."""
        if not self.recording or context is None:
            return
        if not (context.is_valid or attributes or context.trace_state):
            return
        limits = self.tracer.provider.limits
        cleaned, dropped = clean_attributes(attributes, limits.link_attributes, limits.value_length)
        if self.link_list is None:
            self.link_list = []
        self.link_list.append(BoundedLink(context, cleaned, dropped))
        if len(self.link_list) > limits.links:
            del self.link_list[0]
            self.dropped_links += 1

    def update_name(self, name: str) -> None:
        """Give the span a better name, e.g. once the route is known."""
        if self.recording:
            self.span_name = name

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
            self.status_message = message if code == 2 else None

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
            "exception.message": str(exception),
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
        self.end_ns = end_time if end_time is not None else monotonic_ns() + self.clock_offset_ns
        self.recording = False
        self.tracer.provider.take(self)

    def now_ns(self) -> int:
        """Now on this span's clock: wall time at the local root, monotonic from there on."""
        return monotonic_ns() + self.clock_offset_ns

    def note_exception(self, exception: BaseException) -> None:
        """What leaving a `with` block by an exception does to a span."""
        if self.recording:
            if self.record_exceptions:
                self.record_exception(exception, None, None, True)
            if self.set_status_on_exception:
                self.set_status(StatusCode.ERROR, f"{type(exception).__name__}: {exception}")

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
        trace_id = (int(self.trace_high) << 64) | int(self.trace_low)
        return SpanContext(trace_id, self.parent_id, bool(self.parent_remote), trace.TraceFlags(self.flags), self.state)

    @property
    def attributes(self) -> Mapping[str, Any]:
        """A read-only view of the attributes."""
        return MappingProxyType(self.attributes_map or {})

    @property
    def events(self) -> Sequence["Event"]:
        """The events so far, oldest first."""
        return tuple(self.event_list or ())

    @property
    def links(self) -> Sequence[Link]:
        """The links so far, oldest first."""
        return tuple(self.link_list or ())

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
    def resource(self) -> "Resource":
        """Who made this span."""
        return self.tracer.provider.resource

    @property
    def instrumentation_scope(self) -> "Scope":
        """Which library made this span."""
        return self.tracer.scope

    def __repr__(self) -> str:
        return f"Span({self.span_name!r}, {self.traceparent()})"


trace.Span.register(Span)


class Event:
    """Something that happened inside a span at `timestamp` (ns since the Unix epoch)."""

    __slots__ = ("attributes", "dropped_attributes", "name", "timestamp")

    def __init__(self, name: str, timestamp: int, attributes: dict[str, Any] | None, dropped: int) -> None:
        self.name = name
        self.timestamp = timestamp
        self.attributes = attributes
        self.dropped_attributes = dropped


class BoundedLink(Link):
    """A link whose attributes were cleaned, with the number of those dropped."""

    def __init__(self, context: SpanContext, attributes: dict[str, Any] | None, dropped: int) -> None:
        super().__init__(context, attributes)
        self._dropped = dropped

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the limit cost."""
        return self._dropped


class Scope:
    """The instrumentation scope: the library that makes the spans."""

    __slots__ = ("attributes", "name", "schema_url", "version")

    def __init__(self, name: str, version: str, schema_url: str, attributes: Mapping[str, Any] | None) -> None:
        self.name = name
        self.version = version
        self.schema_url = schema_url
        self.attributes = attributes


class Resource:
    """The process that makes the spans, as attributes."""

    __slots__ = ("attributes",)

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.attributes = MappingProxyType(dict(attributes))


class CurrentSpan(contextlib.ContextDecorator):
    """What `start_as_current_span` returns: a context manager, and a decorator of plain and async functions."""

    def __init__(self, start: Callable[[], Any], context: Context | None, end_on_exit: bool) -> None:
        self.start = start
        self.context = context
        self.end_on_exit = end_on_exit

    def _recreate_cm(self) -> "CurrentSpan":
        return CurrentSpan(self.start, self.context, self.end_on_exit)

    def __call__(self, function: Any) -> Any:
        import functools
        import inspect

        if not inspect.iscoroutinefunction(function):
            return super().__call__(function)

        @functools.wraps(function)
        async def traced(*args: Any, **kwargs: Any) -> Any:
            with self._recreate_cm():
                return await function(*args, **kwargs)

        return traced

    def __enter__(self) -> Any:
        self.span = self.start()
        self.token = context_api.attach(trace.set_span_in_context(self.span))
        return self.span

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        context_api.detach(self.token)
        if exception is not None and isinstance(exception, Exception):
            self.span.note_exception(exception)
        if self.end_on_exit:
            self.span.end()


class Tracer:
    """Makes the spans of one instrumentation scope; implements `opentelemetry.trace.Tracer`."""

    __slots__ = ("__weakref__", "provider", "scope")

    def __init__(self, provider: "TracerProvider", scope: Scope) -> None:
        self.provider = provider
        self.scope = scope

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> Any:
        """Start a span under the current one, or under the one in `context`, without making it current."""
        if context is None:
            context = current_context()
        parent = context.get(_SPAN_KEY)
        if type(parent) is Span:
            span = self.child_of(parent, name, kind, attributes, start_time)
        else:
            parent_context = parent.get_span_context() if parent is not None else INVALID_SPAN_CONTEXT
            span = self.child_of_context(parent_context, name, kind, attributes, start_time)
        span.record_exceptions = record_exception
        span.set_status_on_exception = set_status_on_exception
        if links and span.recording:
            for link in links:
                span.add_link(link.context, link.attributes)
        return span

    def start_as_current_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> CurrentSpan:
        """Context manager (or decorator): start a span, make it current for the block, end it."""

        def start() -> Any:
            return self.start_span(
                name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
            )

        return CurrentSpan(start, context, end_on_exit)

    def child_of(
        self, parent: Span, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, start_ns: int | None
    ) -> Span:
        """Start a child of a span of this process."""
        span = Span(self, name, kind)
        span.trace_high = parent.trace_high
        span.trace_low = parent.trace_low
        span.parent_id = parent.span_id
        span.state = parent.state
        span.flags = parent.flags
        self.begin(span, parent, attributes, start_ns)
        return span

    def child_of_context(
        self,
        parent: SpanContext,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        start_ns: int | None,
    ) -> Span:
        """Start a child of any valid span context; a root span if it is not valid."""
        span = Span(self, name, kind)
        if parent.is_valid:
            span.trace_high = parent.trace_id >> 64
            span.trace_low = parent.trace_id & MASK_64
            span.parent_id = parent.span_id
            span.parent_remote = parent.is_remote
            span.state = parent.trace_state or None
            span.flags = int(parent.trace_flags)
        else:
            self.make_root(span)
        self.begin(span, None, attributes, start_ns)
        return span

    def child_of_traceparent(
        self, traceparent: str, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, start_ns: int | None
    ) -> Span:
        """Start a child of a remote span named by its W3C header; a root span if the header is empty or malformed."""
        span = Span(self, name, kind)
        parsed = parse_traceparent(traceparent)
        if parsed is None:
            self.make_root(span)
        else:
            span.trace_high, span.trace_low, span.parent_id, span.flags = parsed
            span.parent_remote = True
        self.begin(span, None, attributes, start_ns)
        return span

    def make_root(self, span: Span) -> None:
        """Give a span a trace of its own."""
        span.trace_high = _random_bits(64)
        span.trace_low = _random_bits(64) or 1
        span.flags = RANDOM_TRACE_ID

    def begin(
        self, span: Span, parent: Span | None, attributes: Mapping[str, Any] | None, start_ns: int | None
    ) -> None:
        """Sample, and if kept note the start and the attributes."""
        provider = self.provider
        span.span_id = _random_bits(64) or 1
        sampler = provider.sampler
        if span.parent_id and sampler.parent_based:
            kept = span.flags & SAMPLED
        else:
            kept = sampler.keep(span.trace_low, span.span_name, span.span_kind, attributes)
        if not kept:
            span.flags &= ~SAMPLED
            provider.sampled_out += 1
            return
        span.flags |= SAMPLED
        span.recording = True
        now_ns = monotonic_ns()
        # Local children share their parent's clock, so a step of the wall clock cannot tear a trace apart.
        if (
            parent is not None
            and parent.start_ns
            and now_ns + parent.clock_offset_ns - parent.start_ns < CLOCK_REUSE_NS
        ):
            span.clock_offset_ns = parent.clock_offset_ns
        else:
            span.clock_offset_ns = time_ns() - now_ns
        span.start_ns = start_ns if start_ns is not None else now_ns + span.clock_offset_ns
        if attributes:
            limits = provider.limits
            span.attributes_map, span.dropped_attributes = clean_attributes(
                attributes, limits.span_attributes, limits.span_value_length
            )


trace.Tracer.register(Tracer)


class TracerProvider(trace.TracerProvider):
    """Holds what all spans of a process share: resource, sampler, limits and the bounded buffer of ended spans.

    `wake` is called when the buffer has `wake_at` spans, so that a burst does not have to wait for the timer.
    """

    def __init__(
        self,
        resource: Mapping[str, Any],
        sampler: Sampler,
        limits: Limits,
        max_queue_size: int = 32_768,
        wake_at: int = 512,
    ) -> None:
        self.resource = Resource(resource)
        self.sampler = sampler
        self.limits = limits
        self.max_queue_size = max_queue_size
        self.wake_at = wake_at
        self.wake: Callable[[], None] | None = None
        self.buffer: deque[Span] = deque()
        self.recorded = 0
        self.sampled_out = 0
        self.dropped_full = 0

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Any:
        """A tracer for one instrumentation scope."""
        version, url = instrumenting_library_version or "", schema_url or ""
        return Tracer(self, Scope(instrumenting_module_name or "", version, url, attributes))

    def take(self, span: Span) -> None:
        """Put an ended span into the buffer; when it is full the oldest goes and is counted."""
        self.recorded += 1
        buffer = self.buffer
        if len(buffer) >= self.max_queue_size:
            buffer.popleft()
            self.dropped_full += 1
        buffer.append(span)
        if len(buffer) == self.wake_at and self.wake is not None:
            self.wake()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is buffered. True if it all left within the time."""
        from shared.tracing import setup

        return setup.flush(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is buffered and stop the export."""
        from shared.tracing import setup

        setup.shutdown_tracing()


def parse_traceparent(header: str) -> tuple[int, int, int, int] | None:
    """(trace id high, trace id low, span id, flags) of a W3C header, None if malformed (Trace Context level 2, 3.2)."""
    if len(header) < 55 or header[2] != "-" or header[35] != "-" or header[52] != "-":
        return None
    if (len(header) > 55 and (header[55] != "-" or header[:2] == "00")) or header[:2] == "ff":
        return None
    digits = header[0:2] + header[3:35] + header[36:52] + header[53:55]
    if not digits.isascii() or not digits.isalnum() or digits != digits.lower():
        return None
    try:
        number = int(digits, 16)
    except ValueError:
        return None
    span_id = (number >> 8) & MASK_64
    low = (number >> 72) & MASK_64
    high = (number >> 136) & MASK_64
    if not span_id or not (high or low):
        return None
    return high, low, span_id, number & 0xFF


def exception_type(exception: BaseException) -> str:
    """The full type name, without the module for built-in exceptions."""
    kind = type(exception)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
