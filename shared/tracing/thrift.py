"""The two Thrift encodings that Jaeger takes, as far as its spans need them.

`CompactWriter` is what agents read from UDP, `BinaryWriter` what collectors take over HTTP. Both write structs field by
field in ascending order of field ids.
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md (and thrift-binary-protocol.md)
"""

import struct
from typing import Protocol

BOOL, DOUBLE, I32, I64, STRING, STRUCT, LIST = "bool", "double", "i32", "i64", "string", "struct", "list"

_COMPACT_TYPES = {BOOL: 2, I32: 5, I64: 6, DOUBLE: 7, STRING: 8, LIST: 9, STRUCT: 12}
_BINARY_TYPES = {BOOL: 2, DOUBLE: 4, I32: 8, I64: 10, STRING: 11, STRUCT: 12, LIST: 15}


class ThriftWriter(Protocol):
    """What the encoders below have in common; `out` holds the bytes so far."""

    out: bytearray

    def begin(self) -> None:
        """Start a struct."""

    def field(self, number: int, kind: str) -> None:
        """Start a field of the current struct (not for booleans)."""

    def bool_field(self, number: int, value: bool) -> None:
        """A whole boolean field."""

    def integer(self, value: int) -> None:
        """An i32 or i64, as the field before says."""

    def double(self, value: float) -> None:
        """A double."""

    def text(self, value: bytes) -> None:
        """A string or binary."""

    def structs(self, count: int) -> None:
        """Start a list of structs."""

    def end(self) -> None:
        """End a struct."""


class CompactWriter:
    """Thrift's compact protocol: varints, and field ids as differences."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.last_fields: list[int] = []

    def begin(self) -> None:
        """Start a struct."""
        self.last_fields.append(0)

    def field(self, number: int, kind: str) -> None:
        """Start a field: the difference to the last field's id and the type in one byte."""
        self._field_header(number, _COMPACT_TYPES[kind])

    def bool_field(self, number: int, value: bool) -> None:
        """A boolean's value is its field's type."""
        self._field_header(number, 1 if value else 2)

    def integer(self, value: int) -> None:
        """Zigzag varint, for i32 and i64 alike."""
        self.varint((value << 1) ^ (value >> 63))

    def double(self, value: float) -> None:
        """Little-endian."""
        self.out += struct.pack("<d", value)

    def text(self, value: bytes) -> None:
        """Length and bytes."""
        self.varint(len(value))
        self.out += value

    def structs(self, count: int) -> None:
        """Short lists carry their length in the type byte."""
        if count < 15:
            self.out.append(count << 4 | _COMPACT_TYPES[STRUCT])
        else:
            self.out.append(0xF0 | _COMPACT_TYPES[STRUCT])
            self.varint(count)

    def end(self) -> None:
        """End a struct."""
        self.out.append(0)
        self.last_fields.pop()

    def varint(self, number: int) -> None:
        """A base-128 number, 0 <= number < 2**64."""
        while number >= 0x80:
            self.out.append(number & 0x7F | 0x80)
            number >>= 7
        self.out.append(number)

    def _field_header(self, number: int, kind: int) -> None:
        self.out.append((number - self.last_fields[-1]) << 4 | kind)
        self.last_fields[-1] = number


class BinaryWriter:
    """Thrift's binary protocol: fixed widths, big-endian."""

    def __init__(self) -> None:
        self.out = bytearray()
        self.width = ">q"

    def begin(self) -> None:
        """A struct has no opening bytes."""

    def field(self, number: int, kind: str) -> None:
        """Type and id."""
        self.width = ">i" if kind == I32 else ">q"
        self.out += struct.pack(">bh", _BINARY_TYPES[kind], number)

    def bool_field(self, number: int, value: bool) -> None:
        """Type, id and one byte."""
        self.out += struct.pack(">bhb", _BINARY_TYPES[BOOL], number, value)

    def integer(self, value: int) -> None:
        """Four or eight bytes, as the field before says."""
        self.out += struct.pack(self.width, value)

    def double(self, value: float) -> None:
        """Eight bytes."""
        self.out += struct.pack(">d", value)

    def text(self, value: bytes) -> None:
        """Length and bytes."""
        self.out += struct.pack(">i", len(value)) + value

    def structs(self, count: int) -> None:
        """Element type and length."""
        self.out += struct.pack(">bi", _BINARY_TYPES[STRUCT], count)

    def end(self) -> None:
        """End a struct."""
        self.out.append(0)
