# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="no-any-return"
"""Tags by their hashes: a Bloom filter by which a search skips chunks, and a quick look for the spans in one chunk.

Every attribute of a span, its events and its links is hashed as key and text of the value, since that is how tags are
searched. Texts that are dear to make (floats, lists, maps, bytes) hash to the bare key: a search for any value looks
there too, and reads the span to be certain. Compiled where a C compiler is at hand (`tagfilter.pxd`), the same as plain
Python.
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
I64_MAX = cython.declare(cython.ulonglong, 0x7FFFFFFFFFFFFFFF)
FNV_OFFSET = cython.declare(cython.ulonglong, 0xCBF29CE484222325)
FNV_PRIME = cython.declare(cython.ulonglong, 0x100000001B3)
MIX_PRIME = cython.declare(cython.ulonglong, 0xFF51AFD7ED558CCD)

NO_FILTER: U8Array = np.zeros(1, np.uint8)


def fnv(buf: bytes, pos: int, end: int, state: int) -> int:
    """FNV-1a, the byte-wise hash of Fowler, Noll and Vo, which is the same in both modes."""
    while pos < end:
        state = ((state ^ buf[pos]) * FNV_PRIME) & U64_MASK
        pos += 1
    return state


def mix(state: int) -> int:
    """Spread a hash over all 64 bits, since the filter takes three slices of it."""
    state ^= state >> 33
    state = (state * MIX_PRIME) & U64_MASK
    return state ^ (state >> 33)


def from_twos_complement(value: int) -> int:
    """An OTLP int64 from its 64 bits in two's complement."""
    if value > I64_MAX:
        return -cython.cast(cython.longlong, U64_MASK - value) - 1
    return value


class TagWalk:
    """Walks over the attributes of spans; what it sees goes into a filter, or is compared with one wanted tag."""

    def __init__(self, rests: bytes) -> None:
        self.reader = FieldReader(rests)
        self.bits = NO_FILTER
        self.mask = 0
        self.filling = False
        self.pair = 0
        self.bare = 0
        self.hit = False

    @cython.boundscheck(False)
    @cython.wraparound(False)
    def see(self, state: int) -> int:
        """Put a hash into the filter, or note that it is the wanted one."""
        if not self.filling:
            if state == self.pair or state == self.bare:
                self.hit = True
            return 0
        mixed = mix(state)
        for slice_ in range(3):
            place = (mixed >> (21 * slice_)) & self.mask
            self.bits[place >> 3] |= 1 << (place & 7)
        return 0

    def value_hash(self, pos: int, end: int, key: int) -> int:
        """The hash of an `AnyValue`'s text on top of its key's hash."""
        reader = self.reader
        separated = (key * FNV_PRIME) & U64_MASK
        state = key
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                state = fnv(reader.buf, reader.start, reader.stop, separated)
            elif reader.number == 2 and reader.wire == VARINT:
                text = b"true" if reader.value else b"false"
                state = fnv(text, 0, len(text), separated)
            elif reader.number == 3 and reader.wire == VARINT:
                text = b"%d" % from_twos_complement(reader.value)
                state = fnv(text, 0, len(text), separated)
            else:
                state = key
        return state

    def attribute(self, pos: int, end: int) -> int:
        """A `KeyValue` message."""
        reader = self.reader
        key = FNV_OFFSET
        value_start = value_stop = 0
        while pos < end:
            pos = reader.read(pos, end)
            if reader.number == 1 and reader.wire == BYTES:
                key = fnv(reader.buf, reader.start, reader.stop, FNV_OFFSET)
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
                key = (fnv(b"event", 0, 5, FNV_OFFSET) * FNV_PRIME) & U64_MASK
                self.see(fnv(reader.buf, reader.start, reader.stop, key))
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


def fill_tag_filter(rests: bytes, lengths: I64Array, bits: U8Array) -> None:
    """Put the attributes of spans into a Bloom filter of three bits per attribute.

    Args:
        rests: the kept parts of the spans, one after the other, as `decode_request` left them.
        lengths: their lengths in bytes.
        bits: the filter, its length a power of two; 2 bytes per span keep false hits at a few per cent.
    """
    walk = TagWalk(rests)
    walk.filling = True
    walk.bits = bits
    walk.mask = 8 * len(bits) - 1
    sizes = lengths
    pos = 0
    for row in range(len(lengths)):
        walk.span(pos, pos + sizes[row])
        pos += sizes[row]


def rows_with_tag(rests: bytes, borders: I64Array, key: bytes, value: bytes, found: U8Array) -> None:
    """Set `found` to 1 where a span has this tag, but for accidents of hashes and values without cheap text.

    Args:
        rests: bytes that hold the kept parts of the spans.
        borders: where they begin and end in there, one more than there are spans.
        key: the tag's key, UTF-8.
        value: the text of its value, UTF-8.
        found: the result, one per span.
    """
    walk = TagWalk(rests)
    walk.bare = fnv(key, 0, len(key), FNV_OFFSET)
    walk.pair = fnv(value, 0, len(value), (walk.bare * FNV_PRIME) & U64_MASK)
    places = borders
    hits = found
    for row in range(len(found)):
        walk.hit = False
        walk.span(places[row], places[row + 1])
        hits[row] = 1 if walk.hit else 0


def tag_places(key: bytes, value: bytes, filter_bytes: int) -> tuple[list[int], list[int]]:
    """The bits to look at in a filter of this size: those of the pair, and those of a value that has no cheap text."""
    state: cython.ulonglong = fnv(key, 0, len(key), FNV_OFFSET)
    pair: cython.ulonglong = mix(fnv(value, 0, len(value), (state * FNV_PRIME) & U64_MASK))
    bare: cython.ulonglong = mix(state)
    mask: cython.ulonglong = 8 * filter_bytes - 1
    return [(pair >> (21 * i)) & mask for i in range(3)], [(bare >> (21 * i)) & mask for i in range(3)]
