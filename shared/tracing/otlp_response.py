"""What OTLP backends answer: how many spans they rejected, and when they want to be asked again.

Three small protobuf messages, read by hand: https://opentelemetry.io/docs/specs/otlp/#partial-success and
https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto (`RetryInfo`).
"""

import email.utils
import time
from collections.abc import Iterator

RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
RETRY_AFTER_MAX_S = 300.0


def partial_success(response: bytes) -> tuple[int, str]:
    """(rejected spans, message) of an ExportTraceServiceResponse; what is none of these is a full success."""
    rejected, message = 0, ""
    try:
        for number, value in _fields(response):
            if number == 1 and isinstance(value, bytes):
                for inner, stated in _fields(value):
                    if inner == 1 and isinstance(stated, int):
                        rejected = stated
                    elif inner == 2 and isinstance(stated, bytes):
                        message = stated.decode("utf-8", "replace")
    except ValueError:
        return 0, ""
    return rejected, message


def retry_after_s(header: str | None) -> float | None:
    """The seconds that a `Retry-After` header asks for, as a number or as a date; None without a usable one."""
    if not header:
        return None
    try:
        asked_s = float(header)
    except ValueError:
        try:
            asked_s = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except ValueError:
            return None
    return min(RETRY_AFTER_MAX_S, max(0.0, asked_s))


def retry_info_s(status: bytes | None) -> float | None:
    """The seconds that the `RetryInfo` in a google.rpc.Status asks for; None without one."""
    try:
        for number, detail in _fields(status or b""):
            if number == 3 and isinstance(detail, bytes):
                kind, value = _text_and_value(detail)
                if kind == RETRY_INFO:
                    return min(RETRY_AFTER_MAX_S, _duration_s(value))
    except ValueError:
        return None
    return None


def _text_and_value(message: bytes) -> tuple[bytes, bytes]:
    """The two fields of a google.protobuf.Any."""
    found = {number: value for number, value in _fields(message) if isinstance(value, bytes)}
    return found.get(1, b""), found.get(2, b"")


def _duration_s(retry_info: bytes) -> float:
    found = next((value for number, value in _fields(retry_info) if number == 1 and isinstance(value, bytes)), b"")
    parts = {number: value for number, value in _fields(found) if isinstance(value, int)}
    return parts.get(1, 0) + parts.get(2, 0) / 1e9


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The varint and length-delimited fields of a message; others are passed over. Raises ValueError if malformed."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        wire = tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        size, at = _varint(message, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
        if size < 0 or at + size > len(message):
            raise ValueError("malformed protobuf")
        if wire == 2:
            yield tag >> 3, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message) and shift < 64:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("malformed protobuf")
