"""A backend with its API, without ports, for tests of what it answers."""

import random
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from jaegerlite.api.app import query_app
from jaegerlite.backend import Backend
from jaegerlite.settings import Settings

NS_PER_MS = 1_000_000


class Kit:
    """A backend with its API, without ports."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.backend = Backend(Settings(data_dir=folder, **settings))
        self.store = self.backend.tenant().store
        transport = httpx.ASGITransport(query_app(self.backend))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://jaegerlite")
        self._random = random.Random(7)

    def send(self, service: str, *spans: Span) -> None:
        """Store spans of a service."""
        self.take(service, *spans)
        self.store.flush(self.store.swap())

    def take(self, service: str, *spans: Span) -> None:
        """Take in spans of a service, which wait for the next flush."""
        request = ExportTraceServiceRequest()
        resource = request.resource_spans.add()
        resource.resource.attributes.add(key="service.name", value=AnyValue(string_value=service))
        resource.scope_spans.add().spans.extend(spans)
        self.store.add(request.SerializeToString())

    def span(
        self,
        name: str,
        at_ms: float,
        duration_ms: float,
        *,
        failed: bool = False,
        parent: bytes = b"",
        kind: Span.SpanKind.ValueType = Span.SPAN_KIND_SERVER,
    ) -> Span:
        """A span in a trace of its own."""
        start_ns = round(at_ms * NS_PER_MS)
        return Span(
            trace_id=self._random.randbytes(16),
            span_id=self._random.randbytes(8),
            parent_span_id=parent,
            name=name,
            kind=kind,
            start_time_unix_nano=start_ns,
            end_time_unix_nano=start_ns + round(duration_ms * NS_PER_MS),
            status=Status(code=Status.STATUS_CODE_ERROR) if failed else None,
        )

    async def get(self, path: str, status: int = 200, **params: Any) -> Any:
        """The JSON of a GET."""
        answer = await self.http.get(path, params=params)
        assert answer.status_code == status, answer.text
        return answer.json()
