"""The TracerProvider that `setup_tracing` puts behind the OpenTelemetry API."""

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry import trace

from shared.tracing.attributes import NO_LIMIT, clean_attributes, clean_text
from shared.tracing.buffer import SpanBuffer
from shared.tracing.origin import Resource, Scope
from shared.tracing.sampling import Sampler
from shared.tracing.settings import Limits
from shared.tracing.tracer import Tracer


class TracerProvider(trace.TracerProvider):
    """Our provider: one buffer of ended spans for all the tracers of the process."""

    def __init__(
        self,
        resource: Mapping[str, Any],
        sampler: Sampler,
        limits: Limits,
        max_queue_size: int = 32_768,
        wake_at: int = 512,
    ) -> None:
        self.resource = Resource(resource)
        self.buffer = SpanBuffer(self.resource, sampler, limits, max_queue_size, wake_at)
        self.tracers: dict[tuple[str, str, str], Tracer] = {}
        self.flusher: Callable[[float], bool] | None = None
        self.stopper: Callable[[], None] | None = None

    def get_tracer(  # type: ignore[override]  # our Tracer is registered as the API's, which mypy cannot see
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> Tracer:
        """The tracer of one instrumentation scope; the same one again where the scope has no attributes."""
        names = (instrumenting_module_name, instrumenting_library_version, schema_url)
        module, version, schema = [clean_text(name) if name else "" for name in names]
        key = (module, version, schema)
        if attributes:
            return Tracer(self.buffer, Scope(*key, clean_attributes(attributes, NO_LIMIT, None)[0]))
        tracer = self.tracers.get(key)
        if tracer is None:
            tracer = self.tracers[key] = Tracer(self.buffer, Scope(*key, None))
        return tracer

    def identify(self, changed: Mapping[str, Any]) -> None:
        """Change attributes of the resource: a forked child is another process than its parent."""
        self.resource = self.buffer.resource = Resource({**self.resource.attributes, **changed})

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is buffered. True if it all left within the time."""
        return self.flusher is None or self.flusher(timeout_millis / 1000)

    def shutdown(self) -> None:
        """Send what is buffered and stop the export."""
        if self.stopper is not None:
            self.stopper()
