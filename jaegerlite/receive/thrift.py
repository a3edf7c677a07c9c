"""Reading Thrift's binary and compact encodings into plain values, whoever wrote them.

A struct becomes a dictionary from field number to value; nothing is taken on trust: lengths are compared with what is
there, nesting and the number of values are limited.
https://github.com/apache/thrift/blob/master/doc/specs/ (thrift-binary-protocol.md, thrift-compact-protocol.md)
"""

import struct
from typing import Final

from jaegerlite.wire import MalformedError

Value = bool | int | float | bytes | list["Value"] | dict[int, "Value"]
Struct = dict[int, Value]

DEPTH_MAX: Final = 16
# A dictionary takes some hundred bytes of memory for what may be one byte of a message.
VALUES_MAX: Final = 1_000_000
NAME_BYTES_MAX: Final = 100
VERSION_1: Final = 0x8001
COMPACT_ID: Final = 0x82

BOOL, BYTE, DOUBLE, I16, I32, I64, BINARY, STRUCT, MAP, SET, LIST, UUID = range(1, 13)
STOP: Final = 0
_BINARY_KINDS: Final = {
    **{0: STOP, 2: BOOL, 3: BYTE, 4: DOUBLE, 6: I16, 8: I32, 10: I64},
    **{11: BINARY, 12: STRUCT, 13: MAP, 14: SET, 15: LIST, 16: UUID},
}
_COMPACT_KINDS: Final = {
    **{0: STOP, 1: BOOL, 2: BOOL, 3: BYTE, 4: I16, 5: I32, 6: I64, 7: DOUBLE},
    **{8: BINARY, 9: LIST, 10: SET, 11: MAP, 12: STRUCT, 13: UUID},
}
COMPACT_TRUE: Final = 1
_INTEGER_FORMATS: Final = {BYTE: ">b", I16: ">h", I32: ">i", I64: ">q"}


class _Reader:
    """What both encodings have in common."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0
        self.values = 0

    def take(self, count: int) -> bytes:
        """The next bytes. Raises MalformedError where there are fewer."""
        if not 0 <= count <= len(self.data) - self.pos:
            raise MalformedError(f"{count} bytes at byte {self.pos} run past the end")
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def count_in(self, values: int, depth: int) -> None:
        """Note that this many values follow. Raises MalformedError where they cannot, or should not."""
        self.values += values
        if not 0 <= values <= len(self.data) - self.pos:
            raise MalformedError(f"{values} values at byte {self.pos} run past the end")
        if self.values > VALUES_MAX:
            raise MalformedError(f"there are more than {VALUES_MAX} values")
        if depth > DEPTH_MAX:
            raise MalformedError(f"a value at byte {self.pos} is nested deeper than {DEPTH_MAX} levels")

    def value(self, kind: int, depth: int) -> Value:
        """A value of a kind."""
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (LIST, SET):
            element, count = self.list_head()
            self.count_in(count, depth)
            return [self.value(element, depth + 1) for _ in range(count)]
        if kind == MAP:
            key, value, count = self.map_head()
            self.count_in(2 * count, depth)
            return [self.value(each, depth + 1) for _ in range(count) for each in (key, value)]
        if kind == UUID:
            return self.take(16)
        return self.scalar(kind)

    def struct(self, depth: int = 0) -> Struct:
        """A struct, up to and with its end. Raises MalformedError."""
        raise NotImplementedError

    def list_head(self) -> tuple[int, int]:
        """The kind and number of elements."""
        raise NotImplementedError

    def map_head(self) -> tuple[int, int, int]:
        """The kinds of keys and values, and their number."""
        raise NotImplementedError

    def scalar(self, kind: int) -> Value:
        """A number, a boolean or bytes."""
        raise NotImplementedError

    def message(self) -> str:
        """The head of a message: the name of the call. The struct of its arguments follows."""
        raise NotImplementedError

    def name(self, size: int) -> str:
        """The name of a call."""
        if size > NAME_BYTES_MAX:
            raise MalformedError(f"the name of a call has {size} bytes")
        return self.take(size).decode("utf-8", "replace")

    def kind(self, number: int, kinds: dict[int, int]) -> int:
        """The kind that a number on the wire stands for."""
        kind = kinds.get(number)
        if kind is None:
            raise MalformedError(f"there is no type {number}, before byte {self.pos}")
        return kind


class BinaryReader(_Reader):
    """Thrift's binary encoding: fixed widths, big-endian."""

    def _integer(self, kind: int) -> int:
        layout = _INTEGER_FORMATS[kind]
        return int(struct.unpack(layout, self.take(struct.calcsize(layout)))[0])

    def message(self) -> str:
        """With a version, or in the old form without one."""
        first = self._integer(I32)
        if first >= 0:
            name = self.name(first)
            self.take(1)
        elif first >> 16 & 0xFFFF != VERSION_1:
            raise MalformedError("the message has an unknown version")
        else:
            name = self.name(self._integer(I32))
        self.take(4)
        return name

    def struct(self, depth: int = 0) -> Struct:
        """Fields, each a type, a number and a value."""
        self.count_in(1, depth)
        fields: Struct = {}
        while kind := self.kind(self.take(1)[0], _BINARY_KINDS):
            number = self._integer(I16)
            fields[number] = self.value(kind, depth + 1)
        return fields

    def list_head(self) -> tuple[int, int]:
        """A type and a number of four bytes."""
        return self.kind(self.take(1)[0], _BINARY_KINDS), self._integer(I32)

    def map_head(self) -> tuple[int, int, int]:
        """Two types and a number of four bytes."""
        key, value = self.take(2)
        return self.kind(key, _BINARY_KINDS), self.kind(value, _BINARY_KINDS), self._integer(I32)

    def scalar(self, kind: int) -> Value:
        """Big-endian; a length of four bytes before bytes."""
        if kind == BOOL:
            return self.take(1) != b"\0"
        if kind == DOUBLE:
            return float(struct.unpack(">d", self.take(8))[0])
        if kind == BINARY:
            return self.take(self._integer(I32))
        if kind == STOP:
            raise MalformedError(f"a value without a type before byte {self.pos}")
        return self._integer(kind)


class CompactReader(_Reader):
    """Thrift's compact encoding: varints, and field numbers as differences."""

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF
            shift += 7
            if shift > 63:
                raise MalformedError(f"a number before byte {self.pos} is too long")

    def _zigzag(self) -> int:
        value = self._varint()
        return value >> 1 ^ -(value & 1)

    def message(self) -> str:
        """Protocol, version and type in two bytes, then a number and the name."""
        if self.take(1)[0] != COMPACT_ID or self.take(1)[0] & 0x1F != 1:
            raise MalformedError("the message has an unknown version")
        self._varint()
        return self.name(self._varint())

    def struct(self, depth: int = 0) -> Struct:
        """Fields, each the difference of its number and its type in one byte; a boolean is its type."""
        self.count_in(1, depth)
        fields: Struct = {}
        number = 0
        while head := self.take(1)[0]:
            kind = self.kind(head & 0x0F, _COMPACT_KINDS)
            number = number + (head >> 4) if head >> 4 else self._zigzag()
            is_boolean = kind == BOOL
            fields[number] = head & 0x0F == COMPACT_TRUE if is_boolean else self.value(kind, depth + 1)
        return fields

    def list_head(self) -> tuple[int, int]:
        """Type and number in one byte, as long as the number is below fifteen."""
        head = self.take(1)[0]
        count = self._varint() if head >> 4 == 15 else head >> 4
        return self.kind(head & 0x0F, _COMPACT_KINDS), count

    def map_head(self) -> tuple[int, int, int]:
        """A number, and unless it is zero both types in one byte."""
        count = self._varint()
        kinds = self.take(1)[0] if count else 0
        return self.kind(kinds >> 4, _COMPACT_KINDS), self.kind(kinds & 0x0F, _COMPACT_KINDS), count

    def scalar(self, kind: int) -> Value:
        """Zigzag varints, doubles little-endian; a varint of the length before bytes."""
        if kind == BOOL:
            return self.take(1)[0] == COMPACT_TRUE
        if kind == BYTE:
            return int(struct.unpack(">b", self.take(1))[0])
        if kind == DOUBLE:
            return float(struct.unpack("<d", self.take(8))[0])
        if kind == BINARY:
            return self.take(self._varint())
        if kind == STOP:
            raise MalformedError(f"a value without a type before byte {self.pos}")
        return self._zigzag()
