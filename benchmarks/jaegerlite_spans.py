"""OTLP requests like those of an exchange: twenty spans per trace over nine services, six attributes per span."""

import random
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVICES = ("gateway", "users", "wallet", "risk", "orders", "engine", "market-data", "reporting", "notification")
SYMBOLS = ("AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA", "ORCL")
SPANS_PER_TRACE = 20
# The first bytes of each trace id; a sender puts others in their place to get new traces out of an old request.
MARK = b"\xfe\xed\xbe\xef"


def _attributes(random_: random.Random, order: str, user: int) -> list[KeyValue]:
    values: dict[str, str | int] = {
        "order.id": order,
        "order.symbol": random_.choice(SYMBOLS),
        "order.side": random_.choice(("BUY", "SELL")),
        "order.quantity": random_.randrange(1, 1000),
        "user.id": f"user-{user}",
        "http.response.status_code": 200,
    }
    return [
        KeyValue(key=key, value=AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value))
        for key, value in values.items()
    ]


def requests(seed: int, spans_per_request: int, start_ns: int) -> Iterator[bytes]:
    """Endless requests, each of one service, as its exporter sends them; a trace's spans lie in several requests."""
    random_ = random.Random(seed)
    waiting: dict[str, list[Span]] = {service: [] for service in SERVICES}
    now_ns = start_ns
    while True:
        trace_id, order = MARK + random_.randbytes(12), f"{random_.getrandbits(96):024x}"
        user, now_ns = random_.randrange(1000), now_ns + 700_000
        spans: list[bytes] = []
        for number in range(SPANS_PER_TRACE):
            service = SERVICES[(number * 4 // 9) % len(SERVICES)]
            span = Span(
                trace_id=trace_id,
                span_id=random_.randbytes(8),
                parent_span_id=spans[(number - 1) // 2] if number else b"",
                name=f"operation {number}",
                kind=Span.SPAN_KIND_SERVER if number % 3 == 0 else Span.SPAN_KIND_INTERNAL,
                start_time_unix_nano=now_ns + number * 150_000 + random_.randrange(90_000),
                attributes=_attributes(random_, order, user),
            )
            span.end_time_unix_nano = span.start_time_unix_nano + random_.randrange(50_000, 4_000_000)
            spans.append(span.span_id)
            waiting[service].append(span)
        for service, queue in waiting.items():
            if len(queue) >= spans_per_request:
                yield _request(service, queue)
                queue.clear()


def _request(service: str, spans: list[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=service))
    resource.resource.attributes.add(key="service.version", value=AnyValue(string_value="1.0"))
    scope = resource.scope_spans.add()
    scope.scope.name = "exchange.tracing"
    scope.spans.extend(spans)
    return bytes(request.SerializeToString())
