# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="no-any-return,name-defined,attr-defined"
# ruff: noqa: F821
"""Reading protobuf's wire format without making objects: one reader, which holds the field that it read last.

Compiled, it works on C pointers and numbers (`wire.pxd` has the types, and imports memcpy and the like); the same
source runs as plain Python.
https://protobuf.dev/programming-guides/encoding/
"""

import cython
import numpy as np

from jaegerlite.columns import I64Array

VARINT = cython.declare(cython.int, 0)
FIXED64 = cython.declare(cython.int, 1)
BYTES = cython.declare(cython.int, 2)
FIXED32 = cython.declare(cython.int, 5)

U64_MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)

# The kinds of message that `check` walks, named by what they are in OTLP.
LEAF = cython.declare(cython.int, 0)
KEY_VALUE = cython.declare(cython.int, 1)
ANY_VALUE = cython.declare(cython.int, 2)
ARRAY = cython.declare(cython.int, 3)
KEY_VALUE_LIST = cython.declare(cython.int, 4)
EVENT = cython.declare(cython.int, 5)
LINK = cython.declare(cython.int, 6)

# Tags of fields, number and wire type in one byte: of `KeyValue`, `AnyValue` and, for attributes, `Span`.
KEY_TAG = cython.declare(cython.int, 0x0A)
VALUE_TAG = cython.declare(cython.int, 0x12)
TEXT_TAG = cython.declare(cython.int, 0x0A)
INTEGER_TAG = cython.declare(cython.int, 0x18)
ATTRIBUTE_TAG = cython.declare(cython.int, 0x4A)

# An attribute value may hold values; no sender of good will goes deeper.
DEPTH_MAX = cython.declare(cython.int, 32)


class MalformedError(ValueError):
    """The bytes are no OTLP trace request; the text says where and why."""


class FieldReader:
    """Reads fields out of `data`. After `read`: the field's `number` and `wire` type, and its `value` or its borders.

    The borders `start` and `stop` belong to wire type 2, `value` to all others, as the unsigned number on the wire.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.buf = data
        self.number = 0
        self.wire = 0
        self.start = 0
        self.stop = 0
        self.value = 0

    def varint(self, pos: int, end: int) -> int:
        """Read a varint into `value`; return the position behind it."""
        value = 0
        shift = 0
        while pos < end:
            byte = self.buf[pos]
            pos += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                self.value = value & U64_MASK
                return pos
            shift += 7
            if shift > 63:
                raise MalformedError(f"a number at byte {pos} is longer than ten bytes")
        raise MalformedError(f"the message ends within a number at byte {pos}")

    def little_endian(self, pos: int, width: int) -> int:
        """The unsigned number in `width` bytes, 4 or 8; the caller has made sure that they are there."""
        value = 0
        # Of a length that is known beforehand, so that C reads them at once.
        for place in range(4):
            byte = self.buf[pos + place]
            value |= byte << (8 * place)
        if width == 8:
            for place in range(4, 8):
                byte = self.buf[pos + place]
                value |= byte << (8 * place)
        return value

    def big_endian(self, pos: int) -> int:
        """The unsigned number in eight bytes, such as a span id; the caller has made sure that they are there."""
        value = 0
        for place in range(8):
            byte = self.buf[pos + place]
            value |= byte << (56 - 8 * place)
        return value

    def read(self, pos: int, end: int) -> int:
        """Read the field at `pos`, which is before `end`; return the position behind it.

        Raises MalformedError where it is none, or runs past `end`. Groups, which protobuf gave up, count as malformed.
        """
        # Nearly every tag and every length is a single byte.
        byte = self.buf[pos]
        if byte < 0x80:
            self.value = byte
            pos += 1
        else:
            pos = self.varint(pos, end)
            if self.value >> 32:
                raise MalformedError(f"a field number before byte {pos} is out of range")
        self.number = self.value >> 3
        self.wire = self.value & 7
        if self.number == 0:
            raise MalformedError(f"a field number before byte {pos} is zero")
        if self.wire == BYTES:
            if pos < end and self.buf[pos] < 0x80:
                self.value = self.buf[pos]
                pos += 1
            else:
                pos = self.varint(pos, end)
            if self.value > cython.cast(cython.ulonglong, end - pos):
                raise MalformedError(f"a field of {self.value} bytes at byte {pos} runs past its message")
            self.start = pos
            self.stop = pos + cython.cast(cython.Py_ssize_t, self.value)
            return self.stop
        if self.wire == VARINT:
            return self.varint(pos, end)
        if self.wire == FIXED64 or self.wire == FIXED32:
            width = 8 if self.wire == FIXED64 else 4
            if end - pos < width:
                raise MalformedError(f"the message ends within a number at byte {pos}")
            self.value = self.little_endian(pos, width)
            return pos + width
        raise MalformedError(f"wire type {self.wire} before byte {pos} is not used by OTLP")

    def child_kind(self, kind: int, number: int) -> int:
        """The kind of message that a field of a message of this kind holds; LEAF (0) where it holds none."""
        if kind == KEY_VALUE:
            return ANY_VALUE if number == 2 else LEAF
        if kind == ANY_VALUE:
            return ARRAY if number == 5 else KEY_VALUE_LIST if number == 6 else LEAF
        if kind == ARRAY:
            return ANY_VALUE if number == 1 else LEAF
        if kind == KEY_VALUE_LIST:
            return KEY_VALUE if number == 1 else LEAF
        if kind == EVENT:
            return KEY_VALUE if number == 3 else LEAF
        if kind == LINK:
            return KEY_VALUE if number == 4 else LEAF
        return LEAF

    def short_length(self, pos: int) -> int:
        """The length at `pos` where it takes one byte or two, as nearly all do; -1 for a longer one.

        Looks at two bytes, whether or not both belong to the length; the caller has made sure that they are there.
        """
        size = self.buf[pos]
        if size < 0x80:
            return size
        more = self.buf[pos + 1]
        return size - 0x80 + more * 0x80 if 0 < more < 0x80 else -1

    def read_plain_attribute(self, pos: int, end: int) -> bool:
        """Read a `KeyValue` of the shape that nearly all have, a short key and a text or a small number; say whether.

        If so, the reader holds the field of its value, and the key lies in the bytes behind the first two. Says no to
        much that is sound, and costs a few comparisons where the general way takes three readings.
        """
        if end - pos < 6 or self.buf[pos] != KEY_TAG or self.buf[pos + 1] >= 0x80:
            return False
        pos += 2 + self.buf[pos + 1]
        if end - pos < 4 or self.buf[pos] != VALUE_TAG:
            return False
        size = self.short_length(pos + 1)
        pos += 2 if size < 0x80 else 3
        if size < 2 or size != end - pos:
            return False
        if self.buf[pos] == TEXT_TAG:
            size = self.short_length(pos + 1) if end - pos > 2 else self.buf[pos + 1]
            self.start = pos + (2 if size < 0x80 else 3)
            self.stop = end
            self.number = 1
            self.wire = BYTES
            return size == end - self.start
        self.number = 3
        self.wire = VARINT
        self.value = self.buf[pos + 1]
        return self.buf[pos] == INTEGER_TAG and self.value < 0x80 and end - pos == 2

    def past_plain_attributes(self, pos: int, end: int) -> int:
        """The position behind the plain attributes of a span that begin at `pos`: there, where none does."""
        while end - pos > 2 and self.buf[pos] == ATTRIBUTE_TAG:
            size = self.short_length(pos + 1)
            start = pos + (2 if size < 0x80 else 3)
            if size > end - start or not self.read_plain_attribute(start, start + size):
                return pos
            pos = start + size
        return pos

    def check(self, pos: int, end: int, kind: int, depth: int) -> int:
        """Walk a nested message to its leaves, so that whoever reads it later need not fear it.

        Raises MalformedError where it is broken, or nested deeper than anybody means it.
        """
        if kind == KEY_VALUE and self.read_plain_attribute(pos, end):
            return 0
        if depth > DEPTH_MAX:
            raise MalformedError(f"a value at byte {pos} is nested deeper than {DEPTH_MAX} levels")
        while pos < end:
            pos = self.read(pos, end)
            if self.wire == BYTES:
                child = self.child_kind(kind, self.number)
                if child != LEAF:
                    self.check(self.start, self.stop, child, depth + 1)
        return 0


@cython.boundscheck(False)
@cython.wraparound(False)
def gather(bodies: list[bytes], body_starts: list[int], starts: I64Array, stops: I64Array) -> bytes:
    """The lengths (uint32) of pieces of `bodies`, and then the pieces, one after the other.

    Args:
        bodies: where the pieces lie, each within one.
        body_starts: what the first byte of each body counts as, ascending from 0.
        starts: where the pieces begin.
        stops: where they end.
    """
    lengths = stops - starts
    sizes = lengths.astype(np.uint32).tobytes()
    known = np.array(body_starts, np.int64)
    within = np.searchsorted(known, starts, "right") - 1
    offsets = starts - known[within]
    if not cython.compiled:
        pieces = zip(within.tolist(), offsets.tolist(), (offsets + lengths).tolist(), strict=True)
        return sizes + b"".join([bodies[body][begin:end] for body, begin, end in pieces])
    at = len(sizes)
    gathered = PyBytes_FromStringAndSize(cython.NULL, at + int(lengths.sum()))
    target = PyBytes_AS_STRING(gathered)
    memcpy(target, PyBytes_AS_STRING(sizes), at)
    places, begins, counts = within, offsets, lengths
    for row in range(len(begins)):
        body = bodies[places[row]]
        memcpy(target + at, PyBytes_AS_STRING(body) + begins[row], counts[row])
        at += counts[row]
    return gathered
