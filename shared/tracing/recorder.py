# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""The recorder: the TracerProvider and Tracer that stand behind the plain OpenTelemetry API and start our spans.

Like `span`, the same source runs compiled (`recorder.pxd` holds the C types) or as plain Python.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import cython
from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanContext, SpanKind
from opentelemetry.trace.propagation import _SPAN_KEY

from shared.tracing.attributes import clean_attributes
from shared.tracing.described import ItemAttributes
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.sources import monotonic_ns, next_id, wall_ns
from shared.tracing.span import BATCH_SIZE, RemoteLink, Resource, Scope, Span, SpanBuffer, new_span
from shared.tracing.w3c import MASK_64, ParentIds

Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)

# Trace flags, https://www.w3.org/TR/trace-context-2/#trace-flags
SAMPLED = 0x01
RANDOM_TRACE_ID = 0x02

# How long the children of a span go on using its clock.
CLOCK_REUSE_NS = 60_000_000_000

# The variable in which the OpenTelemetry API keeps the context; another runtime context is used through the API.
_variable = getattr(context_api._RUNTIME_CONTEXT, "_current_context", None)
get_context: Callable[[], Context] = _variable.get if _variable is not None else context_api.get_current
set_context: Callable[[Context], Any] = _variable.set if _variable is not None else context_api.attach
reset_context: Callable[[Any], None] = _variable.reset if _variable is not None else context_api.detach


def start_child(
    parent: Span, scope: Scope, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None, start_ns: int | None
) -> Span:
    """Start a child of a span of this process."""
    span = new_span(parent.buffer, scope, name, kind)
    span.trace_high = parent.trace_high
    span.trace_low = parent.trace_low
    span.parent_id = parent.span_id
    span.state = parent.state
    span.flags = parent.flags
    begin(span, parent, attributes, start_ns)
    return span


def start_root(
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, Any] | None,
    start_ns: int | None,
) -> Span:
    """Start a span that begins a trace."""
    span = new_span(buffer, scope, name, kind)
    begin(span, None, attributes, start_ns)
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
    span = new_span(buffer, scope, name, kind)
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
    span = new_span(buffer, scope, name, kind)
    continue_remote(span, traceparent, ParentIds())
    begin(span, None, attributes, start_ns)
    return span


def start_items(
    buffer: SpanBuffer,
    scope: Scope,
    name: str,
    kind: SpanKind,
    traceparents: Sequence[str],
    described: ItemAttributes | None,
    items: Sequence[Any] | None,
    start_ns: int | None,
    attributes: Sequence[Mapping[str, Any]] | None,
    links: Sequence[str | None] | None,
) -> list[Span]:
    """Start the spans of a batch, each a child of its own `traceparent`, all at the same time.

    Their attributes are described and read from `items`, or given one by one; `links` are as `item_spans` has them.
    """
    ids = ParentIds()
    now_ns = monotonic_ns()
    offset_ns = wall_ns() - now_ns
    size = len(traceparents)
    known = 1 if described is None else described.count + 1
    limited = buffer.span_value_length is not None or known > buffer.span_attributes_max
    spans: list[Span] = []
    for index in range(size):
        span = new_span(buffer, scope, name, kind)
        continue_remote(span, traceparents[index], ids)
        own = None if attributes is None else attributes[index]
        item = None if described is None else items[index]  # type: ignore[index]
        # A sampler that is to decide wants to see them.
        if described is not None and (limited or not buffer.parent_based or not span.parent_id):
            own = described.attributes(item)
        if decide(span, own):
            span.clock_offset_ns = offset_ns
            span.start_ns = now_ns + offset_ns if start_ns is None else start_ns
            if described is not None and not limited:
                span.described = described
                span.item = item
            elif own is not None:
                span.attribute_map, span.dropped_attributes = clean_attributes(
                    own, buffer.span_attributes_max, buffer.span_value_length
                )
            if not limited:
                span.batch_size = size
            elif size > 1:
                span.set_attribute(BATCH_SIZE, size)
            if links is not None and links[index] and ids.read(links[index]):  # type: ignore[arg-type]
                span.append_link(RemoteLink(ids.trace_high, ids.trace_low, ids.span_id, ids.flags))
            if buffer.sampler.tells:
                tell(span, own)
        spans.append(span)
    return spans


def continue_remote(span: Span, traceparent: str, ids: ParentIds) -> None:
    """Give a new span the parent that a W3C header names; none if the header is empty or malformed."""
    if ids.read(traceparent):
        span.trace_high = ids.trace_high
        span.trace_low = ids.trace_low
        span.parent_id = ids.span_id
        span.flags = ids.flags
        span.parent_remote = True


def decide(span: Span, attributes: Mapping[str, Any] | None) -> bool:
    """Give the span its ids and ask the sampler; whether it is recorded."""
    buffer = span.buffer
    span.span_id = next_id()
    if not span.parent_id:
        span.trace_high = next_id()
        span.trace_low = next_id()
        span.flags = RANDOM_TRACE_ID
    if span.parent_id and buffer.parent_based:
        kept = span.flags & SAMPLED
    else:
        kept = buffer.sampler.keep(span.trace_low, span.span_name, span.span_kind, attributes)
    if kept:
        span.flags |= SAMPLED
    else:
        span.flags &= ~SAMPLED
        buffer.sampled_out += 1
        if not buffer.records_unsampled:
            return False
    span.recording = True
    return True


def begin(span: Span, parent: Span | None, attributes: Mapping[str, Any] | None, start_ns: int | None) -> None:
    """Give the span its ids, ask the sampler, and if it is recorded note the start and the attributes."""
    if not decide(span, attributes):
        return
    buffer = span.buffer
    now_ns = monotonic_ns()
    # Local children share their parent's clock, so a step of the wall clock cannot tear a trace apart.
    if parent is not None and parent.start_ns and now_ns + parent.clock_offset_ns < parent.start_ns + CLOCK_REUSE_NS:
        span.clock_offset_ns = parent.clock_offset_ns
    else:
        span.clock_offset_ns = wall_ns() - now_ns
    span.start_ns = now_ns + span.clock_offset_ns if start_ns is None else start_ns
    if attributes:
        span.attribute_map, span.dropped_attributes = clean_attributes(
            attributes, buffer.span_attributes_max, buffer.span_value_length
        )
    if buffer.sampler.tells:
        tell(span, attributes)


def tell(span: Span, attributes: Mapping[str, Any] | None) -> None:
    """Have the sampler say on the root span of a trace why it was kept."""
    if span.flags & SAMPLED and not span.parent_id:
        span.set_attributes(span.buffer.sampler.told(span.span_name, attributes))


def span_in(context: Context) -> Any:
    """The span that a context holds, None if it holds none."""
    if cython.compiled and isinstance(context, dict):
        # Every context is one, of a class of its own, whose `get` would be looked up as any method.
        return cython.cast(dict, context).get(_SPAN_KEY)
    return context.get(_SPAN_KEY)


def context_with(outer: Context, span: Span) -> Context:
    """A copy of a context in which `span` is the current one. Contexts refuse changes, but nobody has seen this yet."""
    if cython.compiled:
        # Most contexts hold a span and nothing else: to fill an empty one costs half of a copy.
        inner = Context() if not outer or (len(outer) == 1 and _SPAN_KEY in outer) else Context(outer)
        PyDict_SetItem(inner, _SPAN_KEY, span)
    else:
        inner = Context(outer)
        dict.__setitem__(inner, _SPAN_KEY, span)
    return inner


class CurrentSpan:
    """What `start_as_current_span` returns: a context manager, and a decorator of plain and async functions."""

    # Filled field by field in `Tracer.start_as_current_span`: a constructor of ten arguments costs more than the rest.
    tracer: "Tracer"
    name: str
    context: Context | None
    kind: SpanKind
    attributes: Mapping[str, Any] | None
    links: Sequence[Link] | None
    start_time: int | None
    record_exception: bool
    set_status_on_exception: bool
    end_on_exit: bool
    span: Span
    token: Any

    def __enter__(self) -> Any:
        outer = get_context()
        span = self.tracer.start_in(
            outer if self.context is None else self.context, self.name, self.kind, self.attributes, self.start_time
        )
        span.record_exceptions = self.record_exception
        span.set_status_on_exception = self.set_status_on_exception
        if self.links:
            add_links(span, self.links)
        self.token = set_context(context_with(outer, span))
        self.span = span
        return span

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, trace_back: TracebackType | None
    ) -> None:
        try:
            reset_context(self.token)
        except (ValueError, RuntimeError):
            # A generator that is closed in another task leaves its block there; the span still ends below.
            logger.exception("A span was left in another context than it was entered in.")
        span = self.span
        # As the API has it: what is no Exception (cancellation, exit) is no error of the operation.
        if exception is not None and isinstance(exception, Exception):
            span.note_exception(exception)
        if self.end_on_exit:
            span.end()

    def __call__(self, function: Function) -> Function:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_async(*args: Any, **kwargs: Any) -> Any:
                with self.again():
                    return await function(*args, **kwargs)

            return traced_async  # type: ignore[return-value]

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            with self.again():
                return function(*args, **kwargs)

        return traced  # type: ignore[return-value]

    def again(self) -> "CurrentSpan":
        """The same once more: a decorated function makes a span per call."""
        return self.tracer.start_as_current_span(
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
        current: CurrentSpan = CurrentSpan.__new__(CurrentSpan)
        current.tracer = self
        current.name = name
        current.context = context
        current.kind = kind
        current.attributes = attributes
        current.links = links
        current.start_time = start_time
        current.record_exception = record_exception
        current.set_status_on_exception = set_status_on_exception
        current.end_on_exit = end_on_exit
        return current

    def start_in(
        self,
        context: Context,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, Any] | None,
        start_ns: int | None,
    ) -> Span:
        """Start a span under whatever span `context` holds."""
        parent = span_in(context)
        if parent is None:
            return start_root(self.buffer, self.scope, name, kind, attributes, start_ns)
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
        self.tracers: dict[tuple[str, str, str], Tracer] = {}
        self.flusher: Callable[[float], bool] | None = None
        self.stopper: Callable[[], None] | None = None

    def get_tracer(  # type: ignore[override]  # our Tracer is registered as the API's, which mypy cannot see
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """The tracer of one instrumentation scope; the same one again where the scope has no attributes."""
        key = (instrumenting_module_name or "", instrumenting_library_version or "", schema_url or "")
        if attributes:
            return Tracer(self.buffer, Scope(*key, attributes))
        tracer = self.tracers.get(key)
        if tracer is None:
            tracer = self.tracers[key] = Tracer(self.buffer, Scope(*key, None))
        return tracer

    def identify(self, changed: Mapping[str, Any]) -> None:
        """Change attributes of the resource: a forked child is another process than its parent."""
        self.resource = self.buffer.resource = Resource({**self.resource.attributes, **changed})

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is buffered. True if it all left within the time."""
        return self.flusher is None or self.flusher(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is buffered and stop the export."""
        if self.stopper is not None:
            self.stopper()
