# cython: language_level=3, annotation_typing=False
"""Reading OTLP messages into Python objects.

The bytes here passed `decode.decode_request` once, so their structure is sound; a text that is not UTF-8 is shown with
replacement characters. Where a field of one value comes twice the last one holds, as protobuf has it. Compiled where a
C compiler is at hand (`otlp_read.pxd`): a trace of ten thousand spans is a hundred thousand attributes.
"""

import struct

import cython

from jaegerlite.otlp import Attributes, Event, Link, SpanRest, Value
from jaegerlite.wire import FieldReader

VARINT = cython.declare(cython.int, 0)
FIXED64 = cython.declare(cython.int, 1)
BYTES = cython.declare(cython.int, 2)
I64_MAX = cython.declare(cython.ulonglong, 0x7FFFFFFFFFFFFFFF)
DOUBLE = struct.Struct("<d")
# Keys repeat endlessly, and a program that makes them up could not fill memory with this.
KEYS_MAX = 10_000
_keys: dict[bytes, str] = {}


def _key(raw: bytes) -> str:
    """The text of an attribute's key, the same object each time."""
    text = _keys.get(raw)
    if text is None:
        text = raw.decode("utf-8", "replace")
        if len(_keys) < KEYS_MAX:
            _keys[raw] = text
    return text


class MessageReader:
    """Reads the messages of one piece of bytes."""

    def __init__(self, data: bytes) -> None:
        self.reader = FieldReader(data)

    def text(self, start: int, stop: int) -> str:
        """A text."""
        return self.reader.data[start:stop].decode("utf-8", "replace")

    def value(self, pos: int, end: int) -> Value:
        """An `AnyValue`."""
        reader = self.reader
        result: Value = None
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire == BYTES:
                if reader.number == 1:
                    result = self.text(reader.start, reader.stop)
                elif reader.number == 5:
                    result = self.array(reader.start, reader.stop)
                elif reader.number == 6:
                    result = dict(self.attributes(reader.start, reader.stop, 1))
                elif reader.number == 7:
                    result = reader.data[reader.start : reader.stop]
            elif reader.number == 2 and reader.wire == VARINT:
                result = reader.value != 0
            elif reader.number == 3 and reader.wire == VARINT:
                result = reader.value
                if reader.value > I64_MAX:
                    result = result - (1 << 64)
            elif reader.number == 4 and reader.wire == FIXED64:
                result = DOUBLE.unpack(reader.data[pos - 8 : pos])[0]
        return result

    def array(self, pos: int, end: int) -> list[Value]:
        """An `ArrayValue`."""
        reader = self.reader
        found = []
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                found.append(self.value(reader.start, reader.stop))
        return found

    def attribute(self, pos: int, end: int) -> tuple[str, Value]:
        """A `KeyValue`."""
        reader = self.reader
        key = ""
        value_start = value_stop = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire == BYTES:
                if reader.number == 1:
                    key = _key(reader.data[reader.start : reader.stop])
                elif reader.number == 2:
                    value_start = reader.start
                    value_stop = reader.stop
        return key, self.value(value_start, value_stop)

    def attributes(self, pos: int, end: int, number: int) -> list[tuple[str, Value]]:
        """All attributes that a message has in its fields of this number."""
        reader = self.reader
        found = []
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == number and reader.wire == BYTES:
                found.append(self.attribute(reader.start, reader.stop))
        return found

    def event(self, begin: int, end: int) -> Event:
        """A span event."""
        reader = self.reader
        found = Event(attributes=tuple(self.attributes(begin, end, 3)))
        pos = begin
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == FIXED64:
                found.time_ns = reader.value
            elif reader.number == 2 and reader.wire == BYTES:
                found.name = self.text(reader.start, reader.stop)
        return found

    def link(self, begin: int, end: int) -> Link:
        """A link."""
        reader = self.reader
        found = Link(attributes=tuple(self.attributes(begin, end, 4)))
        pos = begin
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire == BYTES:
                if reader.number == 1:
                    found.trace_id = reader.data[reader.start : reader.stop].hex()
                elif reader.number == 2:
                    found.span_id = reader.data[reader.start : reader.stop].hex()
        return found

    def status_message(self, pos: int, end: int) -> str:
        """The text of a `Status`."""
        reader = self.reader
        found = ""
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 2 and reader.wire == BYTES:
                found = self.text(reader.start, reader.stop)
        return found

    def rest(self, pos: int, end: int) -> SpanRest:
        """The fields of a `Span` that no column holds; the others are passed over."""
        reader = self.reader
        found = SpanRest()
        attributes = []
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire != BYTES:
                continue
            if reader.number == 9:
                attributes.append(self.attribute(reader.start, reader.stop))
            elif reader.number == 11:
                found.events.append(self.event(reader.start, reader.stop))
            elif reader.number == 13:
                found.links.append(self.link(reader.start, reader.stop))
            elif reader.number == 3:
                found.trace_state = self.text(reader.start, reader.stop)
            elif reader.number == 15:
                found.status_message = self.status_message(reader.start, reader.stop)
        found.attributes = tuple(attributes)
        return found


def read_rest(data: bytes) -> SpanRest:
    """What a `Span` has besides its columns."""
    return MessageReader(data).rest(0, len(data))


def read_resource(data: bytes) -> Attributes:
    """The attributes of a `Resource`."""
    return tuple(MessageReader(data).attributes(0, len(data), 1))


def read_scope(data: bytes) -> tuple[str, str, Attributes]:
    """Name, version and attributes of an `InstrumentationScope`."""
    message = MessageReader(data)
    reader = message.reader
    name = version = ""
    pos = 0
    while pos < len(data):
        pos = reader.read(pos, len(data))
        if reader.wire == BYTES:
            if reader.number == 1:
                name = message.text(reader.start, reader.stop)
            elif reader.number == 2:
                version = message.text(reader.start, reader.stop)
    return name, version, tuple(message.attributes(0, len(data), 3))
