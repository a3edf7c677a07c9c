"""Turning tracing on and off: `setup_tracing` puts our provider behind the OpenTelemetry API of this process."""

import atexit
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from opentelemetry import trace

from shared.tracing.automatic import is_chosen
from shared.tracing.console import ConsoleExporter
from shared.tracing.destinations import CONSOLE, OTLP_GRPC, THRIFT_HTTP, THRIFT_UDP, Destination
from shared.tracing.endings import before_end_of_child, before_exit_by_sigterm
from shared.tracing.export import ExportWorker
from shared.tracing.instrumentations import instrument_installed
from shared.tracing.jaeger_thrift import JaegerHttpExporter, JaegerUdpExporter
from shared.tracing.otlp_http import OtlpHttpExporter
from shared.tracing.outlet import Exporter, Outlet
from shared.tracing.provider import TracerProvider
from shared.tracing.redact import redact_attributes
from shared.tracing.reference_sampler import ShouldSample, sampler_of
from shared.tracing.retention import Retention
from shared.tracing.sampling import Sampler
from shared.tracing.settings import RetentionSettings, TracingSettings, process_attributes, read_settings
from shared.tracing.slowness import Slowness
from shared.tracing.triggers import HttpTriggers, TriggerChannel

logger = logging.getLogger(__name__)

FLUSH_TIMEOUT_S = 2.0


class _Process:
    """The one provider and export worker of this process."""

    provider: TracerProvider | None = None
    worker: ExportWorker | None = None
    channel: TriggerChannel | None = None
    hooks_installed = False


def setup_tracing(
    service_name: str,
    triggers: TriggerChannel | None = None,
    *,
    instrument: bool = True,
    sampler: Sampler | ShouldSample | None = None,
) -> trace.Tracer:
    """Install the recorder as the global tracer provider, exporting as the environment says; returns a tracer.

    `sampler` goes before what the environment says: one of ours (`samplers`, `sampling`), or one written for the
    reference SDK (`reference_sampler`). Raises TypeError for what is no sampler.

    Calling it again returns a tracer of the provider that is there. With `OTEL_SDK_DISABLED=true`, or when the
    application has installed another provider already, nothing is installed and that provider's tracer is returned.
    `triggers` is how the processes of the system tell each other which traces matter, where `TRACING_RETROACTIVE` is
    on; by default over HTTP, where `TRACING_TRIGGER_LISTEN` says so. With `instrument` the official instrumentations
    that are installed are turned on (`instrumentations`).
    """
    if _Process.provider is None and not _other_provider():
        settings = read_settings(service_name)
        if sampler is not None:
            settings = replace(settings, sampler=sampler_of(sampler))
        if settings.disabled:
            trace.set_tracer_provider(trace.NoOpTracerProvider())
        else:
            _install(settings, triggers)
            if instrument:
                instrument_installed()
    return trace.get_tracer(service_name)


def shutdown_tracing() -> None:
    """Send what is buffered (2 s at most), then stop exporting. Spans made later stay in the bounded buffer."""
    worker = _Process.worker
    if worker is not None and not worker.stopping:
        worker.stop(FLUSH_TIMEOUT_S)
        if _Process.channel is not None:
            _Process.channel.close()


def flush(timeout_s: float = FLUSH_TIMEOUT_S) -> bool:
    """Send what is buffered now; True if everything left within the time."""
    return _Process.worker is None or _Process.worker.flush(timeout_s)


def tracing_stats() -> dict[str, int | dict[str, int]]:
    """Counts since start: recorded, sampled_out, exported and dropped (by reason) spans, and those still waiting.

    `retained` has the counts of retroactive sampling: spans held now, kept, expired (nobody asked for them in time) and
    evicted (the ring was full); triggers, and triggers_limited (beyond what one process may announce).
    """
    provider, worker = _Process.provider, _Process.worker
    if provider is None:
        return {"recorded": 0, "sampled_out": 0, "exported": 0, "dropped": {}, "queued": 0, "retained": {}}
    retention = worker.retention if worker is not None else None
    dropped = {"queue_full": provider.buffer.dropped}
    exported = waiting = 0
    for outlet in worker.outlets if worker is not None else ():
        exported += outlet.exported
        waiting += outlet.backlog_spans
        for reason, count in outlet.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
    return {
        "recorded": provider.buffer.recorded,
        "sampled_out": provider.buffer.sampled_out,
        "exported": exported,
        "dropped": dropped,
        "queued": provider.buffer.waiting() + waiting,
        "retained": {} if retention is None else {"held": retention.held_spans, **retention.counts},
    }


def span_count() -> int:
    """Spans recorded since start."""
    return _Process.provider.buffer.recorded if _Process.provider is not None else 0


def exporters(destinations: Sequence[Destination]) -> Iterator[Exporter]:
    """The exporters of all destinations; one that cannot be used is reported, and tracing goes on without it."""
    for destination in destinations:
        try:
            yield exporter_for(destination)
        except ImportError as error:
            logger.error("Spans do not go to %s: %s. Install grpcio, or use OTLP over HTTP.", destination.url, error)
        except ValueError as error:
            logger.error("Spans do not go to %s: %s.", destination.url, error)


def exporter_for(destination: Destination) -> Exporter:
    """The exporter that speaks a destination's protocol."""
    if destination.protocol == CONSOLE:
        return ConsoleExporter()
    if destination.protocol == THRIFT_UDP:
        return JaegerUdpExporter(destination)
    if destination.protocol == THRIFT_HTTP:
        return JaegerHttpExporter(destination)
    if destination.protocol == OTLP_GRPC:
        # gRPC brings a large library, which only those load who ask for it.
        from shared.tracing.otlp_grpc import OtlpGrpcExporter

        return OtlpGrpcExporter(destination)
    return OtlpHttpExporter(destination)


def retention_of(settings: RetentionSettings, channel: TriggerChannel | None) -> Retention:
    """The ring of retroactive sampling, on its channel."""
    retention = Retention(
        Slowness(settings.slow_quantile, settings.slow_ms),
        (lambda _: None) if channel is None else channel.announce,
        settings.hold_s,
        settings.hold_bytes,
        settings.kept_per_s_max,
    )
    if channel is not None:
        channel.listen(retention.announced.put)
    return retention


def _install(settings: TracingSettings, channel: TriggerChannel | None) -> None:
    # `OTEL_RESOURCE_ATTRIBUTES` goes out with every request; whoever sets it may not think of that.
    resource = dict(settings.resource)
    redact_attributes(resource)
    provider = TracerProvider(
        resource,
        settings.sampler,
        settings.limits,
        max_queue_size=settings.max_queue_size,
        wake_at=max(1, settings.max_queue_size // 4),
    )
    outlets = [Outlet(exporter) for exporter in exporters(settings.destinations)]
    if len(outlets) > 1:
        for outlet in outlets:
            outlet.start_thread()
    retention = None
    if settings.retention is not None:
        if settings.retention.listen_at:
            channel = HttpTriggers(settings.retention.listen_at, settings.retention.peers)
        retention, _Process.channel = retention_of(settings.retention, channel), channel
    worker = ExportWorker(
        provider.buffer, outlets, settings.schedule_delay_s, settings.max_batch_size, retention=retention
    )
    worker.start()
    settings.sampler.start()
    provider.flusher, provider.stopper = worker.flush, shutdown_tracing
    trace.set_tracer_provider(provider)
    _Process.provider, _Process.worker = provider, worker
    if not _Process.hooks_installed:
        _Process.hooks_installed = True
        atexit.register(shutdown_tracing)
        os.register_at_fork(after_in_child=_after_fork)
        before_exit_by_sigterm(shutdown_tracing)


def _other_provider() -> bool:
    # Where ours is to be asked for (`automatic`), the API would do that now.
    return not is_chosen() and not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)


def _after_fork() -> None:
    provider, worker = _Process.provider, _Process.worker
    if provider is not None and worker is not None and not worker.stopping:
        provider.identify(process_attributes())
        worker.restart_after_fork()
        before_end_of_child(shutdown_tracing)
        provider.buffer.sampler.start()
        if _Process.channel is not None and worker.retention is not None:
            _Process.channel.listen(worker.retention.announced.put)
