"""Spans on standard output, one line of JSON each: for a look at what an application traces, without any backend."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from shared.tracing.span import Span
from shared.tracing.span_group import Ended, each_span


def described(span: Span) -> dict[str, Any]:
    """A span as plain values."""
    return {
        "name": span.name,
        "service": span.resource.attributes.get("service.name", ""),
        "trace_id": f"{span.trace_id():032x}",
        "span_id": f"{span.span_id:016x}",
        "parent_id": f"{span.parent_id:016x}" if span.parent_id else "",
        "kind": span.kind.name,
        "start_ns": span.start_ns,
        "duration_ms": (span.end_ns - span.start_ns) / 1e6,
        "status": span.status.status_code.name,
        "status_message": span.status_message or "",
        "attributes": dict(span.attributes),
        "events": [
            {"name": event.name, "time_ns": event.timestamp, "attributes": dict(event.attributes or {})}
            for event in span.events
        ],
    }


class ConsoleExporter:
    """Prints spans."""

    name = "console"
    takes_otlp = False

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """The lines of these spans."""
        lines = [json.dumps(described(span), default=str).encode() + b"\n" for span in each_span(ended)]
        return [(len(lines), b"".join(lines))]

    def send(self, payload: bytes) -> int:
        """Print them."""
        sys.stdout.write(payload.decode())
        sys.stdout.flush()
        return 0

    def close(self) -> None:
        """Nothing to close."""
