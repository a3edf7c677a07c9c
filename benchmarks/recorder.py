"""What one span costs: our recorder beside the reference SDK, in the same process, on one core.

    python -m benchmarks.recorder [--spans 20000]

A span is made current, gets six attributes at its start (four strings, two integers) and ends; encoding is to the OTLP
bytes of batches of 512; at once is how spans go to a backend that speaks OTLP, which pays where the processor has other
things to do meanwhile. Beside it stand the exchange's ways, made, redacted and encoded: the spans of the items of one
call, and one statement's in each of them. CPU time of this thread, best of three rounds each, nothing is sent. The
compiled form is measured where it is installed, plain Python otherwise; the first line says which.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource as SdkResource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace import TracerProvider as SdkProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from shared.tracing import (
    FixedAttributes,
    ItemAttributes,
    current_traceparent,
    item_spans,
    span,
    statement_spans,
    traceparent_of,
)
from shared.tracing.early import OtlpEncoder
from shared.tracing.otlp import encode_request
from shared.tracing.provider import TracerProvider
from shared.tracing.redact import redact_spans
from shared.tracing.retention import Retention
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.slowness import Slowness

Batch = Sequence[dict[str, Any]]

BATCH, ROUNDS = 512, 3
RESOURCE: dict[str, str | int] = {"service.name": "bench", "process.pid": 1, "host.name": "here"}


class Collect(SpanProcessor):
    """Keeps the SDK's ended spans, as its batch processor would."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep one."""
        self.spans.append(span)


def attributes(number: int) -> dict[str, Any]:
    """Six attributes as an order's span has them: some repeat, some are new each time."""
    return {
        "order.id": f"ord-{number:012d}",
        "order.symbol": "AAPL",
        "order.side": "BUY",
        "order.quantity": 10 + number % 90,
        "order.price": 1_500_000 + number,
        "user.id": "user-000042",
    }


STATEMENT = FixedAttributes({"db.system.name": "postgresql", "db.query.text": "INSERT INTO orders VALUES ($1, $2, $3)"})
ITEM = ItemAttributes({key: itemgetter(key) for key in sorted(attributes(0))})


def make(tracer: Any, batch: Batch) -> None:
    """The measured span, once for each mapping of the batch."""
    start = tracer.start_as_current_span
    for mapping in batch:
        with start("match_order", attributes=mapping):
            pass


def cost_us(work: Callable[[Batch], object], batches: Sequence[Batch]) -> float:
    """CPU microseconds per item, of the best of three rounds over all batches."""
    best = float("inf")
    for _ in range(ROUNDS):
        begin_ns = time.thread_time_ns()
        for batch in batches:
            work(batch)
        best = min(best, (time.thread_time_ns() - begin_ns) / sum(map(len, batches)) / 1000)
    return best


def measure_ours(batches: Sequence[Batch]) -> dict[str, float]:
    """Our recorder's costs in microseconds."""
    provider = TracerProvider(RESOURCE, Sampler(), Limits())
    tracer, ended, resource = provider.get_tracer("bench"), provider.buffer.ended, provider.resource
    out = TracerProvider(RESOURCE, Sampler(0.0), Limits()).get_tracer("bench")
    parents = [tracer.start_span("item") for _ in range(64)]
    traceparents = [traceparent_of(parent) for parent in parents]

    def made(batch: Batch) -> None:
        make(tracer, batch)
        ended.clear()

    def made_and_encoded(batch: Batch) -> None:
        make(tracer, batch)
        encode_request(resource, ended)
        ended.clear()

    def made_redacted_and_encoded(batch: Batch) -> None:
        make(tracer, batch)
        redact_spans(ended)
        encode_request(resource, ended)
        ended.clear()

    def sent() -> None:
        redact_spans(ended)
        encode_request(resource, ended)
        ended.clear()

    def statements(batch: Batch) -> None:
        for _ in range(len(batch) // len(parents)):
            with statement_spans(parents, "INSERT order", STATEMENT):
                pass
        sent()

    trace.set_tracer_provider(provider)

    def items(batch: Batch) -> None:
        for start in range(0, len(batch), len(parents)):
            part = batch[start : start + len(parents)]
            with item_spans("match_order", traceparents, attributes=ITEM, items=part):
                pass
        sent()

    costs = {
        "make": cost_us(made, batches),
        "make_and_encode": cost_us(made_and_encoded, batches),
        "make_redact_and_encode": cost_us(made_redacted_and_encoded, batches),
        "make_redact_and_encode_at_once": measure_early(batches),
        "sampled_out": cost_us(lambda batch: make(out, batch), batches),
        "sampled_out_not_current": cost_us(lambda batch: [out.start_span("match_order") for _ in batch], batches),
        "sampled_out_and_held": measure_held(batches),
        "statement_in_64_spans_encoded": cost_us(statements, batches),
        "items_in_batch_of_64_encoded": cost_us(items, batches),
    }
    with tracer.start_as_current_span("outer"):
        costs["current_traceparent"] = cost_us(lambda batch: [current_traceparent() for _ in batch], batches)
    return costs


def measure_early(batches: Sequence[Batch]) -> float:
    """A span on its way to a backend that speaks OTLP: made, and redacted and encoded as it ends."""
    provider = TracerProvider(RESOURCE, Sampler(), Limits())
    provider.buffer.encoder = encoder = OtlpEncoder(provider.buffer, BATCH)
    tracer = provider.get_tracer("bench")

    def made(batch: Batch) -> None:
        make(tracer, batch)
        encoder.take_full()

    return cost_us(made, batches)


def measure_held(batches: Sequence[Batch]) -> float:
    """A span that is sampled out, held in the ring of retroactive sampling, and let go of in the end."""
    provider = TracerProvider(RESOURCE, Sampler(0.0), Limits())
    provider.buffer.records_unsampled = True
    tracer, ended = provider.get_tracer("bench"), provider.buffer.ended
    retention = Retention(Slowness(quantile=0.0), lambda _: None, bytes_max=4_000_000)

    def held(batch: Batch) -> None:
        make(tracer, batch)
        retention.sort(list(ended))
        ended.clear()

    return cost_us(held, batches)


def measure_reference(batches: Sequence[Batch]) -> dict[str, float]:
    """The reference SDK's costs in microseconds."""
    collect = Collect()
    provider = SdkProvider(resource=SdkResource.create(RESOURCE), shutdown_on_exit=False)
    provider.add_span_processor(collect)
    tracer = provider.get_tracer("bench")
    out = SdkProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False).get_tracer("bench")

    def made(batch: Batch) -> None:
        make(tracer, batch)
        collect.spans.clear()

    def made_and_encoded(batch: Batch) -> None:
        make(tracer, batch)
        encode_spans(collect.spans).SerializeToString()
        collect.spans.clear()

    return {
        "make": cost_us(made, batches),
        "make_and_encode": cost_us(made_and_encoded, batches),
        "sampled_out": cost_us(lambda batch: make(out, batch), batches),
        "sampled_out_not_current": cost_us(lambda batch: [out.start_span("match_order") for _ in batch], batches),
    }


def main() -> None:
    """Measure both and print one table and one line of JSON."""
    parser = argparse.ArgumentParser(description="Cost of a span, in CPU microseconds.")
    parser.add_argument("--spans", type=int, default=20_000)
    count = parser.parse_args().spans
    batches = [[attributes(number) for number in range(start, start + BATCH)] for start in range(0, count, BATCH)]
    form = "plain Python" if span.__file__.endswith(".py") else "compiled"
    ours = measure_ours(batches)
    reference = measure_reference(batches[: max(1, len(batches) // 4)])
    print(f"{form}, {count} spans of six attributes, CPU microseconds each")
    for name, value in ours.items():
        beside = f"{reference[name]:10.2f}  {reference[name] / value:6.1f} times" if name in reference else ""
        print(f"  {name:32} {value:8.3f} {beside}")
    print(json.dumps({"form": form, "ours_us": ours, "reference_us": reference}))


if __name__ == "__main__":
    main()
