# cython: language_level=3, annotation_typing=False
"""Which traces are kept: the standard samplers of the OpenTelemetry specification (`samplers` has others).

A sampler decides for the root of a trace; the rest of the trace follows it (`parent_based`), in this process by the
span's flag and across processes by the flag in `traceparent`.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanKind

_ALL_TRACE_IDS = 1 << 64


class Sampler:
    """Keeps traces whose low 64 id bits fall under `ratio` of the id space, so all processes decide alike.

    `ratio` is from 0.0 (none) to 1.0 (all). With `parent_based` a span that has a parent follows the parent.
    """

    def __init__(self, ratio: float = 1.0, parent_based: bool = True) -> None:
        if not 0.0 <= ratio <= 1.0:
            raise ValueError(f"A sampling ratio lies between 0 and 1, not {ratio}.")
        self.ratio = ratio
        self.keeps_all = ratio == 1.0
        self.bound = min(round(ratio * _ALL_TRACE_IDS), _ALL_TRACE_IDS - 1)
        self.parent_based = parent_based
        self.tells = False
        self.sees_spans = False

    def keep(self, trace_low: int, name: str, kind: SpanKind, attributes: Mapping[str, Any] | None) -> bool:
        """Whether a trace that starts with this span is kept."""
        return self.keeps_all or trace_low < self.bound

    def keep_span(self, span: Any, attributes: Mapping[str, Any] | None) -> bool:
        """Instead of `keep` where `sees_spans`: the span has its ids, name, kind and `tracestate` and no more yet."""
        return self.keep(span.trace_low, span.span_name, span.span_kind, attributes)

    def told(self, span: Any, attributes: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Attributes to add to a span that the sampler kept, to say how; asked for only where `tells`."""
        return {}

    def start(self) -> None:
        """Begin what the sampler does beside its decisions. Called when tracing starts, and in forked children."""
