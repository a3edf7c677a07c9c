"""OTLP over HTTP with protobuf bodies."""

import logging
from collections.abc import Sequence

from shared.tracing.destinations import Destination
from shared.tracing.http_sender import HttpSender
from shared.tracing.otlp import encode_request
from shared.tracing.otlp_response import partial_success
from shared.tracing.span_group import Ended, span_count

logger = logging.getLogger(__name__)


class OtlpHttpExporter:
    """Exporter for `/v1/traces`."""

    takes_otlp = True

    def __init__(self, destination: Destination) -> None:
        self.name = destination.url
        self.sender = HttpSender(destination, "application/x-protobuf")

    def encode(self, ended: Sequence[Ended]) -> list[tuple[int, bytes]]:
        """One ExportTraceServiceRequest."""
        return [(span_count(ended), encode_request(ended[0].resource, ended))]

    def send(self, payload: bytes) -> int:
        """Post it; the number of spans that the backend rejected."""
        return note_partial_success(self.name, self.sender.post(payload))

    def close(self) -> None:
        """Close the connection."""
        self.sender.close()


def note_partial_success(name: str, response: bytes) -> int:
    """The number of spans that an OTLP answer rejects; says so in the log. A message alone is a warning to us."""
    rejected, message = partial_success(response)
    if rejected or message:
        logger.warning("Trace backend %s took a request and rejected %d of its spans: %s", name, rejected, message)
    return rejected
