"""The way of spans out of a process: a real receiver on a real socket, outages, memory, forks and shutdowns."""

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.tracing.destinations import OTLP_HTTP, Destination
from shared.tracing.export import ExportWorker
from shared.tracing.otlp_http import OtlpHttpExporter
from shared.tracing.outlet import Outlet
from shared.tracing.provider import TracerProvider
from tests.ports import free_port
from tests.tracing_kit import OtlpReceiver, attributes_of, make_provider

ROOT = Path(__file__).parents[2]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """A running OTLP receiver."""
    running = OtlpReceiver()
    yield running
    running.stop()


def export_to(
    receiver_url: str, provider: TracerProvider, backlog_bytes_max: int = 1 << 20, **options: object
) -> ExportWorker:
    """A started export worker between a provider and a receiver."""
    destination = Destination(OTLP_HTTP, f"{receiver_url}/v1/traces", **options)  # type: ignore[arg-type]
    outlet = Outlet(OtlpHttpExporter(destination), backlog_bytes_max)
    worker = ExportWorker(provider.buffer, [outlet], delay_s=0.05, batch_size=100)
    worker.start()
    return worker


def end_spans(provider: TracerProvider, count: int) -> None:
    """Make `count` finished spans."""
    tracer = provider.get_tracer("library")
    for number in range(count):
        tracer.start_span(f"span {number}").end()


def wait_until(condition: object, timeout_s: float = 5.0) -> None:
    """Wait for a callable to become true; fails after `timeout_s`."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline_s, "It did not happen in time."
        time.sleep(0.01)


def run_script(script: str, receiver: OtlpReceiver, **environment: str) -> subprocess.Popen[str]:
    """A process of its own that traces to the receiver."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        env={**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ended_spans_arrive_within_a_second(receiver: OtlpReceiver) -> None:
    """What has ended is at the backend soon after, without a flush, over one kept-open connection."""
    provider = make_provider()
    worker = export_to(receiver.endpoint, provider)
    end_spans(provider, 250)
    assert len(receiver.wait_for(250, timeout_s=1.0)) == 250
    worker.stop(2.0)
    assert worker.outlets[0].exported == 250


def test_gzip_and_headers_are_sent(receiver: OtlpReceiver) -> None:
    """A destination's compression and headers are applied to each request."""
    provider = make_provider()
    worker = export_to(receiver.endpoint, provider, gzip=True, headers={"x-tenant": "one"})
    end_spans(provider, 3)
    receiver.wait_for(3)
    worker.stop(2.0)
    assert receiver.headers[0]["x-tenant"] == "one"
    assert receiver.headers[0]["Content-Encoding"] == "gzip"


def test_spans_wait_out_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """While the backend is away spans are kept, one warning is logged, and all arrive when it is back."""
    port = free_port()
    provider = make_provider()
    with caplog.at_level(logging.WARNING, "shared.tracing"):
        worker = export_to(f"http://127.0.0.1:{port}", provider)
        for _ in range(3):
            end_spans(provider, 50)
            assert not worker.flush(2.0)
    assert len(caplog.records) == 1
    receiver = OtlpReceiver(port)
    assert len(receiver.wait_for(150)) == 150
    worker.stop(2.0)
    receiver.stop()


def test_memory_is_bounded_during_an_outage() -> None:
    """The backlog never outgrows its bytes; the oldest spans go first and every lost one is counted."""
    provider = make_provider()
    worker = export_to(f"http://127.0.0.1:{free_port()}", provider, backlog_bytes_max=50_000)
    outlet = worker.outlets[0]
    for _ in range(20):
        end_spans(provider, 100)
        worker.flush(2.0)
        assert outlet.backlog_bytes <= 50_000
    kept = outlet.backlog_spans
    assert kept == sum(count for count, _ in outlet.backlog)
    assert outlet.dropped["backlog_full"] > 0
    assert kept + outlet.dropped["backlog_full"] == 2_000
    worker.stop(2.0)
    assert outlet.dropped["backlog_full"] + outlet.dropped["shutdown"] == 2_000


def test_retryable_answers_are_retried_and_others_are_not(receiver: OtlpReceiver) -> None:
    """503 means later, 400 means never: the first batch arrives at the second try, the refused one is counted."""
    provider = make_provider()
    worker = export_to(receiver.endpoint, provider)
    receiver.statuses = [503]
    end_spans(provider, 1)
    receiver.wait_for(1)
    receiver.statuses = [400]
    end_spans(provider, 2)
    wait_until(lambda: worker.outlets[0].dropped["rejected"] == 2)
    worker.stop(2.0)
    assert len(receiver.spans()) == 1


def test_a_slow_backend_does_not_hold_up_spans(receiver: OtlpReceiver) -> None:
    """Ending spans takes no longer while a backend sits on a request."""
    receiver.delay_s = 0.5
    provider = make_provider(max_queue_size=1_000)
    worker = export_to(receiver.endpoint, provider)
    end_spans(provider, 200)
    begin_s = time.monotonic()
    end_spans(provider, 5_000)
    assert time.monotonic() - begin_s < 0.4
    assert provider.buffer.waiting() <= 1_000
    receiver.delay_s = 0.0
    worker.stop(3.0)


def test_the_environment_sets_up_everything(receiver: OtlpReceiver) -> None:
    """`setup_tracing` alone exports what the OpenTelemetry API records, resource included, before a normal exit."""
    script = """
        from opentelemetry import trace
        from shared.tracing import setup_tracing
        tracer = setup_tracing("my-service")
        assert setup_tracing("another").start_span("x") is not None
        with tracer.start_as_current_span("work"):
            trace.get_tracer("library").start_span("inner").end()
    """
    process = run_script(script, receiver, OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test,team=a%20b")
    assert process.wait(20) == 0, process.communicate()[1]
    assert {span.name for span in receiver.spans()} == {"inner", "work"}
    resource = attributes_of(receiver.requests[0].resource_spans[0].resource)
    assert resource["service.name"] == "my-service"
    assert resource["process.pid"] == process.pid
    assert (resource["deployment.environment.name"], resource["team"]) == ("test", "a b")
    assert resource["telemetry.sdk.name"] == "outcry"


def test_sigterm_flushes_what_is_buffered(receiver: OtlpReceiver) -> None:
    """A process that is terminated sends its spans first, and still ends by the signal."""
    script = """
        import time
        from shared.tracing import setup_tracing
        tracer = setup_tracing("my-service")
        tracer.start_span("last").end()
        print("ready", flush=True)
        time.sleep(30)
    """
    process = run_script(script, receiver, OTEL_BSP_SCHEDULE_DELAY="20000")
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    assert process.wait(10) == -signal.SIGTERM
    assert [span.name for span in receiver.spans()] == ["last"]


def test_a_forked_child_traces_for_itself(receiver: OtlpReceiver) -> None:
    """After a fork both processes export, nothing twice, under process ids of their own and with ids that differ."""
    script = """
        import os
        from shared.tracing import setup_tracing, flush
        tracer = setup_tracing("my-service")
        tracer.start_span("before").end()
        child = os.fork()
        for _ in range(10):
            tracer.start_span("child" if child == 0 else "parent").end()
        assert flush(5)
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    """
    process = run_script(script, receiver, OTEL_BSP_SCHEDULE_DELAY="20000")
    assert process.wait(20) == 0, process.communicate()[1]
    spans = receiver.spans()
    assert sorted(span.name for span in spans) == ["before"] + ["child"] * 10 + ["parent"] * 10
    assert len({span.span_id for span in spans}) == len({span.trace_id for span in spans}) == 21
    pids = {attributes_of(block.resource)["process.pid"] for one in receiver.requests for block in one.resource_spans}
    assert len(pids) == 2


def test_disabled_means_nothing_at_all(receiver: OtlpReceiver) -> None:
    """With OTEL_SDK_DISABLED no span records, no thread runs and no header is sent."""
    script = """
        import threading
        from shared.tracing import current_traceparent, item_spans, setup_tracing, tracing_stats
        tracer = setup_tracing("my-service")
        with tracer.start_as_current_span("work") as span, item_spans("items", ["", ""]) as items:
            assert not span.is_recording() and not items[0].is_recording()
            assert current_traceparent() == ""
        assert threading.active_count() == 1
        assert tracing_stats()["recorded"] == 0
    """
    process = run_script(script, receiver, OTEL_SDK_DISABLED="true")
    assert process.wait(20) == 0, process.communicate()[1]
    assert receiver.requests == []
