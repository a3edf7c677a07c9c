"""Reading OTLP messages into Python, for the few spans that somebody looks at.

The bytes here passed `decode.decode_request` once, so their structure is sound; a text that is not UTF-8 is shown with
replacement characters. Attribute values come out as str, bool, int, float, bytes, list or dict, None for an empty
value.
"""

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

Value = str | bool | int | float | bytes | list["Value"] | dict[str, "Value"] | None
Attributes = tuple[tuple[str, Value], ...]


@dataclass(slots=True)
class Event:
    """A span event; the time in nanoseconds since 1970."""

    time_ns: int = 0
    name: str = ""
    attributes: Attributes = ()


@dataclass(slots=True)
class Link:
    """A link to another span; ids as lower-case hex."""

    trace_id: str = ""
    span_id: str = ""
    attributes: Attributes = ()


@dataclass(slots=True)
class SpanRest:
    """What a span has besides the columns."""

    attributes: Attributes = ()
    events: list[Event] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    status_message: str = ""
    trace_state: str = ""


def _varint(data: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[pos]
        pos += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield number, wire type and value of each field: bytes for wire type 2, else the raw unsigned number."""
    pos, end = 0, len(data)
    while pos < end:
        tag, pos = _varint(data, pos)
        number, wire = tag >> 3, tag & 7
        if wire == 2:
            size, pos = _varint(data, pos)
            yield number, wire, data[pos : pos + size]
            pos += size
        elif wire == 0:
            value, pos = _varint(data, pos)
            yield number, wire, value
        else:
            width = 8 if wire == 1 else 4
            yield number, wire, int.from_bytes(data[pos : pos + width], "little")
            pos += width


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def read_value(data: bytes) -> Value:
    """An `AnyValue`; the last member of its oneof wins, as protobuf has it."""
    result: Value = None
    for number, wire, raw in fields(data):
        if isinstance(raw, bytes):
            if number == 1:
                result = _text(raw)
            elif number == 5:
                result = [read_value(item) for n, _, item in fields(raw) if n == 1 and isinstance(item, bytes)]
            elif number == 6:
                result = dict(read_attribute(item) for n, _, item in fields(raw) if n == 1 and isinstance(item, bytes))
            elif number == 7:
                result = raw
        elif number == 2 and wire == 0:
            result = raw != 0
        elif number == 3 and wire == 0:
            result = raw - (1 << 64) if raw >> 63 else raw
        elif number == 4 and wire == 1:
            result = float(struct.unpack("<d", struct.pack("<Q", raw))[0])
    return result


def read_attribute(data: bytes) -> tuple[str, Value]:
    """A `KeyValue`."""
    key, value = "", b""
    for number, _, raw in fields(data):
        if isinstance(raw, bytes):
            if number == 1:
                key = _text(raw)
            elif number == 2:
                value = raw
    return key, read_value(value)


def _read_attributes(data: bytes, number: int) -> Attributes:
    return tuple(read_attribute(raw) for n, _, raw in fields(data) if n == number and isinstance(raw, bytes))


def read_resource(data: bytes) -> Attributes:
    """The attributes of a `Resource`."""
    return _read_attributes(data, 1)


def read_scope(data: bytes) -> tuple[str, str, Attributes]:
    """Name, version and attributes of an `InstrumentationScope`."""
    name = version = ""
    for number, _, raw in fields(data):
        if isinstance(raw, bytes):
            if number == 1:
                name = _text(raw)
            elif number == 2:
                version = _text(raw)
    return name, version, _read_attributes(data, 3)


def _read_event(data: bytes) -> Event:
    event = Event(attributes=_read_attributes(data, 3))
    for number, wire, raw in fields(data):
        if number == 1 and wire == 1 and isinstance(raw, int):
            event.time_ns = raw
        elif number == 2 and isinstance(raw, bytes):
            event.name = _text(raw)
    return event


def _read_link(data: bytes) -> Link:
    link = Link(attributes=_read_attributes(data, 4))
    for number, _, raw in fields(data):
        if isinstance(raw, bytes):
            if number == 1:
                link.trace_id = raw.hex()
            elif number == 2:
                link.span_id = raw.hex()
    return link


def read_rest(data: bytes) -> SpanRest:
    """The fields of a `Span` that no column holds; the others are passed over."""
    rest = SpanRest()
    attributes: list[tuple[str, Value]] = []
    for number, _, raw in fields(data):
        if not isinstance(raw, bytes):
            continue
        if number == 9:
            attributes.append(read_attribute(raw))
        elif number == 11:
            rest.events.append(_read_event(raw))
        elif number == 13:
            rest.links.append(_read_link(raw))
        elif number == 3:
            rest.trace_state = _text(raw)
        elif number == 15:
            rest.status_message = "".join(_text(r) for n, _, r in fields(raw) if n == 2 and isinstance(r, bytes))
    rest.attributes = tuple(attributes)
    return rest


def _jsonable(value: Value) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [_jsonable(item) for item in value]
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return value


def value_text(value: Value) -> str:
    """The text of a value, by which tags are searched: as the collector's `AsString` writes it."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, int):
        return str(value)
    return json.dumps(_jsonable(value), separators=(",", ":"), ensure_ascii=False)
