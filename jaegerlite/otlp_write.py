"""Writing OTLP protobuf.

What comes in otherwise (OTLP's JSON, Jaeger's thrift) is turned into it, so that all spans go one way.
"""

import struct

from jaegerlite.otlp import Value

U64_MASK = 0xFFFFFFFFFFFFFFFF


def varint(number: int) -> bytes:
    """A protobuf varint; a negative number as its 64 bits in two's complement."""
    number &= U64_MASK
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def bytes_field(number: int, content: bytes) -> bytes:
    """A field of wire type 2: bytes, a text, or a message."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def text_field(number: int, text: str) -> bytes:
    """A text, left out when empty, as proto3 does."""
    return bytes_field(number, text.encode("utf-8", "replace")) if text else b""


def number_field(number: int, value: int) -> bytes:
    """An integer or enum, left out when zero."""
    return varint(number << 3) + varint(value) if value else b""


def fixed64_field(number: int, value: int) -> bytes:
    """A fixed64, left out when zero."""
    return varint(number << 3 | 1) + struct.pack("<Q", value & U64_MASK) if value else b""


def value_message(value: Value) -> bytes:
    """An `AnyValue`."""
    if value is None:
        return b""
    if isinstance(value, str):
        return bytes_field(1, value.encode("utf-8", "replace"))
    if isinstance(value, bool):
        return b"\x10\x01" if value else b"\x10\x00"
    if isinstance(value, int):
        return b"\x18" + varint(value)
    if isinstance(value, float):
        return b"\x21" + struct.pack("<d", value)
    if isinstance(value, bytes):
        return bytes_field(7, value)
    if isinstance(value, list):
        return bytes_field(5, b"".join(bytes_field(1, value_message(item)) for item in value))
    return bytes_field(6, b"".join(bytes_field(1, attribute_message(key, item)) for key, item in value.items()))


def attribute_message(key: str, value: Value) -> bytes:
    """A `KeyValue`."""
    return text_field(1, key) + bytes_field(2, value_message(value))
