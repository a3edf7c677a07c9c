"""Other propagators than W3C's, through the OpenTelemetry API's entry points: B3 and Jaeger."""

from collections.abc import Iterator

import pytest

from tests.integration.test_tracing_export import run_script
from tests.tracing_kit import OtlpReceiver

TRACE, SPAN = "ab" * 16, "cd" * 8
SERVE = """
    import asyncio, json, os
    from fastapi import FastAPI
    from opentelemetry import propagate
    from shared.tracing import instrument_fastapi, setup_tracing
    from shared.tracing.asgi import TracingMiddleware

    setup_tracing("propagated")
    app = FastAPI()
    instrument_fastapi(app)
    sent = {}

    @app.get("/")
    def root():
        propagate.inject(sent)
        return {}

    name, value = os.environ["GIVEN"].split("=", 1)
    scope = {
        "type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "http_version": "1.1",
        "scheme": "http", "headers": [(name.encode(), value.encode())], "client": None, "server": None,
    }

    async def receive():
        return {"type": "http.request"}

    async def send(message):
        pass

    asyncio.run(app(scope, receive, send))
    print(json.dumps(sent))
"""


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A running OTLP receiver."""
    running = OtlpReceiver()
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("propagators", "given", "sent"),
    [
        ("b3", f"b3={TRACE}-{SPAN}-1", '"b3"'),
        ("b3multi", f"b3={TRACE}-{SPAN}-1", '"x-b3-traceid"'),
        ("jaeger", f"uber-trace-id={TRACE}:{SPAN}:0:01", '"uber-trace-id"'),
        ("tracecontext,b3", f"traceparent=00-{TRACE}-{SPAN}-01", '"traceparent"'),
        ("tracecontext,b3", f"b3={TRACE}-{SPAN}-1", '"b3"'),
    ],
)
def test_a_trace_is_continued(receiver: OtlpReceiver, propagators: str, given: str, sent: str) -> None:
    """What OTEL_PROPAGATORS names is read from a request and written into those that it makes."""
    process = run_script(SERVE, receiver, OTEL_PROPAGATORS=propagators, GIVEN=given)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    (span,) = receiver.spans()
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN)
    assert sent in output.lower()
    assert TRACE in output
