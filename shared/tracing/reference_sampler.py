"""Samplers written for the reference SDK (`opentelemetry.sdk.trace.sampling`), its own and anybody's, on our recorder.

    from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

    setup_tracing("service-name", sampler=TraceIdRatioBased(0.01))

What is asked is `should_sample`, so nothing of the SDK is imported here.
"""

import logging
from collections.abc import Mapping
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags

from shared.tracing.sampling import Sampler
from shared.tracing.span import Span

logger = logging.getLogger(__name__)

FOLLOWS_PARENT = (
    ",remoteParentSampled:AlwaysOnSampler,remoteParentNotSampled:AlwaysOffSampler"
    ",localParentSampled:AlwaysOnSampler,localParentNotSampled:AlwaysOffSampler}"
)
"""How `ParentBased` describes itself unless told otherwise: only roots need its word."""


class ShouldSample(Protocol):
    """What a sampler of the reference SDK has."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Any = None,
        trace_state: Any = None,
    ) -> Any:
        """Answers with a `SamplingResult`: `decision`, `attributes`, `trace_state`."""

    def get_description(self) -> str:
        """What kind of sampler it is, with its figures."""


class ReferenceSampler(Sampler):
    """Asks a sampler of the reference SDK about each span, as the SDK would, but for links: these are added later.

    RECORD_ONLY is as good as DROP, since spans that are not sampled have nobody here who would read them. A sampler
    that raises is reported once, and the span is kept.
    """

    def __init__(self, sampler: ShouldSample) -> None:
        super().__init__(1.0, parent_based=sampler.get_description().endswith(FOLLOWS_PARENT))
        self.tells = self.sees_spans = True
        self.sampler = sampler
        self.failed = False
        self.added: dict[int, Mapping[str, Any]] = {}

    def keep_span(self, span: Span, attributes: Mapping[str, Any] | None) -> bool:
        """What the sampler says of this span, whose `tracestate` and attributes it may change."""
        try:
            result = self.sampler.should_sample(
                _parent_of(span), span.trace_id(), span.span_name, span.span_kind, attributes, (), span.state
            )
            if result.trace_state is not None:
                span.state = result.trace_state or None
            if not result.decision.is_sampled():
                return False
            if result.attributes and result.attributes != attributes:
                self.added[span.span_id] = result.attributes
        except Exception:
            if not self.failed:
                logger.exception("The sampler %r failed; what it says nothing about is kept.", self.sampler)
            self.failed = True
        return True

    def told(self, span: Span, attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The attributes that the sampler answered with."""
        return self.added.pop(span.span_id, {})


def sampler_of(given: Sampler | ShouldSample) -> Sampler:
    """A sampler of ours as it is, one of the reference SDK in its adapter. Raises TypeError for what is neither."""
    if isinstance(given, Sampler):
        return given
    if not hasattr(given, "should_sample") or isinstance(given, type):
        raise TypeError(
            f"A sampler has should_sample(), as those of opentelemetry.sdk.trace.sampling; {given!r} has not."
        )
    return ReferenceSampler(given)


def _parent_of(span: Span) -> Context:
    """The context that the span starts in: its parent, and the baggage at hand."""
    if not span.parent_id:
        return Context()
    parent = SpanContext(span.trace_id(), span.parent_id, span.parent_remote, TraceFlags(span.flags), span.state)
    return trace.set_span_in_context(NonRecordingSpan(parent))
