"""Distributed tracing whose cost nobody notices, behind the plain OpenTelemetry API.

    from shared.tracing import setup_tracing, instrument_fastapi

    tracer = setup_tracing("service-name")
    app = FastAPI()
    instrument_fastapi(app)

Application code uses `opentelemetry.trace` as anywhere else. This package knows nothing of the exchange around it and
can be taken alone.
"""

from shared.tracing.asgi import TracingMiddleware, instrument_fastapi
from shared.tracing.batch import item_spans, statement_spans
from shared.tracing.context import (
    context_from,
    current_span,
    current_traceparent,
    describe,
    record_error,
    trace_id_of,
    traceparent_of,
)
from shared.tracing.described import FixedAttributes, ItemAttributes
from shared.tracing.sampling import Sampler
from shared.tracing.setup import flush, setup_tracing, shutdown_tracing, span_count, tracing_stats

__all__ = [
    "FixedAttributes",
    "ItemAttributes",
    "Sampler",
    "TracingMiddleware",
    "context_from",
    "current_span",
    "current_traceparent",
    "describe",
    "flush",
    "instrument_fastapi",
    "item_spans",
    "record_error",
    "setup_tracing",
    "shutdown_tracing",
    "span_count",
    "statement_spans",
    "trace_id_of",
    "traceparent_of",
    "tracing_stats",
]
