"""What jaegerlite counts about itself, in Prometheus' terms."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

REQUESTS = Counter(
    "jaegerlite_requests", "Requests with spans, by transport and result.", ["transport", "result"], registry=REGISTRY
)
SPANS_RECEIVED = Counter("jaegerlite_spans_received", "Spans accepted into memory.", ["transport"], registry=REGISTRY)
SPANS_REFUSED = Counter(
    "jaegerlite_spans_refused", "Spans refused, by reason.", ["transport", "reason"], registry=REGISTRY
)
SPANS_STORED = Counter("jaegerlite_spans_stored", "Spans committed to disk.", registry=REGISTRY)
BYTES_RECEIVED = Counter(
    "jaegerlite_received_bytes", "Bytes of request bodies, unpacked.", ["transport"], registry=REGISTRY
)
WAITING_SPANS = Gauge("jaegerlite_waiting_spans", "Spans in memory that are not on disk yet.", registry=REGISTRY)
WAITING_BYTES = Gauge("jaegerlite_waiting_bytes", "Memory that waiting spans hold.", registry=REGISTRY)
FLUSH_SECONDS = Histogram("jaegerlite_flush_seconds", "Time to pack and commit the waiting spans.", registry=REGISTRY)
FLUSH_FAILURES = Counter("jaegerlite_flush_failures", "Flushes that failed and will be tried again.", registry=REGISTRY)
SPANS_DELETED = Counter("jaegerlite_spans_deleted", "Spans deleted by age or size.", registry=REGISTRY)
