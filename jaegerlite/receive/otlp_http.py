"""OTLP over HTTP: `POST /v1/traces`, as the OpenTelemetry protocol specification has it.

The answers are protobuf or JSON after the request's content type; the four small messages that takes are written here
byte by byte.
"""

import json
from typing import Final

from jaegerlite.otlp_json import request_from_json
from jaegerlite.otlp_write import bytes_field, varint
from jaegerlite.receive.http import PROTOBUF, Answer
from jaegerlite.receive.intake import Intake, RefusedError

JSON: Final = "application/json"
REFUSED_TEXT: Final = (
    "a span needs a trace id of 16 bytes and a span id of 8, neither all zero, and times before the year 2262;"
    " and no more names than the store has room for"
)
# google.rpc.Code, which OTLP's error body carries.
GRPC_CODES: Final = {400: 3, 401: 16, 403: 7, 404: 5, 405: 12, 408: 4, 413: 3, 415: 3, 429: 8, 503: 14}


def partial_success(refused: int) -> bytes:
    """An `ExportTraceServiceResponse` in protobuf; empty when no span was refused."""
    if not refused:
        return b""
    return bytes_field(1, b"\x08" + varint(refused) + bytes_field(2, REFUSED_TEXT.encode()))


def status_message(code: int, text: str) -> bytes:
    """A `google.rpc.Status`, OTLP's error body."""
    return b"\x08" + varint(code) + bytes_field(2, text.encode())


class OtlpHttp:
    """OTLP, protobuf or JSON."""

    transport = "otlp_http"
    path = "/v1/traces"

    def bytes_max(self, media: str, intake: Intake) -> int:
        """More for protobuf, which is never unfolded as a whole."""
        if media == PROTOBUF:
            return intake.body_bytes_max
        if media == JSON:
            return intake.text_bytes_max
        raise RefusedError(415, "content_type", f"content-type may be {PROTOBUF} or {JSON}")

    def to_otlp(self, media: str, body: bytes) -> bytes:
        """JSON is turned into protobuf."""
        return request_from_json(body) if media == JSON else body

    def accepted(self, media: str, refused: int) -> Answer:
        """Success, or partial success with the number of refused spans."""
        if media == PROTOBUF:
            return Answer(200, PROTOBUF, partial_success(refused))
        if not refused:
            return Answer(200, JSON, b"{}")
        partial = {"rejectedSpans": str(refused), "errorMessage": REFUSED_TEXT}
        return Answer(200, JSON, json.dumps({"partialSuccess": partial}).encode())

    def denied(self, media: str, error: RefusedError) -> Answer:
        """A `google.rpc.Status`."""
        code = GRPC_CODES[error.status]
        if media == PROTOBUF:
            return Answer(error.status, PROTOBUF, status_message(code, error.text))
        return Answer(error.status, JSON, json.dumps({"code": code, "message": error.text}).encode())
