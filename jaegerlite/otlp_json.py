"""OTLP's JSON encoding, turned into protobuf.

It is proto3's JSON mapping with the exceptions of the OTLP specification: trace and span ids are hex, enums are
integers; 64-bit integers come as texts or numbers, bytes in base64. Unknown names are passed over.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from jaegerlite.decode import MalformedError
from jaegerlite.otlp import Value
from jaegerlite.otlp_write import attribute_message, bytes_field, fixed64_field, number_field, text_field

Json = dict[str, Any]
# A list in a list needs two messages on the wire; the decoder's own limit of depth comes after this one.
DEPTH_MAX = 12


def request_from_json(body: bytes) -> bytes:
    """An `ExportTraceServiceRequest` in protobuf from its JSON.

    Raises:
        MalformedError: no JSON, or a field that cannot be what it should be, with its name.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError(str(error)) from error
    return _repeated(1, _member(request, "resourceSpans", "request"), "resourceSpans", _resource_spans)


def _member(message: Any, name: str, where: str) -> Any:
    if not isinstance(message, dict):
        raise MalformedError(f"{where} is not an object")
    return message.get(name)


def _repeated(number: int, items: Any, name: str, write: Callable[[Json], bytes]) -> bytes:
    if items is None:
        return b""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise MalformedError(f"{name} is not a list of objects")
    return b"".join(bytes_field(number, write(item)) for item in items)


def _single(number: int, item: Any, name: str, write: Callable[[Json], bytes]) -> bytes:
    return _repeated(number, None if item is None else [item], name, write)


def _integer(message: Json, name: str) -> int:
    value = message.get(name)
    if value is None:
        return 0
    if isinstance(value, str) and len(value) <= 24:
        try:
            return int(value)
        except ValueError as error:
            raise MalformedError(f"{name} is not an integer") from error
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise MalformedError(f"{name} is not an integer")


def _text(message: Json, name: str) -> str:
    value = message.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedError(f"{name} is not a text")
    return value


def _id_field(number: int, message: Json, name: str) -> bytes:
    try:
        raw = bytes.fromhex(_text(message, name))
    except ValueError as error:
        raise MalformedError(f"{name} is not hex") from error
    return bytes_field(number, raw) if raw else b""


def _value(message: Any, depth: int = 0) -> Value:
    if message is None:
        return None
    if not isinstance(message, dict):
        raise MalformedError("an attribute's value is not an object")
    if depth > DEPTH_MAX:
        raise MalformedError(f"an attribute's value is nested deeper than {DEPTH_MAX} levels")
    if "stringValue" in message:
        return _text(message, "stringValue")
    if "boolValue" in message:
        return message["boolValue"] is True
    if "intValue" in message:
        return _integer(message, "intValue")
    if "doubleValue" in message:
        return _double(message["doubleValue"])
    if "bytesValue" in message:
        try:
            return base64.b64decode(_text(message, "bytesValue"))
        except binascii.Error as error:
            raise MalformedError("bytesValue is not base64") from error
    if "arrayValue" in message:
        return [_value(item, depth + 1) for item in _member(message["arrayValue"], "values", "arrayValue") or []]
    if "kvlistValue" in message:
        items = _member(message["kvlistValue"], "values", "kvlistValue") or []
        return {_text(item, "key"): _value(item.get("value"), depth + 1) for item in items if isinstance(item, dict)}
    return None


def _double(value: Any) -> float:
    # proto3's JSON writes the values that JSON lacks as "NaN", "Infinity" and "-Infinity".
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise MalformedError("doubleValue is not a number") from error


def _attribute(message: Json) -> bytes:
    return attribute_message(_text(message, "key"), _value(message.get("value")))


def _attributes(number: int, message: Json) -> bytes:
    return _repeated(number, message.get("attributes"), "attributes", _attribute)


def _resource_spans(message: Json) -> bytes:
    return _single(1, message.get("resource"), "resource", lambda resource: _attributes(1, resource)) + _repeated(
        2, message.get("scopeSpans"), "scopeSpans", _scope_spans
    )


def _scope(message: Json) -> bytes:
    return text_field(1, _text(message, "name")) + text_field(2, _text(message, "version")) + _attributes(3, message)


def _scope_spans(message: Json) -> bytes:
    return _single(1, message.get("scope"), "scope", _scope) + _repeated(2, message.get("spans"), "spans", _span)


def _span(span: Json) -> bytes:
    return b"".join(
        (
            _id_field(1, span, "traceId"),
            _id_field(2, span, "spanId"),
            text_field(3, _text(span, "traceState")),
            _id_field(4, span, "parentSpanId"),
            text_field(5, _text(span, "name")),
            number_field(6, _integer(span, "kind")),
            fixed64_field(7, _integer(span, "startTimeUnixNano")),
            fixed64_field(8, _integer(span, "endTimeUnixNano")),
            _attributes(9, span),
            number_field(10, _integer(span, "droppedAttributesCount")),
            _repeated(11, span.get("events"), "events", _event),
            _repeated(13, span.get("links"), "links", _link),
            _single(15, span.get("status"), "status", _status),
        )
    )


def _event(event: Json) -> bytes:
    return (
        fixed64_field(1, _integer(event, "timeUnixNano")) + text_field(2, _text(event, "name")) + _attributes(3, event)
    )


def _link(link: Json) -> bytes:
    return (
        _id_field(1, link, "traceId")
        + _id_field(2, link, "spanId")
        + text_field(3, _text(link, "traceState"))
        + _attributes(4, link)
    )


def _status(status: Json) -> bytes:
    return text_field(2, _text(status, "message")) + number_field(3, _integer(status, "code"))
