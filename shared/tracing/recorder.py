# cython: language_level=3, annotation_typing=False
"""The recorder: the TracerProvider and Tracer that stand behind the plain OpenTelemetry API and start our spans.

Like `span`, the same source runs compiled (`recorder.pxd` holds the C types) or as plain Python.
"""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from time import monotonic_ns, time_ns
from types import TracebackType
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.attributes import clean_attributes
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.span import CLOCK_REUSE_NS, Resource, Scope, Span, SpanBuffer, random_bits
from shared.tracing.w3c import MASK_64, RANDOM_TRACE_ID, SAMPLED, parse_traceparent

# The variable in which the OpenTelemetry API keeps the context; another runtime context is used through the API.
_variable = getattr(context_api._RUNTIME_CONTEXT, "_current_context", None)
get_context: Callable[[], Context] = _variable.get if _variable is not None else context_api.get_current
set_context: Callable[[Context], Any] = _variable.set if _variable is not None else context_api.attach


def start_child(
    parent: Span, scope: Scope, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, start_ns: int | None
) -> Span:
    """Start a child of a span of this process."""
    span = Span(parent.buffer, scope, name, kind)
    span.trace_high = parent.trace_high
    span.trace_low = parent.trace_low
    span.parent_id = parent.span_id
    span.state = parent.state
    span.flags = parent.flags
    begin(span, parent, attributes, start_ns)
    return span


def start_under(
    parent: SpanContext,
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a child of any span context; a root span if that is not valid."""
    span = Span(buffer, scope, name, kind)
    if parent.is_valid:
        trace_id: Any = parent.trace_id
        span.trace_high = trace_id >> 64
        span.trace_low = trace_id & MASK_64
        span.parent_id = parent.span_id
        span.parent_remote = parent.is_remote
        span.state = parent.trace_state or None
        span.flags = int(parent.trace_flags)
    begin(span, None, attributes, start_ns)
    return span


def start_remote_child(
    traceparent: str,
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a child of the span that a W3C header names; a root span if the header is empty or malformed."""
    span = Span(buffer, scope, name, kind)
    parsed = parse_traceparent(traceparent)
    if parsed is not None:
        span.trace_high, span.trace_low, span.parent_id, span.flags = parsed
        span.parent_remote = True
    begin(span, None, attributes, start_ns)
    return span


def begin(span: Span, parent: Span | None, attributes: Mapping[str, Any] | None, start_ns: int | None) -> None:
    """Give the span its ids, ask the sampler, and if it is kept note the start and the attributes."""
    buffer = span.buffer
    span.span_id = random_bits(64) or 1
    if not span.parent_id:
        span.trace_high = random_bits(64)
        span.trace_low = random_bits(64) or 1
        span.flags = RANDOM_TRACE_ID
    if span.parent_id and buffer.parent_based:
        kept = span.flags & SAMPLED
    else:
        kept = buffer.sampler.keep(span.trace_low, span.span_name, span.span_kind, attributes)
    if not kept:
        span.flags &= ~SAMPLED
        buffer.sampled_out += 1
        return
    span.flags |= SAMPLED
    span.recording = True
    now_ns = monotonic_ns()
    # Local children share their parent's clock, so a step of the wall clock cannot tear a trace apart.
    if parent is not None and parent.start_ns and now_ns + parent.clock_offset_ns < parent.start_ns + CLOCK_REUSE_NS:
        span.clock_offset_ns = parent.clock_offset_ns
    else:
        span.clock_offset_ns = time_ns() - now_ns
    span.start_ns = now_ns + span.clock_offset_ns if start_ns is None else start_ns
    if attributes:
        span.attribute_map, span.dropped_attributes = clean_attributes(
            attributes, buffer.span_attributes_max, buffer.span_value_length
        )


class CurrentSpan:
    """What `start_as_current_span` returns: a context manager, and a decorator of plain and async functions."""

    def __init__(
        self,
        tracer: "Tracer",
        name: str,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        links: Sequence[Link] | None,
        start_time: int | None,
        record_exception: bool,
        set_status_on_exception: bool,
        end_on_exit: bool,
    ) -> None:
        self.tracer = tracer
        self.name = name
        self.context = context
        self.kind = kind
        self.attributes = attributes
        self.links = links
        self.start_time = start_time
        self.record_exception = record_exception
        self.set_status_on_exception = set_status_on_exception
        self.end_on_exit = end_on_exit
        self.span: Span | None = None
        self.token: Any = None

    def __enter__(self) -> Any:
        outer = get_context()
        span = self.tracer.start_in(
            outer if self.context is None else self.context, self.name, self.kind, self.attributes, self.start_time
        )
        span.record_exceptions = self.record_exception
        span.set_status_on_exception = self.set_status_on_exception
        if self.links:
            add_links(span, self.links)
        inner = Context(outer)
        # The API's contexts refuse changes; this one is not shared yet.
        dict.__setitem__(inner, _SPAN_KEY, span)
        self.token = set_context(inner)
        self.span = span
        return span

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        context_api.detach(self.token)
        span = self.span
        if span is None:
            raise RuntimeError("start_as_current_span was left before it was entered.")
        # As the API has it: what is no Exception (cancellation, exit) is no error of the operation.
        if exception is not None and isinstance(exception, Exception):
            span.note_exception(exception)
        if self.end_on_exit:
            span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_async(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return await function(*args, **kwargs)

            return traced_async

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return traced

    def again(self) -> "CurrentSpan":
        """The same once more: a decorated function makes a span per call."""
        return CurrentSpan(
            self.tracer,
            self.name,
            self.context,
            self.kind,
            self.attributes,
            self.links,
            self.start_time,
            self.record_exception,
            self.set_status_on_exception,
            self.end_on_exit,
        )


def add_links(span: Span, links: Sequence[Link]) -> None:
    """Copy links given at the start of a span."""
    for link in links:
        span.add_link(link.context, link.attributes)


class Tracer:
    """Makes the spans of one instrumentation scope; implements `opentelemetry.trace.Tracer`."""

    def __init__(self, buffer: SpanBuffer, scope: Scope) -> None:
        self.buffer = buffer
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
        span = self.start_in(get_context() if context is None else context, name, kind, attributes, start_time)
        span.record_exceptions = record_exception
        span.set_status_on_exception = set_status_on_exception
        if links:
            add_links(span, links)
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
        return CurrentSpan(
            self,
            name,
            context,
            kind,
            attributes,
            links,
            start_time,
            record_exception,
            set_status_on_exception,
            end_on_exit,
        )

    def start_in(
        self,
        context: Context,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        start_ns: int | None,
    ) -> Span:
        """Start a span under whatever span `context` holds."""
        parent: Any = context.get(_SPAN_KEY)
        if parent is None:
            return start_under(INVALID_SPAN_CONTEXT, self.buffer, self.scope, name, kind, attributes, start_ns)
        if type(parent) is Span and parent.buffer is self.buffer:
            return start_child(parent, self.scope, name, kind, attributes, start_ns)
        parent_context = parent.get_span_context()
        return start_under(parent_context, self.buffer, self.scope, name, kind, attributes, start_ns)


trace.Tracer.register(Tracer)


class TracerProvider(trace.TracerProvider):
    """Our provider: one buffer of ended spans for all the tracers of the process."""

    def __init__(
        self,
        resource: Mapping[str, Any],
        sampler: Sampler,
        limits: Limits,
        max_queue_size: int = 32_768,
        wake_at: int = 512,
    ) -> None:
        self.resource = Resource(resource)
        self.buffer = SpanBuffer(self.resource, sampler, limits, max_queue_size, wake_at)
        self.flusher: Callable[[float], bool] | None = None
        self.stopper: Callable[[], None] | None = None

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Any:
        """A tracer for one instrumentation scope."""
        version, url = instrumenting_library_version or "", schema_url or ""
        return Tracer(self.buffer, Scope(instrumenting_module_name or "", version, url, attributes))

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is buffered. True if it all left within the time."""
        return self.flusher is None or self.flusher(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is buffered and stop the export."""
        if self.stopper is not None:
            self.stopper()
