"""Zipkin over HTTP: `POST /api/v2/spans` with a list of spans in JSON, on port 9411."""

from typing import Final

from jaegerlite.receive.http import Answer
from jaegerlite.receive.intake import Intake, RefusedError
from jaegerlite.receive.zipkin import otlp_from_zipkin

JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"


class ZipkinHttp:
    """Zipkin's second version, JSON."""

    transport = "zipkin_http"
    path = "/api/v2/spans"

    def bytes_max(self, media: str, intake: Intake) -> int:
        """Zipkin's own senders may leave the content type out."""
        if media not in ("", JSON):
            raise RefusedError(415, "content_type", f"content-type may be {JSON}")
        return intake.text_bytes_max

    def to_otlp(self, media: str, body: bytes) -> bytes:
        """A list of Zipkin's spans, as OTLP."""
        return otlp_from_zipkin(body)

    def accepted(self, media: str, refused: int) -> Answer:
        """202 and nothing, as Zipkin answers; with the number of refused spans, if any."""
        if not refused:
            return Answer(202)
        return Answer(202, TEXT, b"%d spans without usable ids or times were not taken\n" % refused)

    def denied(self, media: str, error: RefusedError) -> Answer:
        """A line that says why."""
        return Answer(error.status, TEXT, error.text.encode() + b"\n")
