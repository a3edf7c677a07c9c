# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="no-any-return"
"""Tags by their hashes: a Bloom filter by which a search skips chunks.

Every attribute of a span, its events and its links is hashed as key and value. Tags are searched by text, so a search
looks for the hash of the text, and of the integer or boolean that it may stand for. Values whose texts are dear to make
(floats, lists, maps, bytes) hash to the bare key: a search for any value looks there too.
Compiled where a C compiler is at hand (`tagfilter.pxd`), the same as plain Python.
"""

import cython
import numpy as np

from jaegerlite.columns import I64Array, U8Array
from jaegerlite.wire import FieldReader

VARINT = cython.declare(cython.int, 0)
BYTES = cython.declare(cython.int, 2)
KEY_VALUE = cython.declare(cython.int, 1)
EVENT = cython.declare(cython.int, 5)
LINK = cython.declare(cython.int, 6)

U64_MASK = cython.declare(cython.ulonglong, 0xFFFFFFFFFFFFFFFF)
SEED = cython.declare(cython.ulonglong, 0xCBF29CE484222325)
WORD_PRIME = cython.declare(cython.ulonglong, 0x9E3779B97F4A7C15)
MIX_PRIME = cython.declare(cython.ulonglong, 0xFF51AFD7ED558CCD)
# What stands before a value's hash, since 5, "5" and true are searched by text and hashed by what they are.
OF_TEXT = cython.declare(cython.ulonglong, 0x1)
OF_INTEGER = cython.declare(cython.ulonglong, 0x2)
OF_BOOLEAN = cython.declare(cython.ulonglong, 0x3)
# Of a longer text its two ends and its length are hashed: spans that fit are read to be certain anyway.
TEXT_BYTES_MAX = cython.declare(cython.Py_ssize_t, 32)

# Follows a filter's bits. Filters of an older hash have no such byte, and say nothing.
FILTER_VERSION = b"\x02"
NO_FILTER: U8Array = np.zeros(1, np.uint8)


def word(buf: bytes, pos: int) -> int:
    """The little-endian number in eight bytes, written so that C reads it at once."""
    value: cython.ulonglong = 0
    for place in range(8):
        value |= cython.cast(cython.ulonglong, buf[pos + place]) << (8 * place)
    return value


def step(state: int, value: int) -> int:
    """Take eight more bytes into a hash."""
    state = ((state ^ value) * WORD_PRIME) & U64_MASK
    return state ^ (state >> 29)


def text_hash(buf: bytes, pos: int, end: int, state: int) -> int:
    """The hash of the bytes of a text on top of another hash."""
    size = end - pos
    state = step(state, size)
    if size < 8:
        rest = 0
        while pos < end:
            rest = rest << 8 | buf[pos]
            pos += 1
        return step(state, rest)
    if size > TEXT_BYTES_MAX:
        state = step(step(state, word(buf, pos)), word(buf, pos + 8))
        return step(step(state, word(buf, end - 16)), word(buf, end - 8))
    while end - pos > 8:
        state = step(state, word(buf, pos))
        pos += 8
    return step(state, word(buf, end - 8))


def mix(state: int) -> int:
    """Spread a hash over all 64 bits, since the filter takes three slices of it."""
    state ^= state >> 33
    state = (state * MIX_PRIME) & U64_MASK
    return state ^ (state >> 33)


class TagWalk:
    """Walks over the attributes of spans; what it sees goes into a filter."""

    def __init__(self, rests: bytes) -> None:
        self.reader = FieldReader(rests)
        self.bits = NO_FILTER
        self.mask = 0

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def see(self, state: int) -> int:
        """Put a hash into the filter."""
        mixed = mix(state)
        for slice_ in range(3):
            place = (mixed >> (21 * slice_)) & self.mask
            self.bits[place >> 3] |= 1 << (place & 7)
        return 0

    def value_hash(self, pos: int, end: int, key: int) -> int:
        """The hash of an `AnyValue` on top of its key's hash."""
        reader = self.reader
        state = key
        while pos < end:
            pos = reader.read(pos, end)
            state = self.field_hash(key)
        return state

    def field_hash(self, key: int) -> int:
        """The hash of the field of an `AnyValue` that was read, on top of its key's hash."""
        reader = self.reader
        if reader.number == 1 and reader.wire == BYTES:
            return text_hash(reader.buf, reader.start, reader.stop, step(key, OF_TEXT))
        if reader.number == 2 and reader.wire == VARINT:
            return step(step(key, OF_BOOLEAN), 1 if reader.value else 0)
        if reader.number == 3 and reader.wire == VARINT:
            return step(step(key, OF_INTEGER), reader.value)
        return key

    def attribute(self, pos: int, end: int) -> int:
        """A `KeyValue` message."""
        reader = self.reader
        if reader.read_plain_attribute(pos, end):
            return self.see(self.field_hash(text_hash(reader.buf, pos + 2, pos + 2 + reader.buf[pos + 1], SEED)))
        key = text_hash(reader.buf, 0, 0, SEED)
        value_start = value_stop = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                key = text_hash(reader.buf, reader.start, reader.stop, SEED)
            elif reader.number == 2 and reader.wire == BYTES:
                value_start = reader.start
                value_stop = reader.stop
        return self.see(self.value_hash(value_start, value_stop, key))

    def nested(self, pos: int, end: int, kind: int) -> int:
        """The attributes of an event or a link; an event's name counts as its attribute `event`, as Jaeger shows it."""
        reader = self.reader
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire != BYTES:
                continue
            if reader.child_kind(kind, reader.number) == KEY_VALUE:
                self.attribute(reader.start, reader.stop)
            elif kind == EVENT and reader.number == 2:
                key = step(text_hash(b"event", 0, 5, SEED), OF_TEXT)
                self.see(text_hash(reader.buf, reader.start, reader.stop, key))
        return 0

    def span(self, pos: int, end: int) -> int:
        """All attributes in the kept part of a span."""
        reader = self.reader
        while pos < end:
            pos = reader.read(pos, end)
            if reader.wire != BYTES:
                continue
            if reader.number == 9:
                self.attribute(reader.start, reader.stop)
            elif reader.number == 11:
                self.nested(reader.start, reader.stop, EVENT)
            elif reader.number == 13:
                self.nested(reader.start, reader.stop, LINK)
        return 0


@cython.boundscheck(False)
@cython.wraparound(False)
def fill_tag_filter(rests: bytes, borders: I64Array, bits: U8Array) -> None:
    """Put the attributes of spans into a Bloom filter of three bits per attribute.

    Args:
        rests: bytes that hold the kept parts of the spans, as `decode_request` left them.
        borders: where they begin and end in there, one more than there are spans.
        bits: the filter, its length a power of two; 2 bytes per span keep false hits at a few per cent.
    """
    walk = TagWalk(rests)
    walk.bits = bits
    walk.mask = 8 * len(bits) - 1
    # Plain Python counts without bounds only in its own integers.
    places = borders if cython.compiled else borders.tolist()
    for row in range(len(borders) - 1):
        walk.span(places[row], places[row + 1])


def tag_hashes(key: bytes, value: bytes) -> tuple[int, int, int]:
    """What a tag may be hashed to: as a text; as the integer or boolean of this text, if it is one; and by its key."""
    bare: cython.ulonglong = text_hash(key, 0, len(key), SEED)
    pair: cython.ulonglong = text_hash(value, 0, len(value), step(bare, OF_TEXT))
    other: cython.ulonglong = pair
    if value in (b"true", b"false"):
        other = step(step(bare, OF_BOOLEAN), 1 if value == b"true" else 0)
    elif value.lstrip(b"-").isdigit() and len(value) <= 20 and b"%d" % int(value) == value:
        number = int(value)
        if -(1 << 63) <= number < 1 << 63:
            other = step(step(bare, OF_INTEGER), number & 0xFFFFFFFFFFFFFFFF)
    return pair, other, bare


def tag_places(key: bytes, value: bytes, filter_bytes: int) -> list[list[int]]:
    """The bits to look at in a filter of this size, for each way in which the tag may be in it."""
    mask = 8 * filter_bytes - 1
    places = []
    for state in dict.fromkeys(tag_hashes(key, value)):
        mixed: cython.ulonglong = mix(state)
        places.append([(mixed >> (21 * slice_)) & mask for slice_ in range(3)])
    return places
