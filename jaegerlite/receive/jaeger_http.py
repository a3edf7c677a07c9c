"""Jaeger's Thrift over HTTP: `POST /api/traces` with a `Batch`, as Jaeger's collector takes it on port 14268."""

from typing import Final

from jaegerlite.receive.http import Answer
from jaegerlite.receive.intake import Intake, RefusedError
from jaegerlite.receive.jaeger_thrift import otlp_from_batch
from jaegerlite.receive.thrift import BinaryReader, CompactReader

BINARY: Final = ("application/x-thrift", "application/vnd.apache.thrift.binary")
COMPACT: Final = ("application/vnd.apache.thrift.compact",)
TEXT: Final = "text/plain; charset=utf-8"


class JaegerHttp:
    """Thrift, binary or compact."""

    transport = "jaeger_http"
    path = "/api/traces"

    def bytes_max(self, media: str, intake: Intake) -> int:
        """The same for both encodings."""
        if media not in BINARY + COMPACT:
            raise RefusedError(415, "content_type", f"content-type may be {', '.join(BINARY + COMPACT)}")
        return intake.text_bytes_max

    def to_otlp(self, media: str, body: bytes) -> bytes:
        """A `Batch` of Jaeger's, as OTLP."""
        reader = CompactReader(body) if media in COMPACT else BinaryReader(body)
        return otlp_from_batch(reader.struct())

    def accepted(self, media: str, refused: int) -> Answer:
        """202 and nothing, as Jaeger's collector answers; with the number of refused spans, if any."""
        if not refused:
            return Answer(202)
        return Answer(202, TEXT, b"%d spans without usable ids or times were not taken\n" % refused)

    def denied(self, media: str, error: RefusedError) -> Answer:
        """A line that says why."""
        return Answer(error.status, TEXT, error.text.encode() + b"\n")
