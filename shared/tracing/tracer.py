# cython: language_level=3, annotation_typing=False
"""The tracer that stands behind the plain OpenTelemetry API, and the block in which its span is current.

Like `span`, the same source runs compiled (`tracer.pxd` holds the C types) or as plain Python.
"""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar

import cython
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, SpanKind

from shared.tracing.buffer import SpanBuffer
from shared.tracing.current import context_with, get_context, reset_context, set_context, span_in
from shared.tracing.origin import Scope
from shared.tracing.span import Span
from shared.tracing.starting import start_child, start_root, start_under

Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger(__name__)


@cython.freelist(64)
@cython.no_gc
@cython.cclass
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
