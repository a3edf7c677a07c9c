"""Destinations as they really are: behind TLS, overloaded, half content, slow, and several at once."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from shared.tracing.destinations import OTLP_HTTP, Destination, destinations
from shared.tracing.export import ExportWorker
from shared.tracing.otlp_http import OtlpHttpExporter
from shared.tracing.outlet import Outlet
from tests.certificates import certificate
from tests.integration.test_tracing_export import end_spans, export_to, run_script, wait_until
from tests.tracing_kit import OtlpReceiver, make_provider

Receivers = Callable[..., OtlpReceiver]


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    """Starts OTLP receivers, and stops them after the test."""
    made: list[OtlpReceiver] = []

    def start(context: ssl.SSLContext | None = None) -> OtlpReceiver:
        made.append(OtlpReceiver(context=context))
        return made[-1]

    yield start
    for receiver in made:
        receiver.stop()


def test_tls_with_certificates_on_both_sides(receivers: Receivers, tmp_path: Path) -> None:
    """The backend's certificate is checked against OTEL_EXPORTER_OTLP_CERTIFICATE, and ours is shown to it."""
    (server, server_key), (client, client_key) = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server, server_key)
    context.load_verify_locations(client)
    context.verify_mode = ssl.CERT_REQUIRED
    receiver = receivers(context)
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_CERTIFICATE": str(server),
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": str(client),
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": str(client_key),
    }
    (destination,) = destinations(environ)
    span = make_provider().get_tracer("library").start_span("secure")
    exporter = OtlpHttpExporter(destination)
    ((_, payload),) = exporter.encode([span])
    assert exporter.send(payload) == 0
    exporter.close()
    assert [span.name for span in receiver.spans()] == ["secure"]
    (stranger,) = destinations({"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint})
    with pytest.raises(ssl.SSLCertVerificationError):
        OtlpHttpExporter(stranger).send(payload)


def test_a_backend_is_tried_again_when_it_asked_to_be(receivers: Receivers) -> None:
    """Retry-After goes before our own pauses."""
    receiver, provider = receivers(), make_provider()
    receiver.statuses, receiver.headers_sent = [429], {"Retry-After": "1"}
    worker = export_to(receiver.endpoint, provider)
    end_spans(provider, 1)
    receiver.wait_for(1)
    worker.stop(2.0)
    assert 1.0 <= receiver.times_s[1] - receiver.times_s[0] < 2.0


def test_what_a_backend_rejects_of_a_request_is_counted(receivers: Receivers, caplog: pytest.LogCaptureFixture) -> None:
    """A partial success is not sent again; the log has the backend's words."""
    receiver, provider = receivers(), make_provider()
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans, answer.partial_success.error_message = 2, "two have no name"
    receiver.answer = answer.SerializeToString()
    worker = export_to(receiver.endpoint, provider)
    end_spans(provider, 5)
    assert worker.flush(5.0)
    worker.stop(2.0)
    outlet = worker.outlets[0]
    assert (outlet.exported, outlet.dropped["rejected"], len(receiver.times_s)) == (3, 2, 1)
    assert "two have no name" in caplog.text


def test_one_slow_destination_does_not_hold_up_another(receivers: Receivers) -> None:
    """With several destinations each sends by itself, and a flush waits for all of them."""
    slow, fast, provider = receivers(), receivers(), make_provider()
    slow.delay_s = 0.5
    outlets = [Outlet(OtlpHttpExporter(Destination(OTLP_HTTP, f"{r.endpoint}/v1/traces"))) for r in (slow, fast)]
    for outlet in outlets:
        outlet.start_thread()
    worker = ExportWorker(provider.buffer, outlets, delay_s=0.02, batch_size=10)
    worker.start()
    for number in range(5):
        end_spans(provider, 1)
        fast.wait_for(number + 1, 0.4)
    assert len(slow.spans()) < 5
    assert worker.flush(5.0)
    worker.stop(2.0)
    assert (len(slow.spans()), len(fast.spans())) == (5, 5)


def test_the_environment_names_several_destinations(receivers: Receivers) -> None:
    """A process that names two endpoints reaches both, and flushes both before it ends."""
    first, second = receivers(), receivers()
    script = """
        from shared.tracing import setup_tracing
        setup_tracing("twice").start_span("told twice").end()
    """
    endpoints = f"{first.endpoint},127.0.0.1:{second.port}"
    process = run_script(script, first, OTEL_TRACES_EXPORTER="", TRACING_ENDPOINTS=endpoints)
    process.communicate(timeout=30)
    assert [[span.name for span in receiver.spans()] for receiver in (first, second)] == [["told twice"]] * 2


def test_a_destination_that_is_away_costs_the_others_nothing(receivers: Receivers) -> None:
    """While one cannot be reached its spans wait and are counted at the end; the other has them all."""
    there, provider = receivers(), make_provider()
    urls = ("http://127.0.0.1:9/v1/traces", f"{there.endpoint}/v1/traces")
    outlets = [Outlet(OtlpHttpExporter(Destination(OTLP_HTTP, url))) for url in urls]
    for outlet in outlets:
        outlet.start_thread()
    worker = ExportWorker(provider.buffer, outlets, delay_s=0.02, batch_size=100)
    worker.start()
    end_spans(provider, 250)
    assert not worker.flush(5.0)
    worker.stop(2.0)
    wait_until(lambda: outlets[0].dropped["shutdown"] == 250)
    assert len(there.spans()) == 250
