"""Spans from a whole OTLP message, and back: for traces that are kept or sent outside the columns of the store."""

from jaegerlite.columns import SpanColumns
from jaegerlite.decode import decode_request
from jaegerlite.otlp_write import bytes_field, fixed64_field, number_field
from jaegerlite.series import Series, SeriesRegistry
from jaegerlite.traces import Span, TraceKey


def spans_from_otlp(message: bytes) -> dict[TraceKey, list[Span]]:
    """The spans of an `ExportTraceServiceRequest` by trace, each trace by start; series are of this message alone.

    Raises:
        MalformedError: the bytes are no such message.
    """
    columns, registry = SpanColumns(), SeriesRegistry()
    decode_request(message, columns, registry)
    traces: dict[TraceKey, list[Span]] = {}
    for row in range(columns.count):
        key = int(columns.trace_hi[row]), int(columns.trace_lo[row])
        traces.setdefault(key, []).append(
            Span(
                key,
                int(columns.span_id[row]),
                int(columns.parent_id[row]),
                int(columns.start_ns[row]),
                int(columns.duration_ns[row]),
                int(columns.status[row]),
                registry.all[columns.series[row]],
                columns.rest(row),
            )
        )
    for spans in traces.values():
        spans.sort(key=lambda span: span.start_ns)
    return traces


def otlp_from_spans(spans: list[Span]) -> bytes:
    """An `ExportTraceServiceRequest` with these spans, which `spans_from_otlp` gives back as they are."""
    by_context: dict[tuple[bytes, bytes], list[bytes]] = {}
    for span in spans:
        by_context.setdefault((span.series.resource, span.series.scope), []).append(bytes_field(2, _message(span)))
    return b"".join(
        bytes_field(1, bytes_field(1, resource) + bytes_field(2, bytes_field(1, scope) + b"".join(messages)))
        for (resource, scope), messages in by_context.items()
    )


def _message(span: Span) -> bytes:
    series: Series = span.series
    high, low = span.trace
    return b"".join(
        (
            bytes_field(1, high.to_bytes(8) + low.to_bytes(8)),
            bytes_field(2, span.span_id.to_bytes(8)),
            bytes_field(4, span.parent_id.to_bytes(8)) if span.parent_id else b"",
            bytes_field(5, series.name_bytes),
            number_field(6, series.kind),
            fixed64_field(7, span.start_ns),
            fixed64_field(8, span.start_ns + span.duration_ns),
            # Last, and as it came: the status code is in there, and so is what nobody here knows yet.
            span.rest_bytes,
        )
    )
